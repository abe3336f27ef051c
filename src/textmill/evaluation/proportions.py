"""What a share of so many documents says about the share of all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats


def clopper_pearson(hits: int, total: int, confidence: float) -> tuple[float, float] | None:
    """The exact two-sided interval of a share; None of no documents, which tell nothing.

    Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits (1934).
    """
    if total == 0:
        return None
    interval = stats.binomtest(hits, total).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def upper_bound(hits: int, total: int, confidence: float) -> float:
    """What the share stays below with this one-sided confidence: 1 of no documents. Source: as `clopper_pearson`."""
    return 1.0 if hits == total else float(special.betaincinv(hits + 1, total - hits, confidence))


def unseen_share(num_documents: NDArray[Any] | int, confidence: float) -> NDArray[np.float64]:
    """The largest share of documents that may be otherwise though N show none: (1 - share)^N = 1 - confidence.

    The one-sided bound of `upper_bound` for 0 of N, each of [...]; 1 of no documents.
    """
    share = 1 - (1 - confidence) ** (1 / np.maximum(num_documents, 1))
    return np.where(np.asarray(num_documents) > 0, share, 1.0)
