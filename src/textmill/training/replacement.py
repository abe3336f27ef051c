"""Words replaced by what a masked language model of the user's own text says in their place.

Wu, Lv, Zang, Han, Hu 2019, Conditional BERT Contextual Augmentation (https://arxiv.org/abs/1812.06705), without the
condition: the model of `pretrain` knows no labels.

Shape suffixes: W windows, T tokens, A tokens that are replaced, V tokens of the vocabulary.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from textmill.data.tokens import TokenArrays
from textmill.training.devices import precision
from textmill.training.pretraining.language_model import LanguageModel, load_masked_model
from textmill.training.pretraining.masking import find_mask_id
from textmill.training.words import Vocabulary

_BATCH_TOKENS = 8192  # that the model reads at once, padding included
_CHUNK = 256  # documents that are replaced when one of them is asked for
_PLACE = 1  # keeps these draws apart from those of the other changes


class Replacement:
    """Hides words, and fills each of their tokens with a draw from the model's distribution; special ones never.

    Documents are worked off in chunks of like length, so that the model computes full batches: the first one that an
    epoch asks for takes its whole chunk along. Of an epoch, all changed documents are held: 2 bytes a token.
    """

    def __init__(self, folder: Path, tokens: TokenArrays, share: float):
        """
        Args:
            folder: language_model/ of models/pretrained.
            tokens: the train split.
        """
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokens, self.share = tokens, share
        self.vocabulary, self.mask_id = Vocabulary.of(tokenizer), find_mask_id(tokenizer)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model: LanguageModel = load_masked_model(folder).to(self.device)
        self._half = precision("auto", self.device.type == "cuda") == "bf16-mixed"
        self._never_V = torch.from_numpy(self.vocabulary.special_V).to(self.device)
        order = np.argsort(tokens.lengths, kind="stable")
        self._chunks = [order[start : start + _CHUNK] for start in range(0, len(order), _CHUNK)]
        self._chunk_of = np.empty(len(order), np.int64)
        self._chunk_of[order] = np.arange(len(order)) // _CHUNK
        self._place: tuple[int, int] | None = None
        self._changed: dict[int, list[NDArray[Any]]] = {}

    def __call__(self, windows: list[NDArray[Any]], seed: int, epoch: int, index: int) -> Sequence[NDArray[Any]]:
        """The windows of the document at this position of the train split, with some words replaced."""
        assert np.array_equal(windows[0], self.tokens[index][0]), "positions must be those of the train split"
        if self._place != (seed, epoch):
            self._place, self._changed = (seed, epoch), {}
        if index not in self._changed:
            self._replace(self._chunks[self._chunk_of[index]].tolist(), seed, epoch)
        return self._changed.pop(index)  # each document comes once in an epoch

    def _replace(self, documents: list[int], seed: int, epoch: int) -> None:
        """Change the windows of these documents."""
        windows, hidden, draws = [], [], []
        for index in documents:
            generator = np.random.default_rng([seed, epoch, index, _PLACE])
            for window in self.tokens[index]:
                starts = self.vocabulary.starts(window)
                chosen = generator.random(int(starts.sum())) < self.share
                hide = chosen[np.cumsum(starts) - 1] & ~self.vocabulary.special_V[window]
                windows.append(window.copy())
                hidden.append(hide)
                draws.append(generator.random(int(hide.sum())))
        order = np.argsort([len(window) for window in windows], kind="stable")
        for part in _batches(order, [len(windows[i]) for i in order]):
            self._fill([windows[i] for i in part], [hidden[i] for i in part], np.concatenate([draws[i] for i in part]))
        first = 0
        for index in documents:
            last = first + len(self.tokens[index])
            self._changed[index] = windows[first:last]
            first = last

    def _fill(self, windows: list[NDArray[Any]], hidden: list[NDArray[np.bool_]], draws: NDArray[np.float64]) -> None:
        """Write new tokens into the windows, in place."""
        if not len(draws):
            return
        shape = (len(windows), max(map(len, windows)))
        ids_WT, mask_WT = np.full(shape, self.mask_id, np.int64), np.zeros(shape, np.int64)
        asked_WT = np.zeros(shape, np.bool_)
        for row, (window, hide) in enumerate(zip(windows, hidden, strict=True)):
            ids_WT[row, : len(window)] = np.where(hide, self.mask_id, window)
            mask_WT[row, : len(window)] = 1
            asked_WT[row, : len(window)] = hide
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            tensors = [torch.from_numpy(values).to(self.device) for values in (ids_WT, mask_WT, asked_WT)]
            chosen = self._draw(self.model.logits(*tensors), torch.from_numpy(draws).to(self.device)).cpu().numpy()
        start = 0
        for window, hide in zip(windows, hidden, strict=True):
            stop = start + int(hide.sum())
            window[hide] = chosen[start:stop]
            start = stop

    def _draw(self, logits_AV: Tensor, draws_A: Tensor) -> Tensor:
        """The token at which the cumulated probability passes each draw: its quantile."""
        logits_AV = logits_AV[:, : len(self._never_V)].masked_fill(self._never_V, -torch.inf)
        cumulated_AV = logits_AV.double().softmax(1).cumsum(1)
        return torch.searchsorted(cumulated_AV, draws_A[:, None] * cumulated_AV[:, -1:], right=True)[:, 0].clamp(
            max=len(self._never_V) - 1
        )


def _batches(order: NDArray[np.int64], lengths: list[int]) -> list[NDArray[np.int64]]:
    """Windows, shortest first, in batches of at most _BATCH_TOKENS."""
    batches, start = [], 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or (stop + 1 - start) * lengths[stop] > _BATCH_TOKENS:
            batches.append(order[start:stop])
            start = stop
    return batches
