"""Token arrays on disk, memory-mapped: what training reads instead of texts.

Per split: SPLIT.ids.npy, all token ids one after the other; SPLIT.offsets.npy, where each document
begins and the last one ends; SPLIT.labels.npy, the index of each document's label.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textmill.artifacts import MissingArtifact, read_json

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenArrays:
    """One split's documents as token ids. N documents, L tokens in all.

    Attributes:
        ids: uint16 or uint32 [L], special tokens included, each document truncated to max_length.
        offsets: int64 [N + 1]; document i is ids[offsets[i]:offsets[i + 1]].
        labels: int64 [N], positions in the label list of tokens.json.
    """

    ids: npt.NDArray[Any]
    offsets: Integers
    labels: Integers

    @classmethod
    def open(cls, folder: Path, split: str) -> "TokenArrays":
        """Map a split's arrays into memory without reading them. Raises: MissingArtifact."""
        arrays = {}
        for name in ("ids", "offsets", "labels"):
            path = folder / f"{split}.{name}.npy"
            try:
                arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
            except (FileNotFoundError, ValueError) as error:
                raise MissingArtifact(
                    f"{path} is missing or damaged ({error}). `dvc repro tokenize` makes it."
                ) from None
        return cls(**arrays)

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
    """tokens.json: labels, max_length, pad_id, vocabulary_size, weights, splits. Raises: MissingArtifact."""
    meta: dict[str, Any] = read_json(folder / "tokens.json")
    return meta


def write_split(
    folder: Path, split: str, batches: Iterable[tuple[Sequence[Sequence[int]], Sequence[int]]], vocabulary_size: int
) -> None:
    """Write one split's arrays from batches of (token ids of each document, label index of each document).

    Tokens go to disk as they come, so that memory holds one batch and 16 bytes a document.
    """
    dtype = np.dtype(np.uint16 if vocabulary_size <= 2**16 else np.uint32)
    lengths: list[Integers] = []
    labels: list[Integers] = []
    spool = folder / f"{split}.ids.bin"
    with spool.open("wb") as file:
        for ids, batch_labels in batches:
            lengths.append(np.fromiter((len(document) for document in ids), np.int64, len(ids)))
            labels.append(np.asarray(batch_labels, np.int64))
            file.write(np.concatenate([np.asarray(document, dtype) for document in ids]).tobytes())
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    # An .npy file says its length first, which is known only now.
    tokens = np.memmap(spool, dtype, mode="r", shape=(int(offsets[-1]),))
    np.save(folder / f"{split}.ids.npy", tokens)
    spool.unlink()
    np.save(folder / f"{split}.offsets.npy", offsets)
    np.save(folder / f"{split}.labels.npy", np.concatenate(labels))


def summarise(folder: Path, split: str, counts: Mapping[str, int]) -> dict[str, float]:
    """What tokens.json says of a split, from its arrays and the counts of `tokenizer.Encoder`.

    Returns:
        num_documents, num_tokens (special ones included), truncated_share of the documents, unknown_share of the
        tokens (special ones left out), tokens_p50 and tokens_p95 of a document.
    """
    arrays = TokenArrays.open(folder, split)
    return {
        "num_documents": len(arrays),
        "num_tokens": len(arrays.ids),
        "truncated_share": round(counts["truncated"] / len(arrays), 6),
        "unknown_share": round(counts["unknown"] / max(counts["tokens"], 1), 6),
        "tokens_p50": float(np.percentile(arrays.lengths, 50)),
        "tokens_p95": float(np.percentile(arrays.lengths, 95)),
    }
