"""Resamples against a loop that draws documents, and their closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.evaluation import resampling
from textmill.evaluation.resampling import percentile_intervals, resample_columns, resample_sums, widen


def ones(count: int) -> np.ndarray:
    return np.ones(count, dtype=np.int64)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    strata=st.lists(st.integers(0, 3), min_size=12, max_size=12),
    num_resamples=st.integers(1, 40),
)
def test_every_stratum_keeps_its_documents(counts, strata, num_resamples):
    counts_K, strata_K = np.array(counts), np.array(strata[: len(counts)])
    member_KS = (strata_K[:, None] == np.arange(4)).astype(float)
    (sums_RS,) = resample_sums([member_KS], counts_K, num_resamples=num_resamples, seed=0, strata_K=strata_K)
    np.testing.assert_array_equal(sums_RS, np.tile(counts_K @ member_KS, (num_resamples, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell_cost", [0, 1_000_000], ids=["cells", "documents"])
@pytest.mark.parametrize("block", [30, 1_000_000])
def test_cells_and_documents_have_the_multinomials_moments(cell_cost, block, dtype, monkeypatch):
    monkeypatch.setattr(resampling, "_CELL_COST", cell_cost)
    monkeypatch.setattr(resampling, "_BLOCK", block)
    counts_K, strata_K = np.array([5, 1, 20, 4, 10]), np.array(["b", "a", "b", "a", "b"])
    (times_RK,) = resample_sums([np.eye(5, dtype=dtype)], counts_K, num_resamples=20_000, seed=1, strata_K=strata_K)
    size_K = np.array([35, 5, 35, 5, 35])
    share_K = counts_K / size_K
    variance_K = size_K * share_K * (1 - share_K)
    # five standard errors of a mean, and of a variance of a binomial (kurtosis below 5)
    np.testing.assert_allclose(times_RK.mean(axis=0), counts_K, atol=5 * np.sqrt(variance_K.max() / 20_000))
    np.testing.assert_allclose(times_RK.var(axis=0), variance_K, rtol=5 * 2 / np.sqrt(20_000))
    together = np.cov(times_RK.T)
    assert together[0, 2] == pytest.approx(-35 * share_K[0] * share_K[2], rel=0.15)
    assert together[0, 1] == pytest.approx(0, abs=0.15)


def test_models_meet_the_same_resamples():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    one, two, both = resample_sums([first, second, np.hstack([first, second])], ones(50), num_resamples=30, seed=0)
    np.testing.assert_allclose(np.hstack([one, two]), both, rtol=1e-12)


def test_the_seed_decides():
    terms = np.random.default_rng(0).normal(size=(80, 2))
    first, again, other = (
        resample_sums([terms], ones(80), num_resamples=100, seed=seed)[0].tobytes() for seed in (3, 3, 4)
    )
    assert first == again != other


def test_float32_is_as_good_as_float64_for_intervals():
    rng = np.random.default_rng(0)
    terms = rng.exponential(size=(5000, 3))
    exact, fast = resample_sums([terms, terms.astype(np.float32)], ones(5000), num_resamples=200, seed=0)
    np.testing.assert_allclose(fast, exact, rtol=2e-6)
    assert fast.dtype == np.float64


def test_columns_are_named_sums():
    rng = np.random.default_rng(0)
    columns = {"right": rng.random(40) < 0.5, "class": rng.random((40, 3)).astype(np.float32), "loss": rng.random(40)}
    found = resample_columns(columns, num_resamples=25, seed=0)
    assert {name: sums.shape for name, sums in found.items()} == {"right": (25,), "class": (25, 3), "loss": (25,)}
    for name, column in columns.items():
        (expected,) = resample_sums(
            [column.reshape(40, -1).astype(np.float32)], ones(40), num_resamples=25, seed=0, strata_K=None
        )
        np.testing.assert_allclose(found[name].reshape(25, -1), expected, rtol=1e-5)


def test_percentiles_are_numpys():
    values_R = np.random.default_rng(0).normal(size=999)
    (low, high) = percentile_intervals({"x": values_R}, 0.8)["x"]
    assert (low, high) == pytest.approx((np.quantile(values_R, 0.1), np.quantile(values_R, 0.9)))


def test_an_interval_without_spread_is_clopper_and_pearsons():
    from statsmodels.stats.proportion import proportion_confint

    for count in (1, 10, 30, 1000):
        low, high = widen(*(np.array(x) for x in (1.0, 1.0, 1.0, count)), 0.95)
        expected = proportion_confint(count, count, alpha=0.05, method="beta")
        assert (float(low), float(high)) == pytest.approx(expected)


@pytest.mark.parametrize("count", [5, 30, 1000])
def test_an_interval_is_widened_less_than_a_document_beyond_clopper_and_pearsons(count):
    from statsmodels.stats.proportion import proportion_confint

    for hits in range(count + 1):
        low, high = widen(*(np.array(x) for x in (hits / count, hits / count, hits / count, count)), 0.95)
        least, most = proportion_confint(hits, count, alpha=0.05, method="beta")
        assert np.diff([least - 1 / count, low, hits / count, high, most + 1 / count]).min() >= 0


def test_of_no_documents_nothing_is_known():
    low, high = widen(*(np.array(x) for x in (0.0, 0.0, 0.0, 0)), 0.9)
    assert (low, high) == (0, 1)
