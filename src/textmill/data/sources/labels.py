"""What labels a column holds, and whether they are classes at all."""

import math
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from textmill.data.sources.errors import UnusableLabels
from textmill.tasks import Task

MISSING = "(missing)"
MAX_LABELS = 20_000  # more are ids or texts; it also bounds what is held in memory
MAX_MEASURED = 50  # more different numbers with decimals than this are a measurement
MEASURED_SHARE = 0.9
CHECKED = 1000


def name_labels(found: Iterable[str | None], task: Task, separator: str) -> Iterator[str]:
    """The labels in a column as found, to be counted; MISSING where there is none, and nothing of numbers."""
    for label in found:
        if task == "multi_label":
            yield from filter(None, map(str.strip, (label or "").split(separator)))
        elif label is None:
            yield MISSING
        elif task == "single_label":
            yield label


def check_labels(labels: Collection[str], what: str) -> None:
    """Look at the different labels found so far.

    Raises: UnusableLabels: they are measured numbers, or too many.
    """
    if len(labels) <= MAX_MEASURED:
        return
    examples = list(islice(labels, CHECKED))
    shown = ", ".join(repr(label if len(label) < 40 else f"{label[:40]}...") for label in examples[:5])
    if sum(map(_is_measured, examples)) > MEASURED_SHARE * len(examples):
        raise UnusableLabels(
            f"{what} holds measured numbers ({shown}, ...), not classes. Name the column with the classes, write one "
            "that says which range a number is in, or set task: regression to predict the number itself."
        )
    if len(labels) > MAX_LABELS:
        raise UnusableLabels(
            f"{what} holds more than {MAX_LABELS} different values ({shown}, ...): ids or texts, not classes. Name the "
            "column with the classes."
        )


def _is_measured(label: str) -> bool:
    try:
        number = float(label)
    except ValueError:
        return False
    return math.isfinite(number) and not number.is_integer()
