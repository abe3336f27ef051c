"""Documents of each class, of all and of each split. For regression, ranges of the number take the place of classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from textmill.data.numbers import Floats, describe_numbers, find_borders, name_ranges, place_numbers
from textmill.tasks import Task, join_labels, labels_of, split_labels


@dataclass(frozen=True)
class Classes:
    """What the labels of some documents are.

    Attributes:
        counts: integer columns `documents` and the names of the splits, indexed by class in alphabetical order, or by
            range in that of the numbers. A document with several labels counts for each.
        sizes: documents with a label column that can be read, for each column of `counts`.
        target: regression: min, max, mean and std of the numbers, and the `borders` of the ranges; else None. Without
            any number, borders alone.
    """

    counts: pd.DataFrame
    sizes: Mapping[str, int]
    target: Mapping[str, object] | None

    def shares(self, column: str) -> "pd.Series[float]":
        """Of the documents of a column of `counts`, the share that is of each class."""
        return self.counts[column] / max(self.sizes[column], 1)


def count_classes(
    labels: "pd.Series[str]",
    splits: "Mapping[str, pd.Series[str]]",
    task: Task = "single_label",
    borders: Sequence[float] | None = None,
) -> Classes:
    """Count the labels of all documents, and those of each split.

    Args:
        labels: as our tables hold them; missing ones do not count.
        borders: of the ranges of a regression; None finds those that part `labels` into tenths.
    """
    columns = {"documents": labels, **splits}
    if task == "regression":
        return _count_ranges({name: _numbers(column) for name, column in columns.items()}, borders)
    found = {name: _count(column, task) for name, column in columns.items()}
    names = sorted(found["documents"])
    counts = pd.DataFrame({name: [count[label] for label in names] for name, count in found.items()}, pd.Index(names))
    return Classes(counts.astype(np.int64), {name: int(column.notna().sum()) for name, column in columns.items()}, None)


def is_as_it_should_be(labels: "pd.Series[str]", task: Task) -> "pd.Series[bool]":
    """Whether each label is as the task has it in our tables; a missing one is a fault of another kind."""
    if task == "regression":
        return labels.isna() | np.isfinite(pd.to_numeric(labels, errors="coerce").astype(float))
    if task == "multi_label":
        return labels.isna() | (labels == labels.map(lambda joined: join_labels(split_labels(joined)), "ignore"))
    return labels.isna() | True


def _count(labels: "pd.Series[str]", task: Task) -> Counter[str]:
    counts: Counter[str] = Counter()
    for column, count in labels.value_counts().items():
        for label in labels_of(str(column), task):
            counts[label] += int(count)
    return counts


def _numbers(labels: "pd.Series[str]") -> Floats:
    numbers = pd.to_numeric(labels, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return numbers[np.isfinite(numbers)]


def _count_ranges(columns: Mapping[str, Floats], borders: Sequence[float] | None) -> Classes:
    numbers = columns["documents"]
    borders = find_borders(numbers) if borders is None else list(borders)
    names = name_ranges(borders)
    found = {
        name: np.bincount(place_numbers(column, borders), minlength=len(names)) for name, column in columns.items()
    }
    target = {**(describe_numbers(numbers) if len(numbers) else {}), "borders": borders}
    return Classes(
        pd.DataFrame(found, pd.Index(names)), {name: len(column) for name, column in columns.items()}, target
    )
