"""The train documents that are most like a document: cosine similarity of TF-IDF.

Features are hashed words: there is no vocabulary to hold. Of each train document the sparse row of its first characters
is kept, about 8 bytes a distinct word.

Shapes: Q documents whose neighbours are sought, N train documents, F features.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, diags

_NUM_FEATURES = 2**18
_MOST_CHARACTERS = 4000  # read of a document
_MOST_PAIRS = 2**19  # of documents that are compared at a time, some 40 bytes each
# Scripts that put no space between words: every character counts as one.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+"


class Neighbour(NamedTuple):
    """A train document, and the cosine of the angle to it: 1 for the same words as often."""

    id: str
    label: str
    similarity: float


def find_neighbours(texts: Sequence[str], train: Iterable[pd.DataFrame], number: int) -> list[list[Neighbour]]:
    """The nearest train documents of each text, the nearest first; those that share no word are left out.

    Args:
        train: id, text and label, in batches.
        number: at most, of each text.

    Frequencies are sublinear and idf smoothed as in the baseline; words that no train document has do not count.
    """
    if not texts or not number:
        return [[] for _ in texts]
    from sklearn.feature_extraction.text import HashingVectorizer

    counter = HashingVectorizer(
        n_features=_NUM_FEATURES, token_pattern=_WORD, norm=None, alternate_sign=False, dtype=np.float32
    )
    block = max(1, _MOST_PAIRS // len(texts))
    ids, labels, blocks = [], [], []
    for batch in train:
        ids += batch["id"].tolist()
        labels += batch["label"].tolist()
        blocks += [_count(counter, batch["text"].iloc[start : start + block]) for start in range(0, len(batch), block)]
    frequency_F = sum(np.bincount(block.indices, minlength=_NUM_FEATURES) for block in blocks)
    idf_F = np.where(frequency_F, np.log((1 + len(ids)) / (1 + frequency_F)) + 1, 0).astype(np.float32)
    queries_QF = _weigh(_count(counter, texts), idf_F)
    best_QX, place_QX = np.zeros((len(texts), 0), np.float32), np.zeros((len(texts), 0), np.int64)
    start = 0
    for block_NF in blocks:
        similarity_QN = (queries_QF @ _weigh(block_NF, idf_F).T).toarray()
        places = np.broadcast_to(np.arange(start, start + block_NF.shape[0]), similarity_QN.shape)
        best_QX, place_QX = np.hstack([best_QX, similarity_QN]), np.hstack([place_QX, places])
        nearest = np.argsort(-best_QX, axis=1, kind="stable")[:, :number]
        best_QX = np.take_along_axis(best_QX, nearest, axis=1)
        place_QX = np.take_along_axis(place_QX, nearest, axis=1)
        start += block_NF.shape[0]
    return [
        [Neighbour(ids[i], labels[i], round(min(float(s), 1.0), 4)) for s, i in zip(best, place, strict=True) if s > 0]
        for best, place in zip(best_QX, place_QX.tolist(), strict=True)
    ]


def _count(counter: Any, texts: Iterable[str]) -> csr_matrix:
    """How often each text has each word by a HashingVectorizer, [N, F]."""
    return counter.transform(text[:_MOST_CHARACTERS] for text in texts).tocsr()


def _weigh(counts_NF: csr_matrix, idf_F: np.ndarray) -> csr_matrix:
    """Rows of unit length, or of zeros."""
    weights_NF = counts_NF.copy()
    weights_NF.data = (1 + np.log(counts_NF.data)) * idf_F[counts_NF.indices]
    lengths_N = np.sqrt(weights_NF.multiply(weights_NF).sum(axis=1)).A1
    return diags(1 / np.maximum(lengths_N, np.finfo(np.float32).tiny), dtype=np.float32) @ weights_NF
