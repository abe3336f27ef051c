"""Which label a row gets, by task: trimmed, split, renamed. And what a rare label is."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from textmill.errors import UserError
from textmill.tasks import SEPARATOR, Task, join_labels, split_labels

LABEL_REASONS = ("missing_label", "unknown_label", "bar_in_label", "not_a_number")
NUM_EXAMPLES = 10
_WHOLE = re.compile(r"(-?\d+)\.0+")
_EDGES = re.compile(r"^[\s\u00ad\u200b-\u200f\u2060\ufeff]+|[\s\u00ad\u200b-\u200f\u2060\ufeff]+$")


class AmbiguousLabels(UserError):
    """Two entries of clean.labels differ in case only, and clean.label_case makes them one."""


class UnusableName(UserError):
    """A label of clean.labels that our tables cannot hold."""


@dataclass(frozen=True)
class RareLabels:
    """A label with fewer than `min_documents` is rare; `merge` renames it `merge_into`."""

    min_documents: int
    action: Literal["quarantine", "merge", "error"]
    merge_into: str | None


class Rules(Protocol):
    """What to do with the label column of a task."""

    def use(self, found: str | None) -> str | None:
        """The label to use for a label as found, as our tables hold it (see tasks.py); None where the row goes."""
        ...

    def reason(self, found: str | None, used: str | None) -> str | None:
        """Why a row goes for its label, one of LABEL_REASONS; None where it stays."""
        ...

    def unknown(self, found: str | None) -> list[str]:
        """The labels in it that clean.labels does not list."""
        ...

    def tidy(self, corrected: str) -> str | None:
        """A label that a person wrote, as our tables hold it; None where it cannot be one."""
        ...

    @property
    def allowed(self) -> set[str] | None:
        """The labels to use, or None for any."""
        ...


def make_rules(task: Task, names: Mapping[str, str] | None, case: Literal["keep", "lower"], separator: str) -> "Rules":
    """The rules of a task; for the arguments see LabelRules and ManyLabelRules.

    Raises: AmbiguousLabels, UnusableName.
    """
    if task == "regression":
        assert names is None, "params.yaml allows no clean.labels with regression"
        return NumberRules()
    rules = LabelRules(names, case)
    return ManyLabelRules(rules, separator) if task == "multi_label" else rules


class LabelRules:
    """One label a document. Finds the label to use for each label as found.

    Args:
        names: label as found to label to use, or None to take labels as they are. An entry counts for other spellings
            too (see label_key), unless those have an entry of their own.
        case: `lower` makes labels lower-case, and finds entries of `names` whatever their case.
    """

    def __init__(self, names: Mapping[str, str] | None, case: Literal["keep", "lower"]) -> None:
        self._names = None if names is None else {trim(name): label for name, label in names.items()}
        self._is_lower = case == "lower"
        self._used: dict[str, str | None] = {}  # by label as found
        self._by_key: dict[str, str] = {}
        spelt: dict[str, str] = {}
        for name, label in (self._names or {}).items():
            key = self._key(name)
            if self._is_lower and self._by_key.setdefault(key, label) != label:
                raise AmbiguousLabels(
                    f"clean.labels lists {spelt[key]!r} and {name!r} with different labels, but clean.label_case: "
                    "lower takes them for one. Give them the same label, or set clean.label_case: keep."
                )
            if key == name or key not in spelt:
                self._by_key[key] = label
            spelt.setdefault(key, name)

    def use(self, found: str | None) -> str | None:
        if found is None:
            return None
        if found not in self._used:
            if len(self._used) > 1_000_000:  # a column of texts, taken for labels
                self._used.clear()
            self._used[found] = self._look_up(trim(found))
        return self._used[found]

    def _look_up(self, label: str) -> str | None:
        if not label:
            return None
        if self._names is None:
            return label.lower() if self._is_lower else label
        return self._names.get(label, self._by_key.get(self._key(label)))

    def _key(self, label: str) -> str:
        return label_key(label.lower() if self._is_lower else label)

    def reason(self, found: str | None, used: str | None) -> str | None:
        if found is None or not trim(found):
            return "missing_label"
        return "unknown_label" if used is None else None

    def unknown(self, found: str | None) -> list[str]:
        return [found] if self.reason(found, self.use(found)) == "unknown_label" and found else []

    def tidy(self, corrected: str) -> str | None:
        return corrected

    @property
    def allowed(self) -> set[str] | None:
        return None if self._names is None else set(self._names.values())


class ManyLabelRules:
    """Any number of labels a document; an empty field has none, which is nothing that is missing.

    Args:
        rules: for each label.
        separator: between the labels of a field as found, white space around it left out.

    Raises:
        UnusableName: clean.labels has a label to use that holds the separator of our own tables.
    """

    def __init__(self, rules: LabelRules, separator: str) -> None:
        self._rules, self._separator = rules, separator
        for name in sorted(rules.allowed or ()):
            if SEPARATOR in name:
                raise UnusableName(
                    f"clean.labels gives the label {name!r}, but with task: multi_label none may hold {SEPARATOR!r}: "
                    "it stands between the labels of a document. Write it in another way."
                )

    def _parts(self, found: str | None) -> list[str]:
        return [part for part in map(trim, (found or "").split(self._separator)) if part]

    def use(self, found: str | None) -> str | None:
        used = [self._rules.use(part) for part in self._parts(found)]
        labels = [label for label in used if label is not None and SEPARATOR not in label]
        return join_labels(labels) if len(labels) == len(used) else None

    def reason(self, found: str | None, used: str | None) -> str | None:
        if used is not None:
            return None
        return "unknown_label" if self.unknown(found) else "bar_in_label"

    def unknown(self, found: str | None) -> list[str]:
        return [part for part in self._parts(found) if self._rules.use(part) is None]

    def tidy(self, corrected: str) -> str | None:
        return join_labels(filter(None, map(trim, split_labels(corrected))))

    @property
    def allowed(self) -> set[str] | None:
        return self._rules.allowed


class NumberRules:
    """A finite number a document, as Python writes it: `repr` of a float."""

    allowed = None

    def use(self, found: str | None) -> str | None:
        number = read_number(found)
        return None if number is None else repr(number)

    def reason(self, found: str | None, used: str | None) -> str | None:
        if found is None or not trim(found):
            return "missing_label"
        return "not_a_number" if used is None else None

    def unknown(self, found: str | None) -> list[str]:
        return []

    def tidy(self, corrected: str) -> str | None:
        return self.use(corrected)


def read_number(found: str | None) -> float | None:
    """The finite number that a text says, such as `3`, `-0.5` or `1e-3`; None where it says none."""
    text = trim(found or "")
    try:
        number = float(text)
    except ValueError:
        return None
    # Python takes 1_000 for a thousand, which is an id more often than not.
    return number + 0.0 if math.isfinite(number) and "_" not in text else None  # -0.0 is 0.0


def trim(label: str) -> str:
    """Without white space and invisible characters around it, in NFC."""
    return unicodedata.normalize("NFC", _EDGES.sub("", label))


def label_key(label: str) -> str:
    """One spelling for what sources write in several: `True` and `TRUE` are `true`, `1.0` is `1`."""
    if (lower := label.lower()) in ("true", "false"):
        return lower
    whole = _WHOLE.fullmatch(label)
    return whole[1] if whole else label
