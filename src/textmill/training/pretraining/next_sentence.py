"""Pairs of segments: does the second follow the first?

Devlin et al. 2019 (https://aclanthology.org/N19-1423), section 3.1, task 2. A segment is a part of a window, as in the
code of the paper, not a sentence of grammar.

Shape suffixes: W windows, T tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

FOLLOWS, RANDOM = 0, 1  # the classes of transformers' head


class Pairs(NamedTuple):
    ids_WT: Tensor  # int64
    attention_mask_WT: Tensor  # int64
    token_types_WT: Tensor  # int64: 0 up to the separator after the first segment, then 1
    classes_W: Tensor  # int64: FOLLOWS or RANDOM


class PairMaker:
    """Cuts each window in two, and gives half of them the second part of another document in the batch."""

    def __init__(self, leading: Sequence[int], trailing: Sequence[int], pad_id: int, max_length: int):
        """
        Args:
            leading, trailing: special tokens around a document: [CLS] and [SEP]; the latter part the segments too.
        """
        self.leading, self.trailing, self.pad_id = list(leading), list(trailing), pad_id
        self.room = max_length - len(self.leading) - 2 * len(self.trailing)

    def __call__(
        self, ids_WT: Tensor, attention_mask_WT: Tensor, document_W: Tensor, generator: np.random.Generator
    ) -> Pairs:
        """A batch of one document has pairs that follow only."""
        lengths = attention_mask_WT.sum(1).tolist()
        contents = [
            ids[len(self.leading) : length - len(self.trailing)]
            for ids, length in zip(ids_WT.tolist(), lengths, strict=True)
        ]
        documents = document_W.numpy(force=True)
        cuts = [int(generator.integers(1, len(content))) if len(content) > 1 else len(content) for content in contents]
        pairs, classes = [], []
        for window, (content, cut) in enumerate(zip(contents, cuts, strict=True)):
            others = np.flatnonzero(documents != documents[window])
            is_random = generator.random() < 0.5 and len(others) > 0
            source = int(generator.choice(others)) if is_random else window
            pairs.append(self._fit(content[:cut], contents[source][cuts[source] :]))
            classes.append(RANDOM if is_random else FOLLOWS)
        return self._pad(pairs, torch.tensor(classes, device=ids_WT.device))

    def _fit(self, first: list[int], second: list[int]) -> tuple[list[int], list[int]]:
        """Shorten the longer one, away from where they meet."""
        surplus = max(0, len(first) + len(second) - self.room)
        of_first = min(surplus, max(0, (surplus + len(first) - len(second) + 1) // 2))
        return first[of_first:], second[: len(second) - (surplus - of_first)]

    def _pad(self, pairs: list[tuple[list[int], list[int]]], classes_W: Tensor) -> Pairs:
        firsts = [[*self.leading, *first, *self.trailing] for first, _ in pairs]
        rows = [[*first, *second, *self.trailing] for first, (_, second) in zip(firsts, pairs, strict=True)]
        shape = (len(rows), max(map(len, rows)))
        ids_WT, mask_WT = torch.full(shape, self.pad_id), torch.zeros(shape, dtype=torch.int64)
        types_WT = torch.zeros(shape, dtype=torch.int64)
        for window, (first, row) in enumerate(zip(firsts, rows, strict=True)):
            ids_WT[window, : len(row)] = torch.tensor(row)
            mask_WT[window, : len(row)] = 1
            types_WT[window, len(first) : len(row)] = 1
        device = classes_W.device
        return Pairs(ids_WT.to(device), mask_WT.to(device), types_WT.to(device), classes_W)
