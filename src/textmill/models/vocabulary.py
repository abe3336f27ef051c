"""Pretrained weights that read another tokenizer's tokens.

Gee, Zugarini, Rigutini, Torroni: Fast Vocabulary Transfer for Language Model Compression, EMNLP 2022 industry track
(https://aclanthology.org/2022.emnlp-industry.41).

Shape suffixes: V tokens of a vocabulary, D hidden size.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, pre_tokenizers
from torch import Tensor, nn

from textmill.models.low_rank import keep_rows
from textmill.models.packing import first_position

_ALPHABET = pre_tokenizers.ByteLevel.alphabet()


@dataclass(frozen=True)
class Transfer:
    """How many tokens of the new vocabulary got their embedding in which way."""

    num_copied: int  # the old vocabulary has the token, or spells it with one
    num_averaged: int  # mean of the embeddings of several old tokens
    num_neutral: int  # nothing that the old tokenizer could read, such as half a character: mean of all old ones


class Token(NamedTuple):
    """What a token stands for, whatever the convention of its tokenizer."""

    content: bytes  # UTF-8, or a part of it
    begins_word: bool


def transfer_vocabulary(encoder: Any, old_file: Path, new_file: Path) -> Transfer:
    """Give `encoder`, in place, embeddings for the tokens of another tokenizer.

    A token that both vocabularies have keeps its embedding; any other gets the mean of the old embeddings of its
    pieces under the old tokenizer. Tokens are compared by what they stand for: WordPiece's `word` and `##ing`,
    byte-level BPE's `Ġword` and `ing`, Unigram's `▁word` and `ing` are the same two.

    Args:
        encoder: an encoder of transformers; its config gets the new vocab_size and the new ids of special tokens.
        old_file, new_file: tokenizer.json of the weights and of the tokens.
    """
    old, new = read_tokenizer(old_file), read_tokenizer(new_file)
    new_VD, transfer = transfer_rows(encoder.get_input_embeddings().weight.detach(), old, new)
    _replace_embeddings(encoder, new_VD, _renumbered(encoder.config, old, new))
    return transfer


def keep_tokens(model: Any, kept: Sequence[int], old: Tokenizer, new: Tokenizer) -> None:
    """Cut the embeddings of a model of any family, in place, to those of a tokenizer that has lost tokens.

    Args:
        kept: ids of the old tokenizer, ascending, that are 0, 1, ... of the new one.
    """
    for one in getattr(model, "members", [model]):
        keep_rows(one, kept)
        if hasattr(one, "encoder"):
            for key, value in _renumbered(one.encoder.config, old, new).items():
                setattr(one.encoder.config, key, value)


def fixed_ids(model: Any) -> range:
    """Ids that must stay what they are: RoBERTa and its kin count positions from the padding's id."""
    one = getattr(model, "members", [model])[0]
    return range(first_position(one.encoder) if hasattr(one, "encoder") else 0)


def transfer_rows(old_VD: Tensor, old: Tokenizer, new: Tokenizer) -> tuple[Tensor, Transfer]:
    """Embeddings of the new tokenizer's tokens, as `transfer_vocabulary` makes them: float32 [V, D] of the new V."""
    pieces = find_pieces(old, new)
    flat = torch.tensor([piece for ids in pieces for piece in ids], dtype=torch.long)
    starts = torch.tensor([0, *(len(ids) for ids in pieces)]).cumsum(0)[:-1]
    new_VD = F.embedding_bag(flat, old_VD, starts, mode="mean")
    empty = torch.tensor([not ids for ids in pieces])
    new_VD[empty] = old_VD[: old.get_vocab_size()].mean(0)
    num_copied = sum(len(ids) == 1 for ids in pieces)
    return new_VD, Transfer(num_copied, len(pieces) - num_copied - int(empty.sum()), int(empty.sum()))


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer without the truncation and padding that may be baked into its file."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def find_pieces(old: Tokenizer, new: Tokenizer) -> list[list[int]]:
    """For each token of the new vocabulary, the ids of the old tokens that spell it; one if they share it."""
    old_vocabulary, old_special, special = old.get_vocab(), _special(old), _special(new)
    convention, read_old = find_convention(old)
    new_convention, read_new = find_convention(new)
    meaning = {token: read_old(token) for token in old_vocabulary if token not in old_special}
    known = {of: old_vocabulary[token] for token, of in sorted(meaning.items(), reverse=True)}
    ids = sorted(new.get_vocab().items(), key=lambda item: item[1])
    assert [number for _, number in ids] == list(range(len(ids)))
    tokens = [None if name in special else read_new(name) for name, _ in ids]
    texts = [" " * token.begins_word + token.content.decode(errors="ignore") if token else "" for token in tokens]
    spelt = [encoding.ids for encoding in old.encode_batch_fast(texts, add_special_tokens=False)]
    pieces = []
    for (name, _), token, text, of_text in zip(ids, tokens, texts, spelt, strict=True):
        if token is None:
            pieces.append([old_vocabulary[name]] if name in old_vocabulary else [])
        elif token.begins_word or convention == new_convention or _continues_word(text, old):
            pieces.append([known[token]] if token in known else _in_place(token, of_text, old, meaning, known))
        else:
            pieces.append(of_text)
    return pieces


