"""Token arrays on disk, memory-mapped: what training reads instead of texts.

Per split: SPLIT.ids.npy, all token ids one after the other; SPLIT.offsets.npy, where each document
begins and the last one ends; SPLIT.labels.npy, the index of each document's label.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textmill.artifacts import MissingArtifact, read_json

Integers = npt.NDArray[np.int64]


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
    """One split's documents as token ids. N documents, L tokens in all.

    Attributes:
        ids: uint16 or uint32 [L], special tokens included, each document truncated to max_length.
        offsets: int64 [N + 1]; document i is ids[offsets[i]:offsets[i + 1]].
        labels: int64 [N], positions in the label list of tokens.json; on disk the smallest type that holds them.
    """

    ids: npt.NDArray[Any]
    offsets: Integers
    labels: Integers

    @classmethod
    def open(cls, folder: Path, split: str) -> "TokenArrays":
        """Map a split's ids and offsets into memory without reading them. Raises: MissingArtifact."""
        arrays = {}
        for name in ("ids", "offsets", "labels"):
            path = folder / f"{split}.{name}.npy"
            try:
                arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
            except (FileNotFoundError, ValueError) as error:
                raise MissingArtifact(
                    f"{path} is missing or damaged ({error}). `dvc repro tokenize` makes it."
                ) from None
        return cls(arrays["ids"], arrays["offsets"], arrays["labels"].astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        """Token ids of one document, a view of the mapped file: [length]."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> Integers:
        """Tokens of each document: int64 [N]."""
        return np.asarray(np.diff(self.offsets))


def read_meta(folder: Path) -> dict[str, Any]:
    """tokens.json: labels, max_length, pad_id, vocabulary_size, weights, tokenizer, splits, max_length_costs.

    Raises: MissingArtifact.
    """
    meta: dict[str, Any] = read_json(folder / "tokens.json")
    return meta


def smallest_type(count: int) -> np.dtype[Any]:
    """The smallest unsigned type that holds 0 .. count - 1."""
    return np.min_scalar_type(max(count - 1, 0))


def id_type(vocabulary_size: int) -> np.dtype[Any]:
    """The type of the ids: uint16, or uint32 where the vocabulary is larger than that."""
    return np.dtype(np.uint16 if vocabulary_size <= 2**16 else np.uint32)


def write_split(
    folder: Path, split: str, batches: Iterable[tuple[Encoded, Sequence[int]]], vocabulary_size: int
) -> None:
    """Write one split's arrays from batches of documents and the label index of each document.

    Tokens go to disk as they come, so that memory holds one batch and 16 bytes a document.
    """
    dtype = id_type(vocabulary_size)
    lengths: list[npt.NDArray[Any]] = []
    labels: list[npt.NDArray[Any]] = []
    spool = folder / f"{split}.ids.bin"
    with spool.open("wb") as file:
        for encoded, batch_labels in batches:
            lengths.append(encoded.lengths.astype(np.uint32))
            labels.append(np.asarray(batch_labels, np.uint32))
            file.write(encoded.ids.astype(dtype, copy=False).tobytes())
    offsets = np.zeros(sum(map(len, lengths)) + 1, np.int64)
    np.cumsum(np.concatenate(lengths), out=offsets[1:])
    indices = np.concatenate(labels)
    # An .npy file says its length first, which is known only now.
    tokens = np.memmap(spool, dtype, mode="r", shape=(int(offsets[-1]),))
    np.save(folder / f"{split}.ids.npy", tokens)
    spool.unlink()
    np.save(folder / f"{split}.offsets.npy", offsets)
    np.save(folder / f"{split}.labels.npy", indices.astype(smallest_type(int(indices.max()) + 1)))


def summarise(folder: Path, split: str, counts: Mapping[str, int]) -> dict[str, float]:
    """What tokens.json says of a split, from its arrays and the counts of `tokenizer.Encoder`.

    Returns:
        num_documents, num_tokens (special ones included), truncated_share of the documents, unknown_share of the
        tokens (special ones left out), and of the tokens kept of a document tokens_p50, tokens_p95 and tokens_max.
    """
    arrays = TokenArrays.open(folder, split)
    lengths = arrays.lengths
    return {
        "num_documents": len(arrays),
        "num_tokens": len(arrays.ids),
        "truncated_share": round(counts["truncated"] / len(arrays), 6),
        "unknown_share": round(counts["unknown"] / max(counts["tokens"], 1), 6),
        "tokens_p50": float(np.percentile(lengths, 50)),
        "tokens_p95": float(np.percentile(lengths, 95)),
        "tokens_max": int(lengths.max()),
    }
