"""Texts to the windows that a model reads, and counts of what happens on the way."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from textmill.data.tokenization.tokenizer import find_unknown_id
from textmill.data.tokens import Encoded, Integers, id_type
from textmill.errors import UserError
from textmill.long_documents import WindowEncoder

# Texts that are tokenized at once, and their tokens: enough for all cores, and few enough to be held as Encodings,
# which take some 100 bytes a token.
_MOST_TEXTS, _MOST_TOKENS = 1024, 2**18


class UnusableWindows(UserError):
    """max_length leaves no room for tokens beside the special ones and the overlap."""


class Encoder:
    """Encodes texts to the windows of at most `max_length` ids, special tokens included, that are read of them.

    Attributes:
        counts: documents, truncated (something of them is not read), tokens (special tokens left out; one that two
            windows share counts twice) and unknown.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int, long_documents: Mapping[str, Any]) -> None:
        """Raises: UnusableWindows."""
        check_room(tokenizer, max_length, long_documents)
        self.counts: Counter[str] = Counter()
        self._unknown = find_unknown_id(tokenizer)
        self._special = tokenizer.num_special_tokens_to_add(False)
        self._dtype = id_type(tokenizer.get_vocab_size())
        self._encoder = WindowEncoder(tokenizer, max_length, long_documents)

    def encode(self, texts: Sequence[str]) -> tuple[Encoded, Integers]:
        """The windows of all texts, and the number of windows of each text."""
        needed = self._encoder.plan.needed
        assert needed is not None
        size = min(_MOST_TEXTS, max(1, _MOST_TOKENS // sum(needed)))
        parts, num_windows = [], []
        for start in range(0, max(1, len(texts)), size):
            documents, whole = self._encoder.encode(texts[start : start + size])
            windows = [window for document in documents for window in document]
            encoded = Encoded.join(windows, self._dtype)
            _count(self.counts, encoded, len(documents), self._special, self._unknown)
            self.counts["truncated"] += whole.count(False)
            parts.append(encoded)
            num_windows += [len(document) for document in documents]
        return _join(parts), np.array(num_windows, np.int64)


def check_room(tokenizer: Tokenizer, max_length: int, long_documents: Mapping[str, Any]) -> None:
    """Raises: UnusableWindows: a window would have no token of its own."""
    room = max_length - tokenizer.num_special_tokens_to_add(False)
    if room < 1:
        raise UnusableWindows(
            f"tokenize.max_length is {max_length}, but the tokenizer puts {max_length - room} special tokens around "
            f"each document. Set it to {max_length - room + 1} at the very least."
        )
    if long_documents["strategy"] == "windows" and long_documents["overlap"] >= room:
        raise UnusableWindows(
            f"tokenize.long_documents.overlap is {long_documents['overlap']}, but a window of tokenize.max_length "
            f"({max_length}) has room for {room} tokens beside its special ones, so that the next would not begin "
            f"later. Set overlap to {room - 1} or less, or raise max_length."
        )


def _count(counts: Counter[str], encoded: Encoded, num_documents: int, special: int, unknown: int | None) -> None:
    counts["documents"] += num_documents
    counts["tokens"] += len(encoded.ids) - special * len(encoded.lengths)
    if unknown is not None:
        counts["unknown"] += int(np.count_nonzero(encoded.ids == unknown))


def _join(parts: Sequence[Encoded]) -> Encoded:
    return Encoded(np.concatenate([part.ids for part in parts]), np.concatenate([part.lengths for part in parts]))
