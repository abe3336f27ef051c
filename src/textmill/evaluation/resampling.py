"""The bootstrap of figures that are functions of sums over documents.

A resample draws documents with replacement, so it is a number of times that each document occurs, and all sums of a
block of resamples are one matrix product of these numbers with the documents' own terms. Documents with equal terms
may share a row (a *cell*), whose number of times is multinomial as well: where cells are few, such as those of a
confusion matrix of few classes, they are drawn in place of the documents.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 13 (percentile interval).

Shapes: N documents, K cells, R resamples, S sums.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.proportions import unseen_share

_BLOCK = 500_000  # draws, or cells, held at a time: they stay in the processor's cache
_CELL_COST = 20  # the time of a binomial draw, in draws of a document

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]


class _Stratum(NamedTuple):
    """Cells [start, end) of those sorted by stratum, and the documents of each."""

    start: int
    end: int
    counts: Ints


def resample_sums(
    terms: Sequence[NDArray[Any]],
    counts_K: Ints,
    *,
    num_resamples: int,
    seed: int,
    strata_K: NDArray[Any] | None = None,
) -> list[NDArray[np.float64]]:
    """Sums [R, S] of each of several models' terms [K, S] over the same resamples.

    Args:
        terms: float32 ones are summed in float32, which is several times faster and exact to about six digits (and
            numbers of documents are exact); others in float64.
        counts_K: documents of each cell.
        strata_K: cells of one stratum keep their number of documents in every resample; None for one stratum.
    """
    order_K = np.arange(len(counts_K)) if strata_K is None else np.argsort(strata_K, kind="stable")
    terms = [_as_floats(terms_KS)[order_K] for terms_KS in terms]
    strata = _strata(counts_K[order_K], None if strata_K is None else strata_K[order_K])
    sums = [np.empty((num_resamples, terms_KS.shape[1])) for terms_KS in terms]
    start = 0
    for block_RK in _resample(strata, num_resamples, np.random.default_rng(seed)):
        times = {dtype: block_RK.astype(dtype) for dtype in {terms_KS.dtype for terms_KS in terms}}
        for sums_RS, terms_KS in zip(sums, terms, strict=True):
            sums_RS[start : start + len(block_RK)] = times[terms_KS.dtype] @ terms_KS
        start += len(block_RK)
    return sums


def resample_columns(
    columns: Mapping[str, NDArray[Any]], *, num_resamples: int, seed: int, strata_N: NDArray[Any] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Sums [R] of each named term [N], or [R, S] of terms [N, S], over the same resamples; in float32."""
    terms = {name: column.reshape(len(column), -1) for name, column in columns.items()}
    ends = np.cumsum([term_NS.shape[1] for term_NS in terms.values()])
    terms_NS = np.hstack([term_NS.astype(np.float32) for term_NS in terms.values()])
    ones_N = np.ones(len(terms_NS), dtype=np.int64)
    (sums_RS,) = resample_sums([terms_NS], ones_N, num_resamples=num_resamples, seed=seed, strata_K=strata_N)
    parts = dict(zip(columns, np.split(sums_RS, ends[:-1], axis=1), strict=True))
    return {name: part[:, 0] if columns[name].ndim == 1 else part for name, part in parts.items()}


def _as_floats(terms_KS: NDArray[Any]) -> Floats:
    return terms_KS if terms_KS.dtype == np.float32 else terms_KS.astype(np.float64)


def _strata(counts_K: Ints, strata_K: NDArray[Any] | None) -> list[_Stratum]:
    """The strata of cells that are sorted by stratum."""
    starts = np.zeros(1, dtype=np.int64)
    if strata_K is not None:
        starts = np.append(starts, np.flatnonzero(strata_K[1:] != strata_K[:-1]) + 1)
    ends = [*starts[1:].tolist(), len(counts_K)]
    return [_Stratum(start, end, counts_K[start:end]) for start, end in zip(starts.tolist(), ends, strict=True)]


def _resample(strata: list[_Stratum], num_resamples: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield counts [R', K] of resamples that keep the number of documents of each stratum."""
    num_cells = strata[-1].end
    num_documents = sum(int(stratum.counts.sum()) for stratum in strata)
    by_cell = num_cells * _CELL_COST < num_documents
    draw = _draw_cells if by_cell else _draw_documents
    block = max(1, _BLOCK // (num_cells if by_cell else num_documents))
    for start in range(0, num_resamples, block):
        yield draw(strata, min(block, num_resamples - start), rng)


def _draw_cells(strata: list[_Stratum], num_resamples: int, rng: np.random.Generator) -> Ints:
    counts_RK = np.empty((num_resamples, strata[-1].end), dtype=np.int64)
    for start, end, counts in strata:
        total = counts.sum()
        counts_RK[:, start:end] = rng.multinomial(total, counts / total, size=num_resamples)
    return counts_RK


def _draw_documents(strata: list[_Stratum], num_resamples: int, rng: np.random.Generator) -> Ints:
    """Draw the documents of each stratum, and count those of each cell: in all resamples at once, as in one row."""
    num_cells = strata[-1].end
    rows_R1 = num_cells * np.arange(num_resamples)[:, None]
    drawn = []
    for start, end, counts in strata:
        total = int(counts.sum())
        dtype = np.uint16 if total <= np.iinfo(np.uint16).max else np.uint32  # drawn faster than int64
        documents_RN = rng.integers(total, size=(num_resamples, total), dtype=dtype)
        cells_RN = documents_RN if (counts == 1).all() else np.repeat(np.arange(end - start), counts)[documents_RN]
        drawn.append((cells_RN + (rows_R1 + start)).ravel())
    return np.bincount(np.concatenate(drawn), minlength=num_resamples * num_cells).reshape(num_resamples, num_cells)


def percentile_intervals(samples: Mapping[str, Floats], confidence: float) -> dict[str, tuple[float, float]]:
    """Low and high of each figure, from its values [R] in the resamples."""
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    found = {name: np.quantile(values_R, tails) for name, values_R in samples.items()}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


def widen(
    low: Floats, high: Floats, figure: Floats, num_documents: NDArray[Any], confidence: float
) -> tuple[Floats, Floats]:
    """Bounds, each [...], of figures in [0, 1] that are no tighter than what documents that were never drawn may hide.

    Resampling documents that are all right knows of no other ones, and its interval would be the figure alone. But a
    share e of wrong ones stays unseen among N with probability (1 - e)^N; the largest such share that is not too
    improbable is the least distance of either bound. For a share of documents this is the interval of Clopper and
    Pearson where all are right, and elsewhere beyond it by less than 1 / N. Where N is 0, nothing is known.

    Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits (1934), for 0 of N.
    """
    unseen = unseen_share(num_documents, (1 + confidence) / 2)
    return np.minimum(low, np.maximum(figure - unseen, 0.0)), np.maximum(high, np.minimum(figure + unseen, 1.0))


def divide(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """The quotient, and 0 where the denominator is not above 0."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    return np.divide(numerator, denominator, out=np.zeros(shape), where=np.asarray(denominator) > 0)
