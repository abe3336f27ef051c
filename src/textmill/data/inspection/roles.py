"""Guesses what each column is for: the text, the label, and candidates for split, group, time and slices."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from textmill.data.inspection.columns import ColumnProfile
from textmill.data.inspection.task_guess import find_separator, is_measured
from textmill.data.sources.labels import MAX_MEASURED
from textmill.data.sources.split_names import split_of_value

TEXT_NAMES = {"text", "texts", "content", "body", "review", "comment", "message", "document", "sentence", "tweet"}
WEAK_TEXT_NAMES = {"description", "abstract", "article", "post", "question", "utterance", "quote", "email", "input"}
LABEL_NAMES = {"label", "labels", "class", "classes", "category", "target", "sentiment", "y", "gold"}
WEAK_LABEL_NAMES = {
    *("topic", "intent", "emotion", "stars", "rating", "score", "polarity", "genre", "tag", "tags", "type"),
    *("section", "spam", "toxic", "stance", "subject", "status", "output", "newsgroup", "annotation"),
}
GROUP_NAMES = {
    *("author", "user", "username", "speaker", "customer", "patient", "group", "thread", "conversation", "session"),
    *("dialogue", "account", "client", "company", "source", "publisher", "product", "book"),
}
TIME_NAMES = {"date", "time", "timestamp", "datetime", "created", "published", "updated", "year"}
ID_NAMES = {"id", "uid", "uuid", "key", "index", "idx", "guid", "url", "uri", "link"}
MAX_LABELS = 1000
MAX_SLICE_VALUES = 50
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


@dataclass(frozen=True)
class Guess:
    """A column, and why it was taken for what it is."""

    column: str
    reason: str


@dataclass(frozen=True)
class Roles:
    """Guessed columns; None where no column looks like one."""

    text: Guess | None
    label: Guess | None
    split: Guess | None = None
    group: list[Guess] = field(default_factory=list)
    time: list[Guess] = field(default_factory=list)
    slices: list[Guess] = field(default_factory=list)

    def of(self, column: str) -> str:
        """What a column was guessed to be; empty if nothing."""
        for role in ("text", "label", "split"):
            guess = getattr(self, role)
            if guess is not None and guess.column == column:
                return role
        for role, word in (("time", "time?"), ("group", "group?"), ("slices", "slice?")):
            if any(guess.column == column for guess in getattr(self, role)):
                return word
        return ""


def guess_roles(
    columns: Sequence[ColumnProfile],
    declared: Mapping[str, str],
    text: str | None = None,
    label: str | None = None,
) -> Roles:
    """Guess by names, types and values.

    Args:
        columns: profiles of all columns, in their order.
        declared: columns that the source itself says are labels, and how it says so.
        text, label: columns that the user named; they are not guessed.
    """
    found_text = Guess(text, "you named it") if text else _guess_text(columns, declared, label)
    rest = [c for c in columns if not (found_text and c.name == found_text.column) and c.num_present]
    split = next((guess for c in rest if c.name != label and (guess := _as_split(c))), None)
    rest = [column for column in rest if not (split and column.name == split.column)]
    found_label = Guess(label, "you named it") if label else _guess_label(rest, declared)
    rest = [column for column in rest if not (found_label and column.name == found_label.column)]
    return Roles(
        found_text,
        found_label,
        split,
        group=[guess for column in rest if (guess := _as_group(column))],
        time=[guess for column in rest if (guess := _as_time(column))],
        slices=[guess for column in rest if (guess := _as_slice(column))],
    )


def _guess_text(columns: Sequence[ColumnProfile], declared: Mapping[str, str], label: str | None) -> Guess | None:
    candidates = [c for c in columns if c.kind == "text" and c.name not in declared and c.name != label]
    if not candidates:
        return None
    best = max(candidates, key=_text_score)
    names = [f"named {best.name}"] if _name_score(best.name, TEXT_NAMES, WEAK_TEXT_NAMES) else []
    longest = ["the longest values"] if best.mean_words == max(c.mean_words for c in candidates) else []
    return Guess(best.name, f"{', '.join([*names, *longest])}: {_words(best.mean_words)} on average")


def _words(number: float) -> str:
    return f"{number:,.0f} word{'' if round(number) == 1 else 's'}"


def _text_score(column: ColumnProfile) -> float:
    """Words count most: a title loses to a body, an address of one word to both."""
    return (
        math.log1p(column.mean_words)
        + 0.2 * math.log1p(column.mean_characters)
        + column.distinct_share
        + _name_score(column.name, TEXT_NAMES, WEAK_TEXT_NAMES)
        - column.num_missing / max(column.num_rows, 1)
    )


def _guess_label(columns: Sequence[ColumnProfile], declared: Mapping[str, str]) -> Guess | None:
    for column in columns:
        if column.name in declared:
            return Guess(column.name, declared[column.name])
    candidates = [column for column in columns if _can_be_label(column)]
    if not candidates:
        # Numbers to predict, or fields of several labels: neither comes again and again, so that a name must tell.
        candidates = [column for column in columns if _name_score(column.name, LABEL_NAMES, WEAK_LABEL_NAMES)]
        candidates = [column for column in candidates if is_measured(column) or find_separator(column.values or {})]
    if not candidates:
        return None
    several = [column for column in candidates if column.num_distinct != 1]
    best = max(several or candidates, key=_label_score)
    named = f"named {best.name}, " if _name_score(best.name, LABEL_NAMES, WEAK_LABEL_NAMES) else ""
    num_distinct = "many" if best.num_distinct is None else f"{best.num_distinct}"
    values = f"{num_distinct} distinct value{'' if best.num_distinct == 1 else 's'}"
    return Guess(best.name, f"{named}{values} in {best.num_present:,} rows")


def _can_be_label(column: ColumnProfile) -> bool:
    name_score = _name_score(column.name, LABEL_NAMES, WEAK_LABEL_NAMES)
    if column.values is None or column.kind in ("nested", "date") or len(column.values) > MAX_LABELS:
        return False
    if len(column.values) < 2:  # which a label cannot be, but what else to show of a column called so
        return name_score == 2
    if column.kind == "number" and len(column.values) > MAX_MEASURED:
        return False
    # A label comes again and again; in a handful of rows only a name can tell.
    return column.distinct_share <= (0.9 if name_score else 0.5)


def _label_score(column: ColumnProfile) -> float:
    """A name says most; without one, few short values that come again and again."""
    return (
        1.5 * _name_score(column.name, LABEL_NAMES, WEAK_LABEL_NAMES)
        - 1.5 * _name_score(column.name, ID_NAMES, TIME_NAMES)
        - column.distinct_share
        - 0.15 * math.log1p(column.num_distinct or MAX_LABELS)
        - 0.1 * column.mean_words
        - 0.5 * (column.kind == "number")
        - column.num_missing / max(column.num_rows, 1)
    )


def _as_split(column: ColumnProfile) -> Guess | None:
    """A column whose every value is the name of a split, train among them."""
    found = {split_of_value(value) for value in column.values or {}}
    if column.num_missing or None in found or "train" not in found or len(found) < 2:
        return None
    return Guess(column.name, f"its values are {', '.join(sorted(column.values or {}))}")


def _as_time(column: ColumnProfile) -> Guess | None:
    if column.kind == "date":  # `split` reads no others than ISO 8601
        return Guess(column.name, "its values are dates") if _ISO_DATE.match(column.example or "") else None
    if _name_score(column.name, TIME_NAMES, set()) and column.kind in ("integer", "number"):
        return Guess(column.name, f"named {column.name}, and its values are numbers")
    return None


def _as_group(column: ColumnProfile) -> Guess | None:
    if not _name_score(column.name, GROUP_NAMES, set()) or column.kind in ("nested", "date"):
        return None
    if column.num_distinct is None or column.num_distinct <= MAX_SLICE_VALUES or column.distinct_share > 0.95:
        return None
    return Guess(column.name, f"named {column.name}, {column.num_distinct:,} distinct values that come again")


def _as_slice(column: ColumnProfile) -> Guess | None:
    if column.kind not in ("text", "boolean", "integer") or column.num_distinct is None:
        return None
    if 2 <= column.num_distinct <= MAX_SLICE_VALUES and column.distinct_share <= 0.5:
        return Guess(column.name, f"{column.num_distinct} distinct values")
    return None


def is_known_name(name: str) -> bool:
    """Whether a word is one that columns with texts, labels, ids and so on are called by."""
    names = (TEXT_NAMES, WEAK_TEXT_NAMES, LABEL_NAMES, WEAK_LABEL_NAMES, GROUP_NAMES, TIME_NAMES, ID_NAMES)
    return any(name.strip().lower() in group for group in names)


def _name_score(name: str, strong: set[str], weak: set[str]) -> float:
    """2 for a name of the first kind, 1 for one of the second or that ends in one of the first, half for a part."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return 0.0
    if len(words) == 1:
        return 2.0 if words[0] in strong else 1.0 if words[0] in weak else 0.0
    if words[-1] in strong or words[0] in strong:
        return 1.0
    return 0.5 if {*words} & weak else 0.0
