"""Shingles of texts, their hashes, and MinHash bands: what near duplicates are found by, a batch at a time.

A shingle is a run of n words; a text is the set of its shingles, and the similarity of two texts the Jaccard similarity
of their sets. Letters, digits and marks make words; each character of a script that writes without spaces is one.

Shapes: D documents, C characters, W words, S shingles, H hashes of a signature, B bands of R rows.

Sources: Broder, On the resemblance and containment of documents (1997); Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, chapter 3; Karp and Rabin, Efficient randomized pattern-matching algorithms (1987), for the words.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

SKETCH = 1024  # shingles that are kept of a document: the smallest hashes
SEED = 42
MAX_HASHES = 128
_BLOCK = 1 << 16  # characters at a time: what is made of them stays in the processor's cache
_SEPARATOR, _LETTER, _IDEOGRAPH = 0, 1, 2
# Scripts that write without spaces: Thai, Lao, Tibetan, Myanmar, Khmer, kana and Han.
_UNSPACED = (
    (0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
_BASE = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Sketches:
    """What is kept of a batch of D documents.

    Attributes:
        bands: uint32 [D, B], keys of the bands of the MinHash signature; documents that share one are candidates.
        sizes: int32 [D], shingles that are kept, at most SKETCH; 0 for a document without words.
        shingles: uint32 [sum of sizes], hashes of shingles, ascending in each document: all of a document that has
            fewer than SKETCH, else the smallest (a bottom-k sketch).
    """

    bands: npt.NDArray[np.uint32]
    sizes: npt.NDArray[np.int32]
    shingles: npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Banding:
    """How signatures are cut: `num_bands` bands of `num_rows` hashes, for shingles of `ngram` words."""

    ngram: int
    num_bands: int
    num_rows: int


def sketch(texts: Sequence[str], banding: Banding) -> Sketches:
    """Sketch normalised texts (see duplicates.normalise)."""
    parts = [_sketch_block(block, banding) for block in _blocks(texts)]
    if not parts:
        return Sketches(np.empty((0, banding.num_bands), np.uint32), np.empty(0, np.int32), np.empty(0, np.uint32))
    return Sketches(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for end, text in enumerate(texts):
        if size and size + len(text) > _BLOCK:
            yield texts[start:end]
            start, size = end, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]


def _sketch_block(
    texts: Sequence[str], banding: Banding
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
    hashes_S, counts_D = hash_shingles(texts, banding.ngram)
    # Sorted and distinct by document: the document's number stands above the upper half of the hash.
    document_S = np.repeat(np.arange(len(texts), dtype=np.uint64), counts_D)
    keys = np.sort((document_S << np.uint64(32)) | (hashes_S >> np.uint64(32)))
    keys = keys[np.diff(keys, prepend=~keys[:1]) != 0]  # np.unique takes ten times as long
    sizes_D = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(texts))
    kept = _ranks(sizes_D) < SKETCH
    bands = _band_keys(hashes_S, counts_D, banding)
    return bands, np.minimum(sizes_D, SKETCH).astype(np.int32), keys[kept].astype(np.uint32)


def hash_shingles(texts: Sequence[str], ngram: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The shingles of each text, as they come; a text with fewer words than `ngram` has one, of all its words.

    Returns:
        uint64 [S] hashes, and int64 [D], how many of them are whose.
    """
    words_W, counts_D = hash_words(texts)
    # Where a shingle begins: at each word that has ngram - 1 after it, and at the first.
    rank_W = _ranks(counts_D)
    count_W = np.repeat(counts_D, counts_D)
    begins_S = np.flatnonzero((rank_W <= count_W - ngram) | (rank_W == 0))
    left_S = (count_W - rank_W)[begins_S]  # words from here to the end of the document
    hashes_S = np.zeros(len(begins_S), np.uint64)
    for place in range(ngram):
        here = words_W[np.minimum(begins_S + place, len(words_W) - 1)] if len(words_W) else words_W
        hashes_S += np.where(left_S > place, here, np.uint64(0)) * _weights()[place]
    return _mix(hashes_S), np.where(counts_D > 0, np.maximum(counts_D - ngram + 1, 1), 0)


def hash_words(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The words of each text, as they come.

    Returns:
        uint64 [W] fingerprints, and int64 [D], how many of them are whose.
    """
    joined = "\n".join([*texts, ""])
    is_ascii = joined.isascii()
    codes_C = np.frombuffer(joined.encode("ascii" if is_ascii else "utf-32-le"), np.uint8 if is_ascii else "<u4")
    class_C = _classes()[codes_C]
    before_C = np.concatenate([np.zeros(1, np.uint8), class_C[:-1]])
    begins_C = (class_C == _IDEOGRAPH) | ((class_C == _LETTER) & (before_C != _LETTER))
    lengths_D = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    counts_D = np.add.reduceat(begins_C, np.cumsum(lengths_D) - lengths_D, dtype=np.int64)
    begins_W = np.flatnonzero(begins_C)
    if not len(begins_W):
        return np.empty(0, np.uint64), counts_D
    # Sums of character times base to the power of its place, as differences of one running sum, and moved to place 0.
    powers_C, inverses_C = _powers(1 << max(len(codes_C), 2 * _BLOCK).bit_length())
    sums_C = np.cumsum((codes_C * (class_C != _SEPARATOR)) * powers_C[: len(codes_C)], dtype=np.uint64)
    ends_W = sums_C[np.append(begins_W[1:] - 1, len(sums_C) - 1)]
    return _mix(np.diff(ends_W, prepend=np.uint64(0)) * inverses_C[begins_W]), counts_D


def _band_keys(
    hashes_S: npt.NDArray[np.uint64], counts_D: npt.NDArray[np.int64], banding: Banding
) -> npt.NDArray[np.uint32]:
    from rensa import RMinHash

    ends = np.concatenate([np.zeros(1, np.uint64), np.cumsum(counts_D).astype(np.uint64)])
    num_hashes = banding.num_bands * banding.num_rows
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes_S, ends, num_hashes, SEED)
    signature_DH = np.array(matrix.to_rows(), np.uint64)
    rows_DBR = signature_DH.reshape(len(counts_D), banding.num_bands, banding.num_rows)
    weights_R = _weights()[: banding.num_rows]
    return (_mix((rows_DBR * weights_R).sum(axis=2, dtype=np.uint64)) >> np.uint64(32)).astype(np.uint32)


def _ranks(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """0, 1, ... within each of the runs that are `counts` long."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread every bit over all others: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@cache
def _weights() -> npt.NDArray[np.uint64]:
    """Odd random numbers: of the places in a shingle and in a band."""
    return _mix(np.arange(1, 1 + 2 * MAX_HASHES, dtype=np.uint64) * np.uint64(_BASE)) | np.uint64(1)


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """The powers of an odd base modulo 2**64, and their inverses."""
    both = (np.full(count, np.uint64(base)) for base in (_BASE, pow(_BASE, -1, 1 << 64)))
    powers, inverses = (np.cumprod(base, dtype=np.uint64) for base in both)
    return powers, inverses


@cache
def _classes() -> npt.NDArray[np.uint8]:
    """What each code point is: separator, letter of a word, or a word by itself."""
    classes = np.zeros(0x110000, np.uint8)
    for code in range(0x20000):  # planes beyond are Han alone
        if unicodedata.category(chr(code))[0] in "LMN" or unicodedata.category(chr(code)) == "Co":
            classes[code] = _LETTER
    for first, last in _UNSPACED:
        span = classes[first : last + 1]
        span[(span == _LETTER) | (first >= 0x20000)] = _IDEOGRAPH
    return classes
