"""Token arrays of the two splits that a training run sees."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokens import TokenArrays, read_meta
from textmill.errors import UserError
from textmill.long_documents import find_special
from textmill.tasks import Task
from textmill.training.sampling import sample_indices


class UnfitLength(UserError):
    """Documents cannot be cut to a length: data/tokens has other parts of them, or no room would be left."""


@dataclass(frozen=True)
class TrainingData:
    """Token arrays of both splits; `indices` picks documents of the train split, None takes all."""

    train: TokenArrays
    validation: TokenArrays
    pad_id: int
    task: Task
    num_outputs: int  # logits of a document: labels, or 1 for regression
    max_length: int  # tokens of the longest window, special ones included
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
            meta["max_length"],
            meta["target"],
            folder=folder,
            pretrained=pretrained,
        )

    def sample(self, fraction: float, seed: int) -> "TrainingData":
        """The same share of each kind of document of the train split, at least one of each."""
        return replace(self, indices=sample_indices(self.task, self.train.labels, fraction, seed))

    def truncate(self, max_length: int | None) -> "TrainingData":
        """The same documents with fewer tokens, as if they had been tokenized with this tokenize.max_length.

        Of a long document the beginning is kept, and the special tokens around it. The shorter arrays are mapped files
        as well, without a name: the disk has their place again when they are not used any more.

        Args:
            max_length: tokens of a document, special ones included, at most `self.max_length`; None leaves all.

        Raises: UnfitLength.
        """
        if max_length is None or max_length == self.max_length:
            return self
        assert self.folder is not None
        long_documents = read_meta(self.folder)["long_documents"]
        if max_length > self.max_length or long_documents["strategy"] != "truncate":
            raise UnfitLength(
                f"{max_length} tokens of the beginning of each document are wanted, but {self.folder} has "
                f"{self.max_length} (tokenize.long_documents.strategy: {long_documents['strategy']}): the length was "
                "found, or the model trained, on other tokens. `dvc repro` makes all of it anew."
            )
        leading, trailing = find_special(load_tokenizer(self.folder))
        if max_length <= len(leading) + len(trailing):
            raise UnfitLength(
                f"{max_length} tokens of each document are wanted, but the tokenizer puts "
                f"{len(leading) + len(trailing)} special tokens around it, so that nothing else would be read."
            )
        train, validation = (one.truncate(max_length, len(trailing)) for one in (self.train, self.validation))
        return replace(self, train=train, validation=validation, max_length=max_length)
