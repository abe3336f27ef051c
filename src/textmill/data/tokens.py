"""Token arrays on disk, memory-mapped: what training reads instead of texts.

Per split: SPLIT.ids.npy, all token ids one after the other; SPLIT.offsets.npy, where each window begins and the last
one ends; SPLIT.windows.npy, the first window of each document and the end of the last one's; SPLIT.labels.npy.

A document is one window, unless tokenize.long_documents.strategy is windows and it is long. A window is what a model
reads: special tokens included, at most max_length tokens.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textmill.artifacts import MissingArtifact, read_json

Integers = npt.NDArray[np.int64]
_SOME_WINDOWS = 2**14  # truncated at once


class Encoded(NamedTuple):
    """Documents as token ids, one after the other. N documents, L tokens in all."""

    ids: npt.NDArray[Any]  # unsigned integers [L]
    lengths: Integers  # int64 [N], tokens of each document

    @classmethod
    def join(cls, documents: Sequence[Sequence[int]], dtype: npt.DTypeLike = np.uint32) -> "Encoded":
        """The ids of each document, one after the other."""
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        return cls(np.fromiter(chain.from_iterable(documents), dtype, int(lengths.sum())), lengths)

    def documents(self) -> list[list[int]]:
        """The ids of each document in a list of its own."""
        return [part.tolist() for part in np.split(self.ids, np.cumsum(self.lengths))[:-1]]


@dataclass(frozen=True)
class TokenArrays:
    """One split's documents as token ids. N documents, W windows, L tokens in all, C labels.

    Attributes:
        ids: uint16 or uint32 [L].
        offsets: int64 [W + 1]; window w is ids[offsets[w]:offsets[w + 1]].
        windows: int64 [N + 1]; document i has the windows windows[i] to windows[i + 1] - 1, at least one.
        labels: int64 [N], positions in the label list of tokens.json (single_label); float32 [N, C], 1 where a
            document has a label (multi_label); float32 [N], the numbers as found (regression).
    """

    ids: npt.NDArray[Any]
    offsets: Integers
    windows: Integers
    labels: npt.NDArray[Any]

    @classmethod
    def open(cls, folder: Path, split: str) -> "TokenArrays":
        """Map a split's ids and offsets into memory without reading them. Raises: MissingArtifact."""
        arrays = {}
        for name in ("ids", "offsets", "windows", "labels"):
            path = folder / f"{split}.{name}.npy"
            try:
                arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
            except (FileNotFoundError, ValueError) as error:
                raise MissingArtifact(
                    f"{path} is missing or damaged ({error}). `dvc repro tokenize` makes it."
                ) from None
        labels = arrays["labels"]
        is_index = labels.ndim == 1 and labels.dtype.kind in "iu"
        arrays["labels"] = labels.astype(np.int64 if is_index else np.float32)
        return cls(**arrays)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> list[npt.NDArray[Any]]:
        """The windows of one document, each token ids [length], views of the mapped file."""
        windows = range(self.windows[index], self.windows[index + 1])
        return [self.ids[self.offsets[window] : self.offsets[window + 1]] for window in windows]

    @property
    def window_lengths(self) -> Integers:
        """Tokens of each window: int64 [W]."""
        return np.asarray(np.diff(self.offsets))

    @property
    def lengths(self) -> Integers:
        """Tokens of each document, all its windows together: int64 [N]."""
        return np.asarray(np.diff(self.offsets[self.windows]))

    def truncate(self, max_length: int, num_trailing: int) -> "TokenArrays":
        """A copy whose windows have at most `max_length` tokens: their first ones, and their last `num_trailing`.

        Its ids are mapped from a file without a name, so that memory holds a part of them at a time.
        """
        kept = np.minimum(self.window_lengths, max_length)
        if len(kept) == 0 or kept.sum() == len(self.ids):
            return self
        offsets = _running_total([kept])
        with TemporaryFile() as file:
            ids = np.memmap(file, self.ids.dtype, mode="w+", shape=(int(offsets[-1]),))
        for first in range(0, len(kept), _SOME_WINDOWS):
            part = slice(first, first + _SOME_WINDOWS)
            where = ranges(self.offsets[:-1][part], kept[part])
            # The last tokens of a window that is cut are taken from further behind: those before them are left out.
            behind = np.arange(len(where)) >= np.repeat(np.cumsum(kept[part]) - num_trailing, kept[part])
            where += behind * np.repeat(self.window_lengths[part] - kept[part], kept[part])
            ids[offsets[first] : offsets[first] + len(where)] = self.ids[where]
        return replace(self, ids=ids, offsets=offsets)


