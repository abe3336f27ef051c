"""What a label column is: one label a document, several in one field, or a number."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from textmill.data.inspection.columns import ColumnProfile
from textmill.data.sources.labels import MAX_MEASURED
from textmill.tasks import Task

SEPARATORS = (";", "|", ",")
DEFAULT_SEPARATOR = ","
MIN_MEASURED = 10  # more different numbers than this, most with decimals, are a measurement
MIN_STEPS = 5  # of a scale: as many numbers and one more, as far from each other, most with decimals
MIN_SHARE_OF_SEVERAL = 0.02  # of the documents that hold several labels, if the field is of such
MIN_SHARE_OF_ALL = 0.5  # the same where no label stands alone
MAX_PARTS = 500
MAX_PART_CHARACTERS = 60


@dataclass(frozen=True)
class TaskGuess:
    """The task, what stands between the labels of a field, and why."""

    task: Task
    label_separator: str
    reason: str


def guess_task(column: ColumnProfile | None) -> TaskGuess:
    """The task that a label column is for; single_label where nothing speaks for another."""
    if column is not None and is_measured(column):
        many = "many" if column.num_distinct is None else f"{column.num_distinct:,}"
        return TaskGuess("regression", DEFAULT_SEPARATOR, f"{column.name} holds {many} different numbers")
    if column is not None and (found := find_separator(column.values or {})):
        separator, num_labels = found
        reason = f"{column.name} holds {num_labels} labels, several of them in a field with {separator!r} between"
        return TaskGuess("multi_label", separator, reason)
    return TaskGuess("single_label", DEFAULT_SEPARATOR, "one label a document")


def is_measured(column: ColumnProfile) -> bool:
    """Whether a column holds numbers that are amounts and no names of classes."""
    if column.kind not in ("number", "integer"):
        return False
    if column.values is None or len(column.values) > MAX_MEASURED:
        return True
    numbers = sorted(map(float, column.values))
    if sum(not number.is_integer() for number in numbers) <= len(numbers) / 2:
        return False
    return len(numbers) > MIN_MEASURED or (len(numbers) > MIN_STEPS and _is_scale(numbers))


def _is_scale(numbers: Sequence[float]) -> bool:
    """Whether ascending numbers are as far from each other, such as 0, 0.2, 0.4; versions, 3.8 to 3.11, are not."""
    steps = [high - low for low, high in pairwise(numbers)]
    return max(steps) - min(steps) < 1e-3 * max(steps)


def find_separator(values: Mapping[str, int]) -> tuple[str, int] | None:
    """What stands between labels, and how many labels there are; None where a field is one label.

    Few different parts must make up the fields, and half of the parts that stand beside others must also stand alone:
    a comma in `Washington, D.C.` separates nothing. Where none or few stand alone, most fields must be of several
    parts, some more than others, and share one with another field: `rec,autos` and `rec,sport,hockey` do, while
    `Lyon, France` and `Paris, France` are as long as each other.

    Args:
        values: of a column, with their counts.
    """
    for separator in SEPARATORS:
        parts: Counter[str] = Counter()
        fields, several, alone = [], 0, set()
        for value, count in values.items():
            found = {part for part in map(str.strip, value.split(separator)) if part}
            parts.update(found)
            if len(found) > 1:
                several += count
                fields.append(found)
            else:
                alone.update(found)
        share = several / max(sum(values.values()), 1)
        if share < MIN_SHARE_OF_SEVERAL or not fields:
            continue
        is_short = max(map(len, parts)) <= MAX_PART_CHARACTERS and len(parts) <= min(MAX_PARTS, 2 * len(values))
        beside = set().union(*fields)
        stand_alone = 2 * len(beside & alone) >= len(beside)
        if is_short and (stand_alone or (share >= MIN_SHARE_OF_ALL and _recur(fields, parts))):
            return separator, len(parts)
    return None


def _recur(fields: Sequence[set[str]], parts: Mapping[str, int]) -> bool:
    """Whether most fields share a part with another one, and are not all of as many parts.

    Args:
        parts: in how many different fields each part stands.
    """
    sharing = sum(any(parts[part] > 1 for part in field) for field in fields)
    return 2 * sharing > len(fields) and len(set(map(len, fields))) > 1
