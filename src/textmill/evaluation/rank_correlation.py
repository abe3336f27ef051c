"""Spearman's rank correlation, and what each document adds to it.

Like ROC AUC it is no function of sums, so its interval comes from the first-order influence of each document, see
`ranking`. A further document has two effects: its own pair of ranks, and the ranks of all that it comes before.

Source: Croux and Dehon, Influence Functions of the Spearman and Kendall Correlation Measures (2010).

Shapes: N documents, V distinct numbers in ascending order.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from textmill.evaluation.resampling import Floats


def spearman(actual_N: Floats, predicted_N: Floats) -> tuple[float, NDArray[np.float64]]:
    """The correlation of ranks, equal numbers sharing the mean of theirs, and its influences [N], which sum to 0.

    Both are 0 where either side is constant.
    """
    sides = [stats.rankdata(values_N) / len(values_N) for values_N in (actual_N, predicted_N)]
    spreads = [ranks_N.std() for ranks_N in sides]
    if np.ptp(sides[0]) == 0 or np.ptp(sides[1]) == 0:
        return 0.0, np.zeros(len(actual_N))
    scaled = [(ranks_N - ranks_N.mean()) / spread for ranks_N, spread in zip(sides, spreads, strict=True)]
    correlation = float(np.mean(scaled[0] * scaled[1]))
    own_N = scaled[0] * scaled[1] - correlation * (scaled[0] ** 2 + scaled[1] ** 2) / 2
    moved = [
        _sum_above(ranks_N, (other_N - correlation * side_N) / spread) / len(ranks_N)
        for ranks_N, side_N, other_N, spread in zip(sides, scaled, scaled[::-1], spreads, strict=True)
    ]
    influence_N = (own_N + moved[0] + moved[1]) / len(actual_N)
    return float(np.clip(correlation, -1.0, 1.0)), influence_N - influence_N.mean()


def _sum_above(values_N: Floats, terms_N: Floats) -> NDArray[np.float64]:
    """For each document the sum of the terms of those with larger values, and half of those with its own [N]."""
    _, place_N = np.unique(values_N, return_inverse=True)
    sums_V = np.bincount(place_N, weights=terms_N)
    above_V = sums_V[::-1].cumsum()[::-1] - sums_V
    return np.asarray((above_V + sums_V / 2)[place_N], dtype=np.float64)
