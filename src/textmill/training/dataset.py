"""Token arrays of the two splits that a training run sees."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from textmill.data.batches import Augment
from textmill.data.tokens import TokenArrays, read_meta
from textmill.tasks import Task
from textmill.training.sampling import sample_indices


@dataclass(frozen=True)
class TrainingData:
    """Token arrays of both splits; `indices` picks documents of the train split, None takes all."""

    train: TokenArrays
    validation: TokenArrays
    pad_id: int
    task: Task
    num_outputs: int  # logits of a document: labels, or 1 for regression
    target: dict[str, float] | None = None  # mean and std of the train split's numbers (regression)
    indices: np.ndarray | None = None
    augment: Augment | None = None  # changes the documents that are learned from

    @classmethod
    def open(cls, folder: Path) -> "TrainingData":
        """Raises: MissingArtifact."""
        meta = read_meta(folder)
        splits = [TokenArrays.open(folder, split) for split in ("train", "validation")]
        return cls(splits[0], splits[1], meta["pad_id"], meta["task"], len(meta["labels"]) or 1, meta["target"])

    def sample(self, fraction: float, seed: int) -> "TrainingData":
        """The same share of each kind of document of the train split, at least one of each."""
        return replace(self, indices=sample_indices(self.task, self.train.labels, fraction, seed))
