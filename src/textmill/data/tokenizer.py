"""Texts to token ids, with the tokenizer that the weights came with."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from textmill.errors import UserError

# Where to cut a text before it is tokenized, per token that is kept: words are rarely longer, and
# where this proves too short the text is taken whole.
CHARACTERS_PER_TOKEN = 12
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


def check_length(folder: Path, max_length: int) -> None:
    """Raises: UnusableTokenizer: the weights have fewer positions than `max_length`."""
    config = _read_config(folder)
    positions = config.get("max_position_embeddings")
    if positions is not None and config.get("model_type") in POSITIONS_AFTER_PADDING:
        positions -= config.get("pad_token_id", 1) + 1
    if positions is not None and max_length > positions:
        raise UnusableTokenizer(
            f"tokenize.max_length is {max_length}, but the weights ({folder.name}) have {positions} positions. "
            f"Set it to {positions} or less."
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
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())  # truncation is a state: leave the caller's alone
        self._tokenizer.enable_truncation(max_length)
        self._max_characters = max_length * CHARACTERS_PER_TOKEN

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, the same as if the whole text were tokenized and then truncated."""
        heads = [self._cut(text) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(heads)
        for index, encoding in enumerate(encodings):
            if len(heads[index]) < len(texts[index]) and not encoding.overflowing:
                encodings[index] = self._tokenizer.encode(texts[index])  # the cut was too short
        self._count(encodings)
        return [encoding.ids for encoding in encodings]

    def _cut(self, text: str) -> str:
        """The text's beginning, up to a space, so that no word is cut; the whole text where there is none."""
        if len(text) <= self._max_characters:
            return text
        end = text.rfind(" ", 1, self._max_characters)
        return text[:end] if end > 0 else text

    def _count(self, encodings: Sequence[Encoding]) -> None:
        for encoding in encodings:
            special = sum(encoding.special_tokens_mask)
            self.counts["documents"] += 1
            self.counts["truncated"] += bool(encoding.overflowing)
            self.counts["tokens"] += len(encoding) - special
            if self._unknown is not None:
                self.counts["unknown"] += encoding.ids.count(self._unknown)


def _read_tokenizer(folder: Path, *, reset: bool) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UnusableTokenizer(
            f"{folder} has no tokenizer.json. model.{{family}}.weights must name a folder with the tokenizer of the "
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
