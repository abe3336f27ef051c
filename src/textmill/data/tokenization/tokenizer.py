"""Texts to token ids, with the tokenizer of the weights or one that `tokenizer_training` made."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from textmill.data.tokens import Encoded, id_type
from textmill.errors import UserError

# Where to cut a text before it is tokenized, per token that is kept: words are rarely longer, and
# where this proves too short the text is taken whole.
CHARACTERS_PER_TOKEN = 12
# Texts that are tokenized at once, and their tokens: enough for all cores, and few enough to be held as Encodings,
# which take some 100 bytes a token.
_MOST_TEXTS, _MOST_TOKENS = 1024, 2**18
# These count positions from behind the padding's: the first `pad_token_id + 1` are never used.
POSITIONS_AFTER_PADDING = {"camembert", "data2vec-text", "longformer", "mpnet", "roberta", "xlm-roberta"}
PAD_TOKENS = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>", "</s>")


class UnusableTokenizer(UserError):
    """The weights' folder has no tokenizer that fits the settings."""


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read tokenizer.json and reset the truncation and padding that are baked into it.

    Raises: UnusableTokenizer: the folder has no tokenizer.json, or it cannot be read.
    """
    return _read_tokenizer(folder, reset=True)


def find_pad_id(folder: Path) -> int:
    """The id that fills up short documents, as the weights' own files give it.

    Raises: UnusableTokenizer: neither tokenizer.json nor config.json says.
    """
    tokenizer = _read_tokenizer(folder, reset=False)
    if tokenizer.padding:
        return int(tokenizer.padding["pad_id"])
    configured = _read_config(folder).get("pad_token_id")
    candidates = [configured, *map(tokenizer.token_to_id, PAD_TOKENS)]
    for candidate in candidates:
        if candidate is not None:
            return int(candidate)
    raise UnusableTokenizer(
        f"{folder} names no padding token: tokenizer.json has no padding, config.json no pad_token_id, and none of "
        f"{', '.join(PAD_TOKENS)} is in the vocabulary. Set pad_token_id in config.json."
    )


def find_token(folder: Path, tokenizer: Tokenizer, pad_id: int) -> str:
    """The token of the id that fills up short documents. Raises: UnusableTokenizer: there is none."""
    token = tokenizer.id_to_token(pad_id)
    if token is None:
        raise UnusableTokenizer(
            f"{folder} pads with the id {pad_id}, but its tokenizer.json has no such token, so that none can take its "
            "place in a trained one. Set pad_token_id in config.json to a token of the vocabulary."
        )
    return token


def find_positions(folder: Path) -> int | None:
    """The most tokens that the weights can read, special tokens included; None if they set no limit."""
    config = _read_config(folder)
    positions = config.get("max_position_embeddings")
    if positions is not None and config.get("model_type") in POSITIONS_AFTER_PADDING:
        positions -= config.get("pad_token_id", 1) + 1
    return positions


def check_length(folder: Path, max_length: int) -> None:
    """Raises: UnusableTokenizer: the weights have fewer positions than `max_length`."""
    positions = find_positions(folder)
    if positions is not None and max_length > positions:
        raise UnusableTokenizer(
            f"tokenize.max_length is {max_length}, but the weights ({folder.name}) have {positions} positions. "
            f"Set it to {positions} or less."
        )


def check_padding(folder: Path, pad_id: int, new_pad_id: int) -> None:
    """Raises: UnusableTokenizer: positions are counted from the padding token, and a trained tokenizer moved it."""
    kind = _read_config(folder).get("model_type")
    if kind in POSITIONS_AFTER_PADDING and new_pad_id != pad_id:
        raise UnusableTokenizer(
            f"tokenize.tokenizer is trained, but {kind} weights ({folder.name}) count positions from their padding "
            f"token, {pad_id}, which would become {new_pad_id}. Set tokenize.tokenizer to weights, or use others."
        )


def find_unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of what the vocabulary lacks; None for tokenizers that can spell anything."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:  # Unigram
        return int(model["unk_id"])
    token = model.get("unk_token")
    return None if token is None else tokenizer.token_to_id(token)


class Encoder:
    """Encodes texts to at most `max_length` ids, special tokens included, and counts on the way.

    Attributes:
        counts: documents, truncated, tokens (special tokens left out) and unknown.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        self.counts: Counter[str] = Counter()
        self._unknown = find_unknown_id(tokenizer)
        self._max_length = max_length
        self._special = tokenizer.num_special_tokens_to_add(False)
        self._trailing = _num_trailing(tokenizer)
        self._dtype = id_type(tokenizer.get_vocab_size())
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())  # truncation is a state: leave the caller's alone
        # One more than is kept: a document that fills it is longer than max_length, and no other way of
        # asking is as cheap as the length.
        self._tokenizer.enable_truncation(max_length + 1)
        self._max_characters = (max_length + 1) * CHARACTERS_PER_TOKEN

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Token ids of the texts, the same as if each were tokenized whole and then truncated."""
        size = min(_MOST_TEXTS, max(1, _MOST_TOKENS // self._max_length))
        parts = [self._encode(texts[start : start + size]) for start in range(0, max(1, len(texts)), size)]
        return Encoded(np.concatenate([part.ids for part in parts]), np.concatenate([part.lengths for part in parts]))

    def _encode(self, texts: Sequence[str]) -> Encoded:
        heads = [self._cut(text) for text in texts]
        # An Encoding makes a list anew each time that it is asked, and is large: ids only, and at once.
        documents = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(heads)]
        for index, ids in enumerate(documents):
            if len(ids) <= self._max_length and len(heads[index]) < len(texts[index]):  # the cut was too short
                documents[index] = self._tokenizer.encode(texts[index]).ids
        encoded = self._drop_surplus(Encoded.join(documents, self._dtype))
        self.counts["documents"] += len(texts)
        self.counts["tokens"] += len(encoded.ids) - self._special * len(texts)
        if self._unknown is not None:
            self.counts["unknown"] += int(np.count_nonzero(encoded.ids == self._unknown))
        return encoded

    def _drop_surplus(self, encoded: Encoded) -> Encoded:
        """Without the last token before the trailing special ones, where there is one too many."""
        too_long = encoded.lengths > self._max_length
        self.counts["truncated"] += int(too_long.sum())
        surplus = np.cumsum(encoded.lengths)[too_long] - 1 - self._trailing
        return Encoded(np.delete(encoded.ids, surplus), encoded.lengths - too_long)

    def _cut(self, text: str) -> str:
        """The text's beginning, up to a space, so that no word is cut; the whole text where there is none."""
        if len(text) <= self._max_characters:
            return text
        end = text.rfind(" ", 1, self._max_characters)
        # Without the white space before it: three spaces may be another token than the first of them.
        return text[:end].rstrip() if end > 0 else text


def _num_trailing(tokenizer: Tokenizer) -> int:
    """Special tokens behind the text's own, such as [SEP]."""
    special = tokenizer.encode("a").special_tokens_mask
    return next((number for number, is_special in enumerate(reversed(special)) if not is_special), len(special))


def _read_tokenizer(folder: Path, *, reset: bool) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UnusableTokenizer(
            f"{folder} has no tokenizer.json. model.weights must name a folder with the tokenizer of the "
            "weights in the format of the tokenizers library; `transformers` writes one with save_pretrained."
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise UnusableTokenizer(f"{path} cannot be read: {error}. Fetch the weights anew.") from None
    if reset:
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return tokenizer


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return config
