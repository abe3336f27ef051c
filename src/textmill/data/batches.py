"""Batches of documents of like length under a token budget, padded to the longest window among them.

Shape suffixes: N documents of a split, B documents of a batch, W windows of them (one a document, unless documents are
read in windows), T tokens of the longest window, L tokens of all of them, C labels.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from textmill.data.bucketing import Bucket, plan_buckets
from textmill.data.tokens import Integers, TokenArrays, ranges


class Batch(TypedDict):
    input_ids_WT: Tensor  # int64
    attention_mask_WT: Tensor  # int64, 0 on padding
    document_W: Tensor  # int64, which of the B documents a window belongs to
    labels_B: Tensor  # int64 [B], or float32 [B, C] (multi_label), or float32 [B] (regression)
    index_B: Tensor  # int64, position in the split


class Augment(Protocol):
    def __call__(self, windows: list[NDArray[Any]], seed: int, epoch: int, index: int) -> Sequence[NDArray[Any]]:
        """A document's windows, changed; the same for the same seed, epoch and position in the split."""


def pool_windows(logits_WC: Tensor, batch: Batch) -> Tensor:
    """The mean logits of each document's windows: [B, C]."""
    num_documents = len(batch["index_B"])
    if len(logits_WC) == num_documents:
        return logits_WC
    total_BC = logits_WC.new_zeros(num_documents, logits_WC.shape[1]).index_add_(0, batch["document_W"], logits_WC)
    counts_B = torch.bincount(batch["document_W"], minlength=num_documents)
    return total_BC / counts_B[:, None]


