"""A share of the train split that looks like the whole. Shape suffixes: N documents, C labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.tasks import Task

NUM_QUANTILE_BINS = 10  # of the numbers of a regression


def sample_indices(task: Task, labels: NDArray[Any], fraction: float, seed: int) -> NDArray[np.int64]:
    """The same share of each kind of document, at least one of each; sorted positions.

    A kind is a class, the rarest label of a document (or none at all), or a tenth of the numbers by size.

    Args:
        labels: int64 [N] | float32 [N, C] | float32 [N], as the task has them.
    """
    generator = np.random.default_rng(seed)
    kinds_N = _kinds(task, labels)
    kept = []
    for kind in np.unique(kinds_N):
        of_kind = generator.permutation(np.flatnonzero(kinds_N == kind))
        kept.append(of_kind[: max(1, round(fraction * len(of_kind)))])
    return np.sort(np.concatenate(kept))


def _kinds(task: Task, labels: NDArray[Any]) -> NDArray[np.int64]:
    if task == "multi_label":
        rarity_C = labels.sum(axis=0)
        rarest_N = np.where(labels > 0, rarity_C, np.inf).argmin(axis=1)
        return np.where(labels.any(axis=1), rarest_N, -1)
    if task == "regression":
        ranks_N = labels.argsort(kind="stable").argsort(kind="stable")
        return ranks_N * NUM_QUANTILE_BINS // len(labels)
    return np.asarray(labels, dtype=np.int64)
