"""Near duplicates: pairs of texts whose shingles are alike, by MinHash LSH and a check of each candidate.

MinHash signatures are cut into bands; texts that share a band are candidates, and a candidate counts when the Jaccard
similarity of the shingles themselves reaches the threshold. Keys of bands are held, 4 bytes a band and document;
shingles lie on disk.

Shapes: N documents of the index, P pairs, S shingles.

Sources: as in shingles.py; Cohen and Kaplan, Summarizing data using bottom-k sketches (2007), for long documents.
"""

from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from textmill.data.duplicates.shingles import SKETCH, Banding, Sketches

MIN_RECALL = 0.99  # of a pair that is just at the threshold, to become a candidate
MAX_LEADERS = 8  # members of one bucket that the others are compared with
_CHUNK = 1 << 19  # shingles that are compared at a time
_HALF = np.uint64(32)

Codes = npt.NDArray[np.uint64]  # a pair in one number: the earlier document above, the later one below


def choose_banding(threshold: float, ngram: int, num_hashes: int) -> Banding:
    """The longest bands, which give the fewest candidates, that find a pair at the threshold with MIN_RECALL.

    A pair of similarity s shares one of B bands of R rows with probability 1 - (1 - s^R)^B.
    """
    for num_rows in range(num_hashes, 1, -1):
        num_bands = num_hashes // num_rows
        if 1 - (1 - threshold**num_rows) ** num_bands >= MIN_RECALL:
            return Banding(ngram, num_bands, num_rows)
    return Banding(ngram, num_hashes, 1)


