"""What a language model is asked about a batch.

Shape suffixes: W windows, T tokens.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from textmill.data.batches import Batch
from textmill.training.pretraining.masking import IGNORED, Masking
from textmill.training.pretraining.next_sentence import PairMaker


class Question(NamedTuple):
    ids_WT: Tensor  # int64, what the model sees
    attention_mask_WT: Tensor  # int64
    targets_WT: Tensor  # int64, IGNORED where nothing is asked
    token_types_WT: Tensor | None  # int64, with pairs of segments only
    classes_W: Tensor | None  # int64, whether the second segment follows the first


class MaskedTokens(nn.Module):
    """Hidden tokens, asked for in their place; with `make_pairs`, of two segments."""

    def __init__(self, masking: Masking, make_pairs: PairMaker | None):
        super().__init__()
        self.masking, self.make_pairs = masking, make_pairs

    def forward(self, batch: Batch, seed: int) -> Question:
        """The same question for the same batch and seed."""
        ids_WT, mask_WT = batch["input_ids_WT"], batch["attention_mask_WT"]
        types_WT, classes_W = None, None
        if self.make_pairs is not None:
            pairs = self.make_pairs(ids_WT, mask_WT, batch["document_W"], np.random.default_rng(seed))
            ids_WT, mask_WT, types_WT, classes_W = pairs
        generator = torch.Generator(ids_WT.device).manual_seed(seed)
        shown_WT, targets_WT = self.masking(ids_WT, mask_WT, generator)
        return Question(shown_WT, mask_WT, targets_WT, types_WT, classes_W)


class NextTokens(nn.Module):
    """Each token asked for where the one before it stands; the first of a window is given."""

    def forward(self, batch: Batch, _: int) -> Question:
        ids_WT, mask_WT = batch["input_ids_WT"], batch["attention_mask_WT"]
        targets_WT = torch.full_like(ids_WT, IGNORED)
        targets_WT[:, :-1] = torch.where(mask_WT[:, 1:].bool(), ids_WT[:, 1:], IGNORED)
        return Question(ids_WT, mask_WT, targets_WT, None, None)
