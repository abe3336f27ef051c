"""Texts to token ids, with the tokenizer of the weights or one that `tokenizer_training` made."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from textmill.errors import UserError

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