class NearDuplicateIndex:
    """Sketches of N documents, in the order in which they were added.

    Args:
        folder: where the shingles go, about 4 bytes a word.
        threshold: Jaccard similarity from which two documents are near duplicates.
    """

    def __init__(self, folder: Path, threshold: float) -> None:
        self.threshold = threshold
        self._bands: list[npt.NDArray[np.uint32]] = []
        self._sizes: list[npt.NDArray[np.int32]] = []
        self._path = folder / "shingles.bin"
        self._file: IO[bytes] = self._path.open("wb")

    def add(self, sketches: Sketches) -> None:
        """Take in the next documents."""
        self._bands.append(sketches.bands)
        self._sizes.append(sketches.sizes)
        self._file.write(sketches.shingles.tobytes())

    def find_pairs(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Pairs of near duplicates among the documents `rows`, which come in order of precedence.

        The members of a bucket are compared with its first one; those that are unlike it with the first of them, and
        so on up to MAX_LEADERS, so that a bucket takes time in proportion to its size. It is the earlier of two that
        stays: a member that is like a leader goes, and what else is like that member need not be known here.

        Returns:
            int64 [P, 2], places in `rows`, the lower first, each pair once and sorted.
        """
        self._file.close()
        sizes = np.concatenate([np.empty(0, np.int32), *self._sizes])
        with_words = np.flatnonzero(sizes[rows] > 0)  # a text without a word is like no other
        found = np.empty(0, np.uint64)
        with _Shingles(self._path, sizes) as shingles:
            for band in range(self._bands[0].shape[1] if self._bands else 0):
                keys = np.concatenate([bands[:, band] for bands in self._bands])[rows[with_words]]
                new = [found]
                buckets = _Buckets(keys)
                for _ in range(MAX_LEADERS):
                    leaders, members = buckets.pair()
                    codes = (with_words[leaders].astype(np.uint64) << _HALF) | with_words[members].astype(np.uint64)
                    near = _contains(found, codes)
                    unknown = np.flatnonzero(~near)
                    left, right = rows[with_words[leaders[unknown]]], rows[with_words[members[unknown]]]
                    near[unknown] = shingles.are_near(left, right, self.threshold)
                    new.append(codes[unknown][near[unknown]])
                    buckets.drop(near)
                found = np.sort(np.concatenate(new))
        return np.stack([found >> _HALF, found & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)


class _Buckets:
    """Documents that share a key, as long as they are to be compared: those alone in a bucket are not here."""

    def __init__(self, keys: npt.NDArray[np.uint32]) -> None:
        # Sorted by key, and by place where keys are equal.
        ordered = np.sort((keys.astype(np.uint64) << _HALF) | np.arange(len(keys), dtype=np.uint64))
        self._keys = (ordered >> _HALF).astype(np.uint32)
        self._places = (ordered & np.uint64(0xFFFFFFFF)).astype(np.int64)
        self._drop_single()

    def pair(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The first place of each bucket beside each other one."""
        first = self._first_places()
        others = first != self._places
        return first[others], self._places[others]

    def drop(self, done: npt.NDArray[np.bool_]) -> None:
        """Take out the first of each bucket, and those of the others that are done."""
        stays = self._first_places() != self._places
        stays[stays] = ~done
        self._keys, self._places = self._keys[stays], self._places[stays]
        self._drop_single()

    def _first_places(self) -> npt.NDArray[np.int64]:
        begins = np.flatnonzero(np.diff(self._keys, prepend=~self._keys[:1]))
        return np.repeat(self._places[begins], np.diff(begins, append=len(self._keys)))

    def _drop_single(self) -> None:
        same = self._keys[1:] == self._keys[:-1]
        shared = np.append(same, False) | np.append(False, same) if len(self._keys) else same
        self._keys, self._places = self._keys[shared], self._places[shared]


def _contains(ordered: Codes, codes: Codes) -> npt.NDArray[np.bool_]:
    if not len(ordered):
        return np.zeros(len(codes), bool)
    return ordered[np.minimum(np.searchsorted(ordered, codes), len(ordered) - 1)] == codes


class _Shingles:
    """The shingles of all documents, in a file of which only what is compared is read.

    (Mapped into memory, it would count as ours as a whole: the kernel maps what lies around each page.)
    """

    def __init__(self, path: Path, sizes: npt.NDArray[np.int32]) -> None:
        self.sizes = sizes.astype(np.int64)
        self.begins = np.cumsum(self.sizes) - self.sizes
        self._file = path.open("rb", buffering=0)

    def __enter__(self) -> "_Shingles":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def are_near(
        self, left_P: npt.NDArray[np.int64], right_P: npt.NDArray[np.int64], threshold: float
    ) -> npt.NDArray[np.bool_]:
        """Does the similarity of each pair of documents reach the threshold? bool [P]."""
        near_P = np.zeros(len(left_P), bool)
        work = np.cumsum(self.sizes[left_P] + self.sizes[right_P])
        start = 0
        while start < len(left_P):
            done = work[start - 1] if start else 0
            end = max(start + 1, int(np.searchsorted(work, done + _CHUNK, side="right")))
            near_P[start:end] = self._similarity(left_P[start:end], right_P[start:end]) >= threshold - 1e-9
            start = end
        return near_P

    def _similarity(self, left_P: npt.NDArray[np.int64], right_P: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Jaccard similarity; where a document has more than SKETCH shingles, that of the smallest SKETCH of both."""
        both = np.concatenate([left_P, right_P])
        documents, which = np.unique(both, return_inverse=True)
        shingles = self._read(documents)
        begins = np.cumsum(self.sizes[documents]) - self.sizes[documents]
        sizes = self.sizes[both]
        pair_S = np.repeat(np.tile(np.arange(len(left_P)), 2), sizes)
        places_S = np.arange(sizes.sum()) + np.repeat(begins[which] - (np.cumsum(sizes) - sizes), sizes)
        keys_S = np.sort((pair_S.astype(np.uint64) << _HALF) | shingles[places_S])
        pair_S = (keys_S >> _HALF).astype(np.int64)
        again_S = np.append(False, keys_S[1:] == keys_S[:-1])  # the second time, so in both
        distinct_P = np.bincount(pair_S[~again_S], minlength=len(left_P))
        rank_S = np.cumsum(~again_S) - 1 - (np.cumsum(distinct_P) - distinct_P)[pair_S]
        is_cut_P = np.maximum(self.sizes[left_P], self.sizes[right_P]) >= SKETCH
        limit_P = np.where(is_cut_P, np.minimum(distinct_P, SKETCH), distinct_P)
        shared_P = np.bincount(pair_S[again_S & (rank_S < limit_P[pair_S])], minlength=len(left_P))
        return shared_P / limit_P

    def _read(self, documents: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        parts = []
        for begin, size in zip(self.begins[documents].tolist(), self.sizes[documents].tolist(), strict=True):
            self._file.seek(4 * begin)
            parts.append(self._file.read(4 * size))
        return np.frombuffer(b"".join(parts), np.uint32)