class LengthBuckets(Sampler[list[int]]):
    """Batches of the buckets in random order, new ones in each epoch, the same for the same seed and epoch.

    Every epoch has the same number of batches, and each document once. Lightning calls `set_epoch`.

    With several devices each step takes as many batches of like length, so that no device waits long for the others;
    if the last step lacks some, batches are repeated, since all devices must make the same number of steps.

    Args:
        shard: rank of this device and the number of devices; None asks torch.distributed.
    """

    def __init__(self, buckets: Sequence[Bucket], seed: int, shard: tuple[int, int] | None = None):
        self.buckets, self.seed, self.epoch = buckets, seed, 0
        self._shard = shard
        self._delivered, self._resumed = 0, (0, 0)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def sampler(self) -> "LengthBuckets":
        """Lightning tells the epoch to a batch sampler's own sampler only."""
        return self

    @property
    def shard(self) -> tuple[int, int]:
        """Rank of this device and the number of devices."""
        if self._shard is not None:
            return self._shard
        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1

    def state_dict(self) -> dict[str, int]:
        """The epoch and how many of its batches were given out."""
        return {"epoch": self.epoch, "delivered": self._delivered}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Leave out the batches that were given out before, if the same epoch is gone through next."""
        self._resumed = (state["epoch"], state["delivered"])

    def __len__(self) -> int:
        """Batches of this device in an epoch, those left out included."""
        return -(-sum(bucket.num_batches for bucket in self.buckets) // self.shard[1])

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        batches: list[Integers] = []
        for bucket in self.buckets:
            batches += bucket.cut(generator.permutation(bucket.positions))
        rank, num_ranks = self.shard
        batches += [batches[-1 - i % len(batches)] for i in range(-len(batches) % num_ranks)]
        steps = generator.permutation(len(batches) // num_ranks)
        epoch, start = self._resumed
        self._delivered = start if epoch == self.epoch else 0
        self._resumed = (0, 0)
        for step in steps[self._delivered :]:
            self._delivered += 1
            yield batches[step * num_ranks + rank].tolist()


class TrainBatches(DataLoader[int]):
    """Says how far the epoch is and goes on from there: Lightning keeps this state in its checkpoints.

    Right with `num_workers=0` only: workers would take batches ahead of training.
    """

    batch_sampler: LengthBuckets

    def state_dict(self) -> dict[str, int]:
        return self.batch_sampler.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.batch_sampler.load_state_dict(state)


class _Documents(Dataset[int]):
    """Positions only: `_Collate` reads the arrays once a batch."""

    def __init__(self, num_documents: int):
        self.num_documents = num_documents

    def __len__(self) -> int:
        return self.num_documents

    def __getitem__(self, index: int) -> int:
        return index


class _Collate:
    """Makes a batch of positions; with `augment`, of changed documents, told the seed and epoch of the sampler."""

    def __init__(
        self, tokens: TokenArrays, pad_id: int, sampler: LengthBuckets | None = None, augment: Augment | None = None
    ):
        self.tokens, self.pad_id, self.sampler, self.augment = tokens, pad_id, sampler, augment

    def __call__(self, index: list[int]) -> Batch:
        index_B = np.asarray(index)
        ids_L, lengths_W, counts_B = self._augmented(index) if self.augment else self._read(index_B)
        mask_WT = np.arange(lengths_W.max()) < lengths_W[:, None]
        ids_WT = np.full(mask_WT.shape, self.pad_id, np.int64)
        ids_WT[mask_WT] = ids_L
        return {
            "input_ids_WT": torch.from_numpy(ids_WT),
            "attention_mask_WT": torch.from_numpy(mask_WT.astype(np.int64)),
            "document_W": torch.from_numpy(np.repeat(np.arange(len(index)), counts_B)),
            "labels_B": torch.as_tensor(self.tokens.labels[index_B]),
            "index_B": torch.from_numpy(index_B),
        }

    def _read(self, index_B: Integers) -> tuple[NDArray[Any], Integers, Integers]:
        """Token ids [L] of all windows one after the other, tokens of each window [W], windows of each document [B]."""
        counts_B = self.tokens.windows[index_B + 1] - self.tokens.windows[index_B]
        windows_W = ranges(self.tokens.windows[index_B], counts_B)
        starts_W = self.tokens.offsets[windows_W]
        lengths_W = self.tokens.offsets[windows_W + 1] - starts_W
        return self.tokens.ids[ranges(starts_W, lengths_W)], lengths_W, counts_B

    def _augmented(self, index: list[int]) -> tuple[NDArray[Any], Integers, Integers]:
        assert self.augment and self.sampler
        seed, epoch = self.sampler.seed, self.sampler.epoch
        documents = [self.augment(self.tokens[i], seed, epoch, i) for i in index]
        windows = [window for document in documents for window in document]
        return np.concatenate(windows), np.array(list(map(len, windows))), np.array(list(map(len, documents)))


def train_batches(
    tokens: TokenArrays,
    pad_id: int,
    *,
    batch_size: int,
    seed: int,
    batch_tokens: int | None = None,
    indices: Integers | None = None,
    augment: Augment | None = None,
) -> TrainBatches:
    """Random batches of documents of like length, of those at `indices` (all by default).

    Args:
        batch_size: most documents of a batch.
        batch_tokens: most tokens of a batch, padding included, before `augment`; None sets no limit.
        augment: changes the documents as they are read.
    """
    if indices is None:
        indices = np.arange(len(tokens))
    sampler = LengthBuckets(plan_buckets(tokens, indices, batch_size, batch_tokens), seed)
    collate = _Collate(tokens, pad_id, sampler, augment)
    return TrainBatches(_Documents(len(tokens)), batch_sampler=sampler, collate_fn=collate, pin_memory=_pins())


def ordered_batches(
    tokens: TokenArrays, pad_id: int, *, batch_size: int, batch_tokens: int | None = None
) -> DataLoader[int]:
    """All documents, longest first, for scoring; `index_B` says which is which."""
    batches = [
        part.tolist()
        for bucket in plan_buckets(tokens, np.arange(len(tokens)), batch_size, batch_tokens)
        for part in bucket.cut(bucket.positions)
    ]
    collate = _Collate(tokens, pad_id)
    return DataLoader(_Documents(len(tokens)), batch_sampler=batches, collate_fn=collate, pin_memory=_pins())


def _pins() -> bool:
    """Page-locked memory makes copies to a GPU faster."""
    return torch.cuda.is_available()
