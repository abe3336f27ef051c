"""What a label column is: one label a document, several in one field, or a number."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from textmill.data.inspection.columns import ColumnProfile
from textmill.data.sources.labels import MAX_MEASURED
from textmill.tasks import Task

SEPARATORS = (";", "|", ",")
DEFAULT_SEPARATOR = ","
MIN_MEASURED = 10  # more different numbers than this, some with decimals, are a measurement
MIN_SHARE_OF_SEVERAL = 0.02  # of the documents that hold several labels, if the field is of such
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
    fractions = sum(not float(value).is_integer() for value in column.values)
    return len(column.values) > MIN_MEASURED and fractions > len(column.values) / 2


def find_separator(values: Mapping[str, int]) -> tuple[str, int] | None:
    """What stands between labels, and how many labels there are; None where a field is one label.

    Few different parts must make up the fields, and half of the parts that stand beside others must also stand alone:
    a comma in `Washington, D.C.` separates nothing.

    Args:
        values: of a column, with their counts.
    """
    for separator in SEPARATORS:
        parts: Counter[str] = Counter()
        several, beside, alone = 0, set(), set()
        for value, count in values.items():
            found = [part for part in map(str.strip, value.split(separator)) if part]
            parts.update(found)
            if len(found) > 1:
                several += count
                beside.update(found)
            else:
                alone.update(found)
        if several < MIN_SHARE_OF_SEVERAL * sum(values.values()) or not beside:
            continue
        is_short = max(map(len, parts)) <= MAX_PART_CHARACTERS and len(parts) <= min(MAX_PARTS, 2 * len(values))
        if is_short and 2 * len(beside & alone) >= len(beside):
            return separator, len(parts)
    return None
