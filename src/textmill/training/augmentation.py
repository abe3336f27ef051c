"""Changed copies of train documents, new ones in each epoch: swapped, missing, mistyped and replaced words.

Wei and Zou 2019, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks
(https://aclanthology.org/D19-1670): random swap (here of neighbours) and random deletion, on token ids alone. Instead
of synonyms, a masked language model of the user's own text replaces words (`replacement`).
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from textmill.data.batches import Augment
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokens import id_type
from textmill.data.typing_errors import mistype
from textmill.errors import UserError
from textmill.long_documents import find_special
from textmill.training.dataset import TrainingData
from textmill.training.settings import AugmentationSettings
from textmill.training.words import Vocabulary

Word = list[int]  # the ids of its tokens
_KEPT_ENCODINGS = 50_000  # mistyped words whose tokens are remembered


class NoMaskedModel(UserError):
    """Words are to be replaced, but there is no masked language model."""


def build_augment(data: TrainingData, settings: AugmentationSettings) -> Augment | None:
    """What changes the documents of the train split, or None if all shares are 0.

    Args:
        data: its `folder` has the tokenizer; language_model/ of its `pretrained` replaces words.

    Raises: NoMaskedModel.
    """
    if not any((settings.swap, settings.delete, settings.typo, settings.replace)):
        return None
    assert data.folder is not None
    replace_words = None
    if settings.replace:
        from textmill.training.replacement import Replacement

        folder = None if data.pretrained is None else data.pretrained / "language_model"
        if folder is None or not folder.is_dir():
            raise NoMaskedModel(
                f"training.augmentation.replace is {settings.replace:g}, but models/pretrained has no masked language "
                "model. Set pretrain.objective to mlm, or training.augmentation.replace to 0."
            )
        replace_words = Replacement(folder, data.train, settings.replace)
    return EasyAugment(load_tokenizer(data.folder), data.max_length, settings, replace_words)


class EasyAugment:
    """Changes a document's windows; special tokens stay where they are, and no window gets longer than max_length.

    A share is of the words of a window: each is drawn on its own. Words are replaced first, then mistyped, deleted and
    swapped; at least one is left.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        settings: AugmentationSettings,
        replace_words: Augment | None = None,
    ):
        self.tokenizer, self.settings, self.replace_words = tokenizer, settings, replace_words
        self.vocabulary = Vocabulary.of(tokenizer)
        self.leading, self.trailing = (len(ids) for ids in find_special(tokenizer))
        self.room = max_length - self.leading - self.trailing
        self._dtype = id_type(len(self.vocabulary))
        # What makes a word's first token one that begins a word: nothing, or a space before it.
        alone = tokenizer.encode("a", add_special_tokens=False).ids
        self._before_word = "" if alone and self.vocabulary.begins_V[alone[0]] else " "
        self._encode_word = lru_cache(_KEPT_ENCODINGS)(self._encode)

    def __call__(self, windows: list[NDArray[Any]], seed: int, epoch: int, index: int) -> Sequence[NDArray[Any]]:
        """The same for the same seed, epoch and position in the split."""
        generator = np.random.default_rng([seed, epoch, index])
        if self.replace_words is not None:
            windows = list(self.replace_words(windows, seed, epoch, index))
        return [self._change(window, generator) for window in windows]

    def _change(self, window: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        end = len(window) - self.trailing
        content = window[self.leading : end]
        if not len(content):
            return window
        ids = content.tolist()
        starts = [*np.flatnonzero(self.vocabulary.starts(content)).tolist(), len(ids)]
        words = [ids[start:stop] for start, stop in pairwise(starts)]
        if self.settings.typo:
            words = self._mistype(words, generator)
        if self.settings.delete:
            words = delete(words, self.settings.delete, generator)
        if self.settings.swap:
            words = swap(words, self.settings.swap, generator)
        changed = np.fromiter(chain.from_iterable(words), self._dtype)[: self.room]
        return np.concatenate([window[: self.leading], changed, window[end:]])

    def _mistype(self, words: list[Word], generator: np.random.Generator) -> list[Word]:
        words = words.copy()
        for position in np.flatnonzero(generator.random(len(words)) < self.settings.typo):
            word = words[position]
            if self.vocabulary.special_V[word[0]]:
                continue
            text = self.tokenizer.decode(word).strip()
            begins = bool(self.vocabulary.begins_V[word[0]])
            words[position] = self._encode_word(mistype(text, generator), begins) or word
        return words

    def _encode(self, text: str, begins_word: bool) -> Word:
        before = self._before_word if begins_word else ""
        ids: Word = self.tokenizer.encode(before + text, add_special_tokens=False).ids
        return ids


def delete(words: list[Word], share: float, generator: np.random.Generator) -> list[Word]:
    """Without a share of the words; one of them stays in any case."""
    kept = generator.random(len(words)) >= share
    if not kept.any():
        kept[generator.integers(len(words))] = True
    return [word for word, keep in zip(words, kept.tolist(), strict=True) if keep]


def swap(words: list[Word], share: float, generator: np.random.Generator) -> list[Word]:
    """Words change places with their neighbours, in pairs that share no word: `share` of the words, on average."""
    # From the left, a word is swapped with the next with probability p, which takes two words, or else left: 2p of
    # 1 + p words are swapped.
    draws = (generator.random(len(words)) < share / (2 - share)).tolist()
    words, position = words.copy(), 0
    while position < len(words) - 1:
        if draws[position]:
            words[position], words[position + 1] = words[position + 1], words[position]
            position += 1
        position += 1
    return words
