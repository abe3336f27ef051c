"""Batches of documents of like length, padded to the longest among them.

Shape suffixes: B documents of a batch, W windows of them (one a document, unless documents are read in windows),
T tokens of the longest window, C labels.
"""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from textmill.data.tokens import TokenArrays


class Batch(TypedDict):
    input_ids_WT: Tensor  # int64
    attention_mask_WT: Tensor  # int64, 0 on padding
    document_W: Tensor  # int64, which of the B documents a window belongs to
    labels_B: Tensor  # int64 [B], or float32 [B, C] (multi_label), or float32 [B] (regression)
    index_B: Tensor  # int64, position in the split


def pool_windows(logits_WC: Tensor, batch: Batch) -> Tensor:
    """The mean logits of each document's windows: [B, C]."""
    num_documents = len(batch["index_B"])
    if len(logits_WC) == num_documents:
        return logits_WC
    total_BC = logits_WC.new_zeros(num_documents, logits_WC.shape[1]).index_add_(0, batch["document_W"], logits_WC)
    counts_B = torch.bincount(batch["document_W"], minlength=num_documents)
    return total_BC / counts_B[:, None]


class LengthBuckets(Sampler[list[int]]):
    """Batches of like length in random order, a new order each epoch, the same for the same seed and epoch.

    Documents are shuffled and taken in pools of `batches_per_pool` batches; each pool is sorted by length before
    it is cut, so that little is padded while batches stay random. Lightning calls `set_epoch`.
    """

    def __init__(
        self, lengths: np.ndarray, indices: np.ndarray, batch_size: int, seed: int, batches_per_pool: int = 50
    ):
        self.lengths, self.indices = lengths, indices
        self.batch_size, self.pool_size = batch_size, batch_size * batches_per_pool
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def sampler(self) -> "LengthBuckets":
        """Lightning tells the epoch to a batch sampler's own sampler only."""
        return self

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        shuffled = generator.permutation(self.indices)
        batches = []
        for start in range(0, len(shuffled), self.pool_size):
            pool = shuffled[start : start + self.pool_size]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[i : i + self.batch_size].tolist() for i in range(0, len(pool), self.batch_size)]
        for position in generator.permutation(len(batches)):
            yield batches[position]


class _Documents(Dataset[int]):
    """Positions only: `_Collate` reads the arrays once a batch."""

    def __init__(self, num_documents: int):
        self.num_documents = num_documents

    def __len__(self) -> int:
        return self.num_documents

    def __getitem__(self, index: int) -> int:
        return index


class _Collate:
    def __init__(self, tokens: TokenArrays, pad_id: int):
        self.tokens, self.pad_id = tokens, pad_id

    def __call__(self, index: list[int]) -> Batch:
        first, last = self.tokens.windows[index], self.tokens.windows[np.asarray(index) + 1]
        document_W = np.repeat(np.arange(len(index)), last - first)
        windows = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
        starts = np.asarray(self.tokens.offsets[windows])
        lengths = torch.as_tensor(self.tokens.offsets[windows + 1] - starts)
        ids_WT = torch.full((len(windows), int(lengths.max())), self.pad_id, dtype=torch.int64)
        for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
            ids_WT[row, :length] = torch.from_numpy(self.tokens.ids[start : start + length].astype(np.int64))
        return {
            "input_ids_WT": ids_WT,
            "attention_mask_WT": (torch.arange(ids_WT.shape[1]) < lengths[:, None]).long(),
            "document_W": torch.from_numpy(document_W),
            "labels_B": torch.as_tensor(self.tokens.labels[index]),
            "index_B": torch.as_tensor(index),
        }


def train_batches(
    tokens: TokenArrays, pad_id: int, *, batch_size: int, seed: int, indices: np.ndarray | None = None
) -> DataLoader[int]:
    """Length-bucketed random batches of the documents at `indices` (all by default)."""
    if indices is None:
        indices = np.arange(len(tokens))
    sampler = LengthBuckets(np.asarray(tokens.lengths), indices, batch_size, seed)
    return DataLoader(_Documents(len(tokens)), batch_sampler=sampler, collate_fn=_Collate(tokens, pad_id))


def ordered_batches(tokens: TokenArrays, pad_id: int, *, batch_size: int) -> DataLoader[int]:
    """All documents, shortest first, for scoring; `index_B` says which is which."""
    order = np.argsort(tokens.lengths, kind="stable").tolist()
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return DataLoader(_Documents(len(tokens)), batch_sampler=batches, collate_fn=_Collate(tokens, pad_id))
