"""The bootstrap of figures that are functions of sums over documents.

A resample draws documents with replacement, so it is a number of times that each document occurs, and all sums of a
block of resamples are one matrix product of these numbers with the documents' own terms. Documents with equal terms
share a row (a *cell*), whose number of times is multinomial as well: the same distribution, often thousands of times
faster, because the cells of a confusion matrix are few.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 13 (percentile interval).

Shapes: K cells, R resamples, S sums.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4_000_000  # cell counts held at a time

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]


def resample_sums(
    terms: Sequence[NDArray[Any]], counts_K: Ints, *, num_resamples: int, seed: int, strata_K: Ints | None = None
) -> list[NDArray[np.float64]]:
    """Sums [R, S] of each of several models' terms [K, S] over the same resamples.

    Args:
        counts_K: documents of each cell.
        strata_K: cells of one stratum keep their number of documents in every resample; None for one stratum.
    """
    strata_K = np.zeros(len(counts_K), dtype=np.int64) if strata_K is None else strata_K
    parts = [
        [block_RK @ terms_KS for terms_KS in terms] for block_RK in _resample(counts_K, strata_K, num_resamples, seed)
    ]
    return [np.concatenate(blocks) for blocks in zip(*parts, strict=True)]


def _resample(counts_K: Ints, strata_K: Ints, num_resamples: int, seed: int) -> Iterator[Floats]:
    """Yield counts [R', K] of resamples that keep the number of documents of each stratum."""
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // len(counts_K))
    columns = [np.flatnonzero(strata_K == stratum) for stratum in np.unique(strata_K)]
    for start in range(0, num_resamples, block):
        size = min(block, num_resamples - start)
        counts_RK = np.empty((size, len(counts_K)))
        for column in columns:
            total = counts_K[column].sum()
            counts_RK[:, column] = rng.multinomial(total, counts_K[column] / total, size=size)
        yield counts_RK


def percentile_intervals(samples: Mapping[str, Floats], confidence: float) -> dict[str, tuple[float, float]]:
    """Low and high of each figure, from its values [R] in the resamples."""
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    found = {name: np.quantile(values_R, tails) for name, values_R in samples.items()}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


def divide(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """The quotient, and 0 where the denominator is not above 0."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    return np.divide(numerator, denominator, out=np.zeros(shape), where=np.asarray(denominator) > 0)
