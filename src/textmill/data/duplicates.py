"""Exact duplicates of cleaned texts, found with a few bytes a document in memory."""

import unicodedata
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

REASONS = ("duplicate", "conflicting_labels")


def normalise(text: str) -> str:
    """What two texts must share to count as one: NFKC, case-folded, each run of white space one space."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def cluster_of(text: str) -> str:
    """16 hex digits that all texts with the same normal form share."""
    return blake2b(normalise(text).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Duplicates:
    """What is known of N documents, in their order.

    Attributes:
        is_duplicate: bool [N], an earlier document says the same under the same label.
        is_conflicting: bool [N], the same text stands elsewhere under another label.
        first: int64 [N], position of the first document of its cluster (its own where it is the first).
    """

    is_duplicate: npt.NDArray[np.bool_]
    is_conflicting: npt.NDArray[np.bool_]
    first: npt.NDArray[np.int64]


def find_duplicates(clusters: npt.NDArray[np.uint64], labels: npt.NDArray[np.int64]) -> Duplicates:
    """Tell duplicates apart from conflicts.

    The first document of a cluster is kept and the others are its duplicates, unless their labels
    differ: then nobody knows which is right, and all of the cluster are conflicting.

    Args:
        clusters: [N] cluster keys.
        labels: [N] indices of the labels.
    """
    _, first_of, cluster_index = np.unique(clusters, return_index=True, return_inverse=True)
    first = first_of[cluster_index].astype(np.int64)
    has_conflict = np.zeros(len(first_of), bool)
    has_conflict[cluster_index[labels != labels[first]]] = True
    is_conflicting = has_conflict[cluster_index]
    is_duplicate = (first != np.arange(len(clusters))) & ~is_conflicting
    return Duplicates(is_duplicate, is_conflicting, first)
