"""Samples of a table's texts that are the same whatever the order of its rows, without holding the texts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.artifacts import iter_table

_SOME_DOCUMENTS = 1024  # of a batch: these are read for their texts, which may be long


@dataclass(frozen=True)
class Survey:
    """What is held of each of N documents: 12 bytes.

    Attributes:
        hashes: uint64 [N], of the id.
        characters: uint32 [N], length of the text.
    """

    hashes: npt.NDArray[np.uint64]
    characters: npt.NDArray[np.uint32]

    def first(self, max_documents: int, max_characters: int) -> npt.NDArray[np.int64]:
        """The first documents by the hash of their id, within both limits but at least one: rows, in order."""
        order = np.argsort(self.hashes, kind="stable")[:max_documents]
        total = np.cumsum(self.characters[order], dtype=np.int64)
        return np.sort(order[: max(1, int(np.searchsorted(total, max_characters, side="right")))])


def survey(path: Path) -> Survey:
    """Look at all documents of a split. Raises: MissingArtifact."""
    hashes, characters = [], []
    for batch in iter_table(path):
        hashes.append(pd.util.hash_array(batch["id"].to_numpy(object), categorize=False))
        characters.append(batch["text"].str.len().to_numpy(np.uint32))
    return Survey(np.concatenate(hashes), np.concatenate(characters))


def read_texts(path: Path, rows: npt.NDArray[np.int64]) -> Iterator[list[str]]:
    """The texts of these rows (ascending), in batches. Raises: MissingArtifact."""
    start = 0
    for batch in iter_table(path, _SOME_DOCUMENTS):
        low, high = np.searchsorted(rows, [start, start + len(batch)])
        if low < high:
            yield batch["text"].iloc[rows[low:high] - start].tolist()
        start += len(batch)


def flatten(batches: Iterable[list[str]]) -> list[str]:
    """The texts of all batches."""
    return [text for batch in batches for text in batch]
