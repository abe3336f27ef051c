"""Spearman's correlation against SciPy, its influences against derivatives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from textmill.evaluation.rank_correlation import spearman

numbers = st.integers(-3, 3).map(float)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30))
def test_it_equals_scipy_with_many_ties(pairs):
    actual_N, predicted_N = (np.array(column) for column in zip(*pairs, strict=True))
    correlation, influence_N = spearman(actual_N, predicted_N)
    if np.ptp(actual_N) == 0 or np.ptp(predicted_N) == 0:
        assert correlation == 0
        assert not influence_N.any()
    else:
        assert correlation == pytest.approx(stats.spearmanr(actual_N, predicted_N).statistic, abs=1e-12)
        assert influence_N.sum() == pytest.approx(0, abs=1e-9)


def weighted(actual_N: np.ndarray, predicted_N: np.ndarray, weights_N: np.ndarray) -> float:
    """The correlation by its definition, with each document as often as its weight."""
    shares_N = weights_N / weights_N.sum()
    ranks = [((x_N < x_N[:, None]) + 0.5 * (x_N == x_N[:, None])) @ shares_N for x_N in (actual_N, predicted_N)]
    a_N, b_N = (rank_N - shares_N @ rank_N for rank_N in ranks)
    return float(shares_N @ (a_N * b_N) / np.sqrt(shares_N @ a_N**2 * (shares_N @ b_N**2)))


@pytest.mark.parametrize("digits", [6, 0], ids=["", "ties"])
def test_influences_are_derivatives(digits):
    rng = np.random.default_rng(0)
    actual_N = rng.gamma(2.0, 3.0, 80).round(digits)
    predicted_N = (actual_N + rng.normal(0, 3, 80)).round(digits)
    correlation, influence_N = spearman(actual_N, predicted_N)
    assert weighted(actual_N, predicted_N, np.ones(80)) == pytest.approx(correlation)
    step = 1e-5
    for i in range(80):
        change_N = step * (np.arange(80) == i)
        more, less = (weighted(actual_N, predicted_N, 1 + sign * change_N) for sign in (1, -1))
        assert influence_N[i] == pytest.approx((more - less) / (2 * step), abs=1e-8)
