"""Token arrays of the two splits that a training run sees."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

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
    folder: Path | None = None  # data/tokens: augmentation reads its tokenizer
    pretrained: Path | None = None  # models/pretrained: augmentation replaces words by its masked language model

    @classmethod
    def open(cls, folder: Path, pretrained: Path | None = None) -> "TrainingData":
        """Raises: MissingArtifact."""
        meta = read_meta(folder)
        train, validation = (TokenArrays.open(folder, split) for split in ("train", "validation"))
        return cls(
            train,
            validation,
            meta["pad_id"],
            meta["task"],
            len(meta["labels"]) or 1,
            meta["target"],
            folder=folder,
            pretrained=pretrained,
        )

    def sample(self, fraction: float, seed: int) -> "TrainingData":
        """The same share of each kind of document of the train split, at least one of each."""
        return replace(self, indices=sample_indices(self.task, self.train.labels, fraction, seed))