def _continues_word(text: str, old: Tokenizer) -> bool:
    """Whether the old tokenizer joins a text to letters before it; BERT's takes punctuation for a word of its own."""
    joined = "a" + text[:1]
    if old.normalizer is not None:
        joined = old.normalizer.normalize_str(joined)
    return old.pre_tokenizer is None or len(old.pre_tokenizer.pre_tokenize_str(joined)) == 1


def _in_place(
    token: Token, ids: list[int], old: Tokenizer, meaning: dict[str, Token], known: dict[Token, int]
) -> list[int]:
    """The pieces of a token's text; within a word, the first one's twin that continues a word, if there is one."""
    first = meaning.get(str(old.id_to_token(ids[0]))) if ids else None
    if token.begins_word or first is None:
        return ids
    return [known.get(Token(first.content, False), ids[0]), *ids[1:]]


def find_convention(tokenizer: Tokenizer) -> tuple[str, Callable[[str], Token]]:
    """How a tokenizer writes its tokens, as its file shows, and what a token stands for."""
    written = json.loads(tokenizer.to_str())
    model = written["model"]
    if prefix := model.get("continuing_subword_prefix"):
        return prefix, lambda token: Token(token.removeprefix(prefix).encode(), not token.startswith(prefix))
    steps = json.dumps([written["pre_tokenizer"], written["decoder"]])
    if '"ByteLevel"' in steps:
        return "Ġ", _read_bytes
    if '"Metaspace"' in steps or model["type"] == "Unigram":
        return "▁", lambda token: Token(token.removeprefix("▁").replace("▁", " ").encode(), token.startswith("▁"))
    return "", lambda token: Token(token.encode(), True)


def _read_bytes(token: str) -> Token:
    """A token of byte-level BPE: each character stands for a byte, Ġ for the space."""
    if not all(character in _BYTES for character in token):
        return Token(token.encode(), False)  # added to the vocabulary as it is
    content = bytes(_BYTES[character] for character in token)
    return Token(content.removeprefix(b" "), content.startswith(b" "))


def _bytes_of_characters() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes are themselves, the others the characters from 256 on, in their order."""
    printable = [byte for byte in range(256) if chr(byte) in _ALPHABET]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _bytes_of_characters()


def _special(tokenizer: Tokenizer) -> set[str]:
    return {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}


def _replace_embeddings(encoder: Any, weight_VD: Tensor, config: dict[str, Any]) -> None:
    for key, value in config.items():
        setattr(encoder.config, key, value)
    old = encoder.get_input_embeddings()
    padding = None if old.padding_idx is None else encoder.config.pad_token_id
    num_tokens, width = weight_VD.shape
    embeddings = nn.Embedding(num_tokens, width, padding_idx=padding, _weight=weight_VD.clone())
    encoder.set_input_embeddings(embeddings)


def _renumbered(config: Any, old: Tokenizer, new: Tokenizer) -> dict[str, Any]:
    """The entries of a config that speak of the vocabulary: vocab_size, and the ids of special tokens."""
    values: dict[str, Any] = {"vocab_size": new.get_vocab_size()}
    for key, value in config.to_dict().items():
        if key.endswith("_token_id") and isinstance(value, int):
            token = old.id_to_token(value)
            values[key] = None if token is None else new.token_to_id(token)
    return values
