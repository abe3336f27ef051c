"""Which label a row gets: trimmed, renamed, corrected. And what a rare label is."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as short
from typing import Literal

import pandas as pd

from textmill.errors import UserError

LABEL_REASONS = ("missing_label", "unknown_label")
NUM_EXAMPLES = 10
_WHOLE = re.compile(r"(-?\d+)\.0+")
_EDGES = re.compile(r"^[\s\u00ad\u200b-\u200f\u2060\ufeff]+|[\s\u00ad\u200b-\u200f\u2060\ufeff]+$")


class AmbiguousLabels(UserError):
    """Two entries of clean.labels differ in case only, and clean.label_case makes them one."""


class UnfittingCorrection(UserError):
    """A correction of a label that does not fit the data as they are now."""


@dataclass(frozen=True)
class RareLabels:
    """A label with fewer than `min_documents` is rare; `merge` renames it `merge_into`."""

    min_documents: int
    action: Literal["quarantine", "merge", "error"]
    merge_into: str | None


class LabelRules:
    """Finds the label to use for each label as found.

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
        """The label to use; None where there is none, or where clean.labels does not list it."""
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

    @property
    def allowed(self) -> set[str] | None:
        """The labels to use, or None for any."""
        return None if self._names is None else set(self._names.values())


def trim(label: str) -> str:
    """Without white space and invisible characters around it, in NFC."""
    return unicodedata.normalize("NFC", _EDGES.sub("", label))


def label_key(label: str) -> str:
    """One spelling for what sources write in several: `True` and `TRUE` are `true`, `1.0` is `1`."""
    if (lower := label.lower()) in ("true", "false"):
        return lower
    whole = _WHOLE.fullmatch(label)
    return whole[1] if whole else label


def find_label_reason(found: str | None, label: str | None) -> str | None:
    """Why a row goes for its label, one of LABEL_REASONS; None where it stays."""
    if found is None or not trim(found):
        return "missing_label"
    return "unknown_label" if label is None else None


class Corrections:
    """Replaces labels that a person corrected.

    Args:
        table: id, label (when it was reviewed), corrected (the one to use).
        merge_into: the label that rare ones become later on: when it was reviewed, a rare one was called that already.
    """

    def __init__(self, table: pd.DataFrame, merge_into: str | None = None) -> None:
        self._merge_into = merge_into
        columns = (table[name].tolist() for name in ("id", "label", "corrected"))
        self._open = {name: (label, corrected) for name, label, corrected in zip(*columns, strict=True)}
        self._labels: set[str] = set()
        self.applied: list[dict[str, str]] = []

    def apply(self, ids: Sequence[str], labels: list[str | None]) -> list[str | None]:
        """Correct the labels of a batch.

        Raises: UnfittingCorrection: a label is not what it was when it was reviewed.
        """
        if not self._open and not self.applied:
            return labels
        self._labels.update(label for label in labels if label is not None)
        corrected = list(labels)
        for place, name in enumerate(ids):
            if name in self._open:
                corrected[place] = self._correct(name, labels[place])
        return corrected

    def _correct(self, name: str, label: str | None) -> str:
        reviewed, corrected = self._open.pop(name)
        if label is None or (label not in (reviewed, corrected) and reviewed != self._merge_into):
            now = "missing or not listed in clean.labels" if label is None else short(label)
            raise UnfittingCorrection(
                f"data.label_corrections corrects document {name} from {short(reviewed)} to {short(corrected)}, but "
                f"its label is {now} now: the data or clean.labels changed since the review. Write a new file with "
                "`textmill labels review`, or take the document out of this one."
            )
        if label != corrected:
            self.applied.append({"id": name, "from": label, "to": corrected})
        return corrected

    def check(self, allowed: set[str] | None) -> None:
        """Look at the whole once all batches are corrected.

        Args:
            allowed: labels that there may be; None for those that there are.

        Raises: UnfittingCorrection: a document is not there, or a corrected label is none of the labels.
        """
        labels = {*(self._labels if allowed is None else allowed), *filter(None, [self._merge_into])}
        for correction in self.applied:
            if correction["to"] not in labels:
                raise UnfittingCorrection(
                    f"data.label_corrections gives document {correction['id']} the label {short(correction['to'])}, "
                    f"which is none of the labels: {', '.join(map(short, sorted(labels)[:NUM_EXAMPLES]))}. Correct the "
                    "file, or list the label in clean.labels."
                )
        if self._open:
            raise UnfittingCorrection(
                f"data.label_corrections corrects document {next(iter(self._open))}, which is not in the data"
                f"{f' (nor are {len(self._open) - 1} more)' if len(self._open) > 1 else ''}. Take it out of the file."
            )
