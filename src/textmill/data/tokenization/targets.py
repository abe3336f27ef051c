"""The label column of a split as the array that training reads, by task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.artifacts import read_table
from textmill.data.numbers import describe_numbers
from textmill.errors import UserError
from textmill.tasks import Task, split_labels

_LARGEST = 1e18  # squares of such numbers are within float32
_FEWEST_STEPS = 100  # of float32 in a standard deviation, so that rounding adds a hundred-thousandth to the variance


class UnknownLabel(UserError):
    """A split has a class that the train split lacks."""


class ConstantTarget(UserError):
    """Regression on a number that is the same for every train document."""


class UnusableTarget(UserError):
    """Regression on numbers that float32, in which models are trained, cannot hold or tell apart."""


@dataclass(frozen=True)
class Targets:
    """What the train split says of the labels.

    Attributes:
        labels: sorted; none for regression.
        target: regression: mean and std (of the population) of the numbers; else None.
    """

    task: Task
    labels: list[str]
    target: dict[str, float] | None

    @classmethod
    def of_train(cls, task: Task, path: Path) -> "Targets":
        """Raises: MissingArtifact, ConstantTarget, UnusableTarget."""
        column = read_table(path, ["label"])["label"]
        if task == "regression":
            return cls(task, [], _describe(column.to_numpy(np.float64), path))
        distinct = column.unique()
        if task == "multi_label":
            return cls(task, sorted({label for joined in distinct for label in split_labels(joined)}), None)
        return cls(task, sorted(distinct), None)

    def encode(self, batch: pd.DataFrame, path: Path) -> NDArray[Any]:
        """The label column of N documents: uint32 [N], uint8 [N, C] (one where a document has a label) or float32 [N].

        Args:
            batch: columns id and label of the table at `path`.

        Raises: UnknownLabel, UnusableTarget.
        """
        if self.task == "regression":
            numbers = batch["label"].to_numpy(np.float64)
            _check_size(numbers, path)
            return numbers.astype(np.float32)
        index = {label: position for position, label in enumerate(self.labels)}
        if self.task == "single_label":
            indices = batch["label"].map(index)
            if indices.isna().any():
                row = batch[indices.isna()].iloc[0]
                raise _unknown(path, row["id"], row["label"])
            return indices.to_numpy(np.uint32)
        multi_hot = np.zeros((len(batch), len(self.labels)), np.uint8)
        for row_C, identifier, joined in zip(multi_hot, batch["id"], batch["label"], strict=True):
            for label in split_labels(joined):
                if label not in index:
                    raise _unknown(path, identifier, label)
                row_C[index[label]] = 1
        return multi_hot


def _describe(numbers: NDArray[np.float64], path: Path) -> dict[str, float]:
    _check_size(numbers, path)
    figures = describe_numbers(numbers)
    mean, std = figures["mean"], figures["std"]
    if figures["min"] == figures["max"]:  # their deviation may be more than 0, by rounding
        raise ConstantTarget(
            f"Every document of {path} has the number {numbers[0]:g} for a label, so that there is nothing to learn. "
            "data.label must name a column whose numbers differ; data.where may have left one of them only."
        )
    largest = float(np.abs(numbers).max())
    step = float(np.spacing(np.float32(largest)))
    if std < _FEWEST_STEPS * step:
        raise UnusableTarget(
            f"The numbers of {path} reach {largest:g} and differ by {std:g} (their standard deviation), but models are "
            f"trained in float32, whose steps are {step:g} there. Take a constant from data.label in the source, such "
            f"as their mean, {mean:.10g}."
        )
    return {"mean": mean, "std": std}


def _check_size(numbers: NDArray[np.float64], path: Path) -> None:
    """Raises: UnusableTarget: a number is too large."""
    largest = float(np.abs(numbers).max(initial=0.0))
    if largest > _LARGEST:
        raise UnusableTarget(
            f"{path} has a label of the size {largest:g}, but models are trained in float32, which holds their squares "
            f"up to {_LARGEST:g} only. Write data.label in a larger unit in the source, or leave the row out "
            "(data.where)."
        )


def _unknown(path: Path, identifier: str, label: str) -> UnknownLabel:
    return UnknownLabel(
        f"{path} has a document ({identifier}) with the label {label!r}, which no train document has. "
        "Every class needs train documents: map the label (clean.labels) or split anew."
    )
