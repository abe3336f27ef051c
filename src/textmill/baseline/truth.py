"""What the documents of a task are to be told: the column `label` as numbers.

Shapes: N documents, C outputs: the labels, or one number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from textmill.errors import UserError
from textmill.tasks import Task, split_labels


class UnknownLabel(UserError):
    """A document has a label that no train document has."""


@dataclass(frozen=True)
class Truth:
    """The labels or numbers of documents.

    Attributes:
        labels: names in the order of the outputs; none for regression.
        target: regression: mean and standard deviation of the train documents.
        values: int64 [N], position in `labels` (single_label); uint8 [N, C], 1 where a document has the label
            (multi_label); float64 [N], (number - mean) / standard deviation (regression).
    """

    task: Task
    labels: list[str]
    target: dict[str, float] | None
    values: NDArray[Any]

    @classmethod
    def of_train(cls, column: pd.Series, task: Task) -> "Truth":
        """The train documents', which say what labels or numbers there are."""
        if task == "regression":
            numbers_N = column.astype(float).to_numpy()
            # Numbers that are all the same have no spread to divide by.
            target = {"mean": float(numbers_N.mean()), "std": float(numbers_N.std()) or 1.0}
            return cls(task, [], target, np.empty(0)).of(column)
        found = {label for entry in column.unique() for label in _names(entry, task)}
        return cls(task, sorted(found), None, np.empty(0)).of(column)

    def of(self, column: pd.Series) -> "Truth":
        """Other documents', in the same terms. Raises: UnknownLabel."""
        if self.target is not None:
            numbers_N = column.astype(float).to_numpy()
            return replace(self, values=(numbers_N - self.target["mean"]) / self.target["std"])
        index = {label: position for position, label in enumerate(self.labels)}
        names = [_names(entry, self.task) for entry in column]
        if unknown := sorted({label for own in names for label in own} - set(index)):
            raise UnknownLabel(
                f"Documents have the label {unknown[0]!r}, which no train document has. Every label needs train "
                "documents: map the label (clean.labels) or split anew."
            )
        if self.task == "single_label":
            return replace(self, values=np.array([index[own[0]] for own in names], np.int64))
        values_NC = np.zeros((len(names), len(index)), np.uint8)
        for row_C, own in zip(values_NC, names, strict=True):
            row_C[[index[label] for label in own]] = 1
        return replace(self, values=values_NC)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def num_outputs(self) -> int:
        return len(self.labels) or 1

    def rows(self, chosen_N: NDArray[np.bool_]) -> "Truth":
        """The truth of some of the documents."""
        return replace(self, values=self.values[chosen_N])

    def classes_without(self, seen_N: NDArray[np.bool_]) -> list[str]:
        """Classes that none of these documents has, of documents that have one each."""
        if self.task != "single_label":
            return []
        counts_C = np.bincount(self.values[seen_N], minlength=len(self.labels))
        return [label for label, count in zip(self.labels, counts_C, strict=True) if count == 0]

    def answers(self, logits_NC: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
        """What the runtime makes of logits: probabilities [N, C] of the labels, or numbers [N, 1]."""
        if self.target is not None:
            return np.asarray(logits_NC * self.target["std"] + self.target["mean"])
        scaled_NC = logits_NC / temperature
        return np.asarray(softmax(scaled_NC, axis=1) if self.task == "single_label" else expit(scaled_NC))


def _names(entry: str, task: Task) -> Sequence[str]:
    return split_labels(entry) if task == "multi_label" else [entry]
