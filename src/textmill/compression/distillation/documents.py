"""What a student is taught on: the train documents, changed copies of them, and more texts without labels."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill import assets
from textmill.artifacts import atomic, read_json, write_json
from textmill.data.sources.errors import EmptySource, MissingColumn
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokens import Encoded, TokenArrays, read_meta, write_split
from textmill.long_documents import WindowEncoder
from textmill.training.augmentation import build_augment
from textmill.training.dataset import TrainingData
from textmill.training.pretraining.texts import read_source_texts
from textmill.training.settings import AugmentationSettings

_KEY = "compress.recipes: transfer.source of distill"
_NAME = "documents"
_SOME_DOCUMENTS = 1024  # written at once

Windows = Sequence[Any]  # of one document: the token ids of each, a list or an array


def changed_copies(
    data: TrainingData, *, copies: int, swap: float, delete: float, typo: float, seed: int, folder: Path
) -> TokenArrays:
    """Changed copies of all train documents, one whole set after the other, without labels.

    Args:
        swap, delete, typo: shares of the words, as in training.augmentation.
        folder: where they are written; what is there is taken.
    """
    if not folder.exists():
        augment = build_augment(data, AugmentationSettings(swap=swap, delete=delete, typo=typo))
        assert augment is not None, "config lets no augmentation through that changes nothing"
        documents = (
            augment(data.train[index], seed, copy, index) for copy in range(copies) for index in range(len(data.train))
        )
        with atomic(folder) as temporary:
            temporary.mkdir()
            _write(temporary, documents, data)
    return TokenArrays.open(folder, _NAME)


def more_texts(data: TrainingData, *, source: str, text: str | int, folder: Path) -> tuple[TokenArrays, dict[str, Any]]:
    """The texts of a source as the model reads documents, without labels, and what the evidence says of them.

    Documents that the validation split has too are left out: a student that was taught on them would look better there
    than it is.

    Args:
        source, text: `transfer` of the step.
        folder: where they are written; what is there is taken, if the source's content is still the same.

    Raises: AssetNotFound, UnknownLayout, EmptySource, MissingColumn, UnreadableSource.
    """
    digest = assets.provenance(source)["sha256"]
    told = {"source": source, "sha256": digest}
    note = folder / "source.json"
    if not note.exists() or {key: read_json(note)[key] for key in told} != told:
        held_out = {_identity(data.validation[index]) for index in range(len(data.validation))}
        left_out = 0

        def documents() -> Iterator[Windows]:
            nonlocal left_out
            for windows in _encode(data, _read(source, text)):
                if _identity(windows) in held_out:
                    left_out += 1
                else:
                    yield windows

        found = documents()
        first = next(found, None)
        if first is None:
            raise EmptySource(
                f"{_KEY} is {source}, which holds no texts to learn from: it is empty, or has only documents of the "
                "validation split. Name another, or leave transfer out."
            )
        with atomic(folder) as temporary:
            temporary.mkdir()
            _write(temporary, chain([first], found), data)
            write_json(temporary / note.name, {**told, "num_left_out": left_out})
    tokens = TokenArrays.open(folder, _NAME)
    return tokens, {**read_json(note), "num_documents": len(tokens)}


def join(train: TokenArrays, others: Sequence[TokenArrays]) -> TokenArrays:
    """The documents of all, one after the other; those of `others` have a label of zeros, which means nothing.

    Its ids are mapped from a file without a name, as those of `TokenArrays.truncate`.
    """
    if not others:
        return train
    parts = [train, *others]
    with TemporaryFile() as file:
        ids = np.memmap(file, train.ids.dtype, mode="w+", shape=(sum(len(part.ids) for part in parts),))
    offsets, windows = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    for part in parts:
        first_id, first_window = int(offsets[-1][-1]), int(windows[-1][-1])
        ids[first_id : first_id + len(part.ids)] = part.ids
        offsets.append(np.asarray(part.offsets[1:]) + first_id)
        windows.append(np.asarray(part.windows[1:]) + first_window)
    num_unlabelled = sum(map(len, others))
    nothing = np.zeros((num_unlabelled, *train.labels.shape[1:]), train.labels.dtype)
    return replace(
        train,
        ids=ids,
        offsets=np.concatenate(offsets),
        windows=np.concatenate(windows),
        labels=np.concatenate([train.labels, nothing]),
    )


def _read(source: str, text: str | int) -> Iterator[list[str]]:
    try:
        yield from read_source_texts(source, text, header=isinstance(text, str), key=_KEY)
    except MissingColumn as error:  # which speaks of the documents' source
        told = str(error).replace("data.text", "transfer.text").replace("data.header is false", "transfer.text is one")
        raise MissingColumn(told) from None


def _encode(data: TrainingData, texts: Iterator[list[str]]) -> Iterator[Windows]:
    assert data.folder is not None
    encoder = WindowEncoder(load_tokenizer(data.folder), data.max_length, read_meta(data.folder)["long_documents"])
    for batch in texts:
        yield from encoder.encode(batch)[0]


def _identity(windows: Windows) -> bytes:
    """What tells a document from others: all that is read of it."""
    return b"".join(np.asarray(window, np.uint32).tobytes() + b"|" for window in windows)


def _write(folder: Path, documents: Iterator[Windows], data: TrainingData) -> None:
    assert data.folder is not None

    def batches() -> Iterator[tuple[Encoded, NDArray[Any], NDArray[np.int64]]]:
        while batch := list(islice(documents, _SOME_DOCUMENTS)):
            counts = np.fromiter(map(len, batch), np.int64, len(batch))
            yield Encoded.join([*chain.from_iterable(batch)]), np.zeros(len(batch), np.uint32), counts

    write_split(folder, _NAME, batches(), read_meta(data.folder)["vocabulary_size"])
