"""Atoms: documents that no split may part, because they share a cluster or a group, directly or through others.

Shapes: N documents, A atoms.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pandas as pd

_CHUNK = 65536  # values that are Python objects at a time
_MISSING = 0
_LAST = np.iinfo(np.uint64).max


@dataclass(frozen=True)
class Atoms:
    """The atom of each document, and where each atom stands in an order that chance gave.

    Attributes:
        of_document: int32 [N], from 0 to A - 1.
        position: uint64 [A], a hash of (seed, group) where the atom has a group, else of (seed, cluster), the least
            of them where it has several: a document that is added to an atom with a group moves nothing.
    """

    of_document: npt.NDArray[np.int32]
    position: npt.NDArray[np.uint64]


def find_atoms(documents: pd.DataFrame, seed: int) -> Atoms:
    """The connected components of the graph of clusters and groups that the documents span.

    Args:
        documents: the column cluster, and group if there are groups; a missing or blank group is none.
    """
    clusters, cluster_of = np.unique(hash_texts(documents["cluster"], seed), return_inverse=True)
    groups = hash_texts(documents["group"], seed) if "group" in documents else np.zeros(len(documents), np.uint64)
    grouped = np.flatnonzero(groups != _MISSING)
    if not len(grouped):
        return Atoms(cluster_of.astype(np.int32), clusters)
    groups, group_of = np.unique(groups[grouped], return_inverse=True)
    num_atoms, atom_of = _components(cluster_of[grouped], group_of, len(clusters), len(groups))
    by_cluster = np.full(num_atoms, _LAST)
    np.minimum.at(by_cluster, atom_of[: len(clusters)], clusters)
    by_group = np.full(num_atoms, _LAST)
    np.minimum.at(by_group, atom_of[len(clusters) :], groups)
    return Atoms(atom_of[cluster_of], np.where(by_group < _LAST, by_group, by_cluster))


def hash_texts(values: "pd.Series[str]", seed: int) -> npt.NDArray[np.uint64]:
    """64 bits for each value, 0 where it is missing or blank.

    Two values may share a hash, once in 40 million tables of a million values: they then stay together.
    """
    return np.fromiter((_hash(value, seed) for value in _chunked(values)), np.uint64, len(values))


def _hash(value: object, seed: int) -> int:
    if not isinstance(value, str) or not value.strip():
        return _MISSING
    return int.from_bytes(blake2b(f"{seed}:{value}".encode(), digest_size=16).digest()[:8], "big") or 1


def _chunked(values: "pd.Series[str]") -> Iterator[object]:
    for start in range(0, len(values), _CHUNK):
        yield from values.iloc[start : start + _CHUNK].to_numpy(object)


def _components(
    cluster_of: npt.NDArray[np.intp], group_of: npt.NDArray[np.intp], num_clusters: int, num_groups: int
) -> tuple[int, npt.NDArray[np.int32]]:
    """The number of components, and the component of each cluster and then of each group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    num_nodes = num_clusters + num_groups
    edges = (cluster_of.astype(np.int32), (num_clusters + group_of).astype(np.int32))
    graph = coo_array((np.ones(len(cluster_of), np.int8), edges), shape=(num_nodes, num_nodes))
    return connected_components(graph, directed=False)
