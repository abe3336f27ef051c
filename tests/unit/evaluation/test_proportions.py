"""Exact intervals of shares against statsmodels."""

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from textmill.evaluation.proportions import clopper_pearson, upper_bound


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 30), (300, 7500)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_it_is_statsmodels(hits, total, confidence):
    expected = proportion_confint(hits, total, alpha=1 - confidence, method="beta")
    assert clopper_pearson(hits, total, confidence) == pytest.approx(expected, abs=1e-9)
    # One-sided: half of a two-sided interval's chance of an error lies above it.
    assert upper_bound(hits, total, (1 + confidence) / 2) == pytest.approx(expected[1], abs=1e-9)


def test_a_bound_is_the_share_that_makes_so_few_hits_too_rare():
    bound = upper_bound(3, 100, 0.9)
    assert stats.binom.cdf(3, 100, bound) == pytest.approx(0.1)


def test_nothing_tells_nothing():
    assert clopper_pearson(0, 0, 0.95) is None
    assert upper_bound(0, 0, 0.95) == 1.0
