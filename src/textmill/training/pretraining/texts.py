"""An extra source of texts without labels, as token arrays."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from textmill.artifacts import atomic, read_json, write_json
from textmill.data.sources import Columns, Options, Source, locate, open_layout
from textmill.data.sources.columns import Column, has_columns, resolve_columns
from textmill.data.sources.errors import EmptySource
from textmill.data.sources.values import as_texts
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokens import Encoded, TokenArrays, read_meta, write_split
from textmill.long_documents import WindowPlan, find_special, plan_windows, windows_of

_KEY = "pretrain.source"
_SOME_TEXTS = 512  # tokenized at once: an Encoding is large
NAME = "source"


class SourceTexts(NamedTuple):
    tokens: TokenArrays
    num_left_out: int  # documents of the validation split


def read_source_texts(uri: str, column: Column, *, header: bool, key: str = _KEY) -> Iterator[list[str]]:
    """The texts of a source, in batches; of one that is split, those for training.

    Args:
        uri: as for data.source.
        column: the column with the text; labels are not asked for.
        key: of params.yaml, for messages.

    Raises: AssetNotFound, UnknownLayout, EmptySource, MissingColumn, UnreadableSource.
    """
    for split, place in locate({None: uri}).items():
        if split not in (None, "train"):
            continue
        layout, source = open_layout(place, Options(header), key)
        wanted, shown = Columns(column, column), header if layout == "delimited" else None
        if not source.complete and not _has(source, wanted):
            for _ in source.batches(_SOME_TEXTS):  # the column may turn up late
                pass
        for batch in source.batches(_SOME_TEXTS):
            name = resolve_columns(wanted, source.columns, key, shown).text
            if texts := [text for text in as_texts(batch[name]) if text and text.strip()]:
                yield texts


def tokenize_source(texts: Iterator[list[str]], tokens: Path, folder: Path) -> SourceTexts:
    """Write the arrays of the texts into `folder` and open them; arrays that are there are taken.

    A long document is cut into blocks of max_length, one after the other, and read whole. Documents that the
    validation split has too are left out, so that the perplexity there is that of unseen texts.

    Args:
        tokens: data/tokens, whose tokenizer and max_length decide.

    Raises: EmptySource: there are no texts.
    """
    if not folder.exists():
        with atomic(folder) as temporary:
            temporary.mkdir()
            write_json(temporary / "left_out.json", _write(texts, tokens, temporary))
    return SourceTexts(TokenArrays.open(folder, NAME), read_json(folder / "left_out.json"))


def _has(source: Source, wanted: Columns) -> bool:
    next(source.batches(_SOME_TEXTS), None)
    return has_columns(wanted, source.columns)


def _write(texts: Iterator[list[str]], tokens: Path, folder: Path) -> int:
    """Write the arrays; return how many documents were left out."""
    meta, tokenizer = read_meta(tokens), load_tokenizer(tokens)
    leading, trailing = find_special(tokenizer)
    num_special = len(leading) + len(trailing)
    blocks = WindowPlan(meta["max_length"] - num_special, "windows", 0.0, 0, 2**40)
    split_plan = plan_windows(meta["max_length"], num_special, meta["long_documents"])
    held_out = _first_windows(TokenArrays.open(tokens, "validation"))
    left_out = 0

    def encode() -> Iterator[tuple[Encoded, Any, Any]]:
        nonlocal left_out
        for batch in texts:
            contents = _tokenize(tokenizer, batch)
            kept = [
                content
                for content in contents
                if np.array(windows_of(content, split_plan, leading, trailing)[0], np.uint32).tobytes() not in held_out
            ]
            left_out += len(contents) - len(kept)
            documents = [windows_of(content, blocks, leading, trailing) for content in kept]
            counts = np.fromiter(map(len, documents), np.int64, len(documents))
            yield Encoded.join(list(chain.from_iterable(documents))), np.zeros(len(documents), np.uint32), counts

    batches = (batch for batch in encode() if len(batch[1]))
    first = next(batches, None)
    if first is None:
        raise EmptySource(
            f"{_KEY} holds no texts to learn from: it is empty, or has only documents of the validation split. Name "
            f"another, or set {_KEY} to null to learn from the train split."
        )
    write_split(folder, NAME, chain([first], batches), meta["vocabulary_size"])
    return left_out


def _tokenize(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def _first_windows(tokens: TokenArrays) -> set[bytes]:
    """What tells a document: the bytes of its first window."""
    return {tokens[index][0].astype(np.uint32).tobytes() for index in range(len(tokens))}
