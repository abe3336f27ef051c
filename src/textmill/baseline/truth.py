"""What the documents of a task are to be told: the column `label` as numbers.

Shapes: N documents, C outputs: the labels, or one number.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from textmill.evaluation.answers import read_label_sets, read_labels, read_values
from textmill.tasks import Task, split_labels


@dataclass(frozen=True)
class Truth:
    """The labels or numbers of documents.

    Attributes:
        labels: names in the order of the outputs; none for regression.
        target: regression: mean and standard deviation of the train documents.
        values: int64 [N], position in `labels` (single_label); int8 [N, C], 1 where a document has the label
            (multi_label); float64 [N], (number - mean) / standard deviation (regression).
    """

    task: Task
    labels: list[str]
    target: dict[str, float] | None
    values: NDArray[Any]

    @classmethod
    def of_train(cls, column: pd.Series, task: Task) -> "Truth":
        """The train documents', which say what labels or numbers there are."""
        labels: set[str] = set()
        target = None
        if task == "regression":
            numbers_N = column.to_numpy(np.float64)
            # Numbers that are all the same have no spread to divide by.
            target = {"mean": float(numbers_N.mean()), "std": float(numbers_N.std()) or 1.0}
        elif task == "multi_label":
            labels = {label for joined in column.unique() for label in split_labels(joined)}
        else:
            labels = set(column)
        return cls(task, sorted(labels), target, np.empty(0)).of(column)

    def of(self, column: pd.Series) -> "Truth":
        """Other documents', in the same terms. Raises: UnknownLabels."""
        documents = column.to_frame("label")
        if self.target is not None:
            return replace(self, values=(read_values(documents) - self.target["mean"]) / self.target["std"])
        read = read_labels if self.task == "single_label" else read_label_sets
        return replace(self, values=read(documents, self.labels))

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