def read_meta(folder: Path) -> dict[str, Any]:
    """tokens.json: task, labels, target, max_length, long_documents, pad_id, vocabulary_size, weights, tokenizer,
    splits, max_length_costs. Regression has no `labels`, but `target`: mean and std of the train split.

    Raises: MissingArtifact.
    """
    meta: dict[str, Any] = read_json(folder / "tokens.json")
    return meta


def ranges(starts: Integers, lengths: Integers) -> Integers:
    """start, start + 1, ... of each range, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(np.asarray(starts) - before, lengths) + np.arange(lengths.sum())


def smallest_type(count: int) -> np.dtype[Any]:
    """The smallest unsigned type that holds 0 .. count - 1."""
    return np.min_scalar_type(max(count - 1, 0))


def id_type(vocabulary_size: int) -> np.dtype[Any]:
    """The type of the ids: uint16, or uint32 where the vocabulary is larger than that."""
    return np.dtype(np.uint16 if vocabulary_size <= 2**16 else np.uint32)


def write_split(
    folder: Path,
    split: str,
    batches: Iterable[tuple[Encoded, npt.NDArray[Any]]] | Iterable[tuple[Encoded, npt.NDArray[Any], Integers]],
    vocabulary_size: int,
) -> None:
    """Write one split's arrays from batches of windows, the label of each document and its number of windows.

    Labels are unsigned integers [N] (indices), uint8 [N, C] (one where a document has a label) or float32 [N]; without
    numbers of windows each document has one. Tokens go to disk as they come, so that memory holds one batch and some
    20 bytes a document.
    """
    dtype = id_type(vocabulary_size)
    lengths: list[npt.NDArray[Any]] = []
    labels: list[npt.NDArray[Any]] = []
    counts: list[npt.NDArray[Any]] = []
    spool = folder / f"{split}.ids.bin"
    with spool.open("wb") as file:
        for encoded, batch_labels, *num_windows in batches:
            lengths.append(encoded.lengths.astype(np.uint32))
            labels.append(np.asarray(batch_labels))
            counts.append(num_windows[0] if num_windows else np.ones(len(batch_labels), np.int64))
            file.write(encoded.ids.astype(dtype, copy=False).tobytes())
    offsets, windows = _running_total(lengths), _running_total(counts)
    assert windows[-1] == len(offsets) - 1
    values = np.concatenate(labels)
    if values.ndim == 1 and values.dtype.kind in "iu":
        values = values.astype(smallest_type(int(values.max()) + 1))
    # An .npy file says its length first, which is known only now.
    tokens = np.memmap(spool, dtype, mode="r", shape=(int(offsets[-1]),))
    np.save(folder / f"{split}.ids.npy", tokens)
    spool.unlink()
    np.save(folder / f"{split}.offsets.npy", offsets)
    np.save(folder / f"{split}.windows.npy", windows)
    np.save(folder / f"{split}.labels.npy", values)


def _running_total(parts: Sequence[npt.NDArray[Any]]) -> Integers:
    total = np.zeros(sum(map(len, parts)) + 1, np.int64)
    np.cumsum(np.concatenate(parts), out=total[1:])
    return total


def summarise(folder: Path, split: str, counts: Mapping[str, int]) -> dict[str, float]:
    """What tokens.json says of a split, from its arrays and the counts of `encoding.Encoder`.

    Returns:
        num_documents, num_windows, num_tokens (special ones included), truncated_share of the documents (something of
        them is not read), unknown_share of the tokens (special ones left out), and of the tokens of a document, all
        its windows together, tokens_p50, tokens_p95 and tokens_max.
    """
    arrays = TokenArrays.open(folder, split)
    lengths = arrays.lengths
    return {
        "num_documents": len(arrays),
        "num_windows": len(arrays.window_lengths),
        "num_tokens": len(arrays.ids),
        "truncated_share": round(counts["truncated"] / len(arrays), 6),
        "unknown_share": round(counts["unknown"] / max(counts["tokens"], 1), 6),
        "tokens_p50": float(np.percentile(lengths, 50)),
        "tokens_p95": float(np.percentile(lengths, 95)),
        "tokens_max": int(lengths.max()),
    }
