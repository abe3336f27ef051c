import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from textmill.evaluation.quality import Quality
from textmill.evaluation.regression import assess_values, compare_bins


def draw(num_documents: int, seed: int, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    actual_N = offset + rng.gamma(2.0, 3.0, num_documents)
    return actual_N, actual_N + rng.normal(0, 2, num_documents) + 0.3


def judge(actual_N: np.ndarray, predicted_N: np.ndarray, num_resamples: int = 100) -> Quality:
    return assess_values(actual_N, predicted_N, confidence=0.9, num_resamples=num_resamples, seed=0)


EXPECTED = {
    "r2": metrics.r2_score,
    "explained_variance": metrics.explained_variance_score,
    "rmse": metrics.root_mean_squared_error,
    "mae": metrics.mean_absolute_error,
    "mape": metrics.mean_absolute_percentage_error,
    "median_absolute_error": metrics.median_absolute_error,
    "max_error": metrics.max_error,
    "pearson": lambda a_N, b_N: stats.pearsonr(a_N, b_N).statistic,
    "spearman": lambda a_N, b_N: stats.spearmanr(a_N, b_N).statistic,
}


@pytest.mark.parametrize("num_documents", [3, 30, 401])
@pytest.mark.parametrize("offset", [0.0, -40.0, 1e7])
def test_figures_equal_scikit_learn_and_scipy(offset, num_documents):
    actual_N, predicted_N = draw(num_documents, seed=1, offset=offset)
    expected = {name: function(actual_N, predicted_N) for name, function in EXPECTED.items()}
    quality = judge(actual_N, predicted_N)
    assert quality.figures == pytest.approx(expected, rel=1e-7)
    assert quality.intervals.keys() == quality.figures.keys() - {"max_error"}


def test_the_intervals_are_those_of_resampled_documents():
    actual_N, predicted_N = draw(251, seed=2)
    quality = judge(actual_N, predicted_N, num_resamples=10_000)
    rng = np.random.default_rng(3)
    drawn = rng.integers(251, size=(600, 251))
    slow = [judge(actual_N[d], predicted_N[d], num_resamples=1).figures for d in drawn]
    for name in quality.intervals:
        values = [figures[name] for figures in slow]
        # Over three standard errors of a quantile; of the correlation of ranks, which is linearised, more.
        atol = (0.4 if name == "spearman" else 0.3) * np.std(values)
        expected = np.quantile(values, [0.05, 0.95])
        np.testing.assert_allclose(quality.intervals[name], expected, atol=atol, err_msg=name)


@pytest.mark.filterwarnings("error")
def test_a_number_that_is_0_leaves_no_relative_error():
    actual_N, predicted_N = draw(50, seed=6)
    actual_N[7] = 0
    quality = judge(actual_N, predicted_N)
    assert "mape" not in quality.figures | quality.intervals


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("slope", [1.0, -2.0])
def test_a_perfect_line_correlates_fully(slope):
    actual_N, _ = draw(40, seed=7)
    quality = judge(actual_N, slope * actual_N)
    for name in ("pearson", "spearman"):
        assert quality.figures[name] == pytest.approx(np.sign(slope))
        assert quality.intervals[name] == pytest.approx((np.sign(slope), np.sign(slope)), abs=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_documents_are_no_crash(count):
    quality = judge(np.arange(1.0, count + 1), np.full(count, 2.0))
    assert np.isfinite(list(quality.figures.values())).all()
    assert np.isfinite(list(quality.intervals.values())).all()


@pytest.mark.parametrize(("predicted", "expected"), [(3.0, 1.0), (4.0, 0.0)])
@pytest.mark.filterwarnings("error")
def test_numbers_that_do_not_differ_have_scikit_learns_r2(predicted, expected):
    actual_N, predicted_N = np.full(20, 3.0), np.full(20, predicted)
    quality = judge(actual_N, predicted_N)
    assert quality.figures["r2"] == expected == metrics.r2_score(actual_N, predicted_N)
    assert quality.figures["explained_variance"] == metrics.explained_variance_score(actual_N, predicted_N)
    assert quality.figures["spearman"] == quality.figures["pearson"] == 0
    assert quality.intervals["r2"] == (expected, expected)


def test_residuals_are_described():
    actual_N, predicted_N = draw(500, seed=4)
    residuals = judge(actual_N, predicted_N).details["residuals"]
    assert residuals["mean"] == pytest.approx((predicted_N - actual_N).mean())
    assert residuals["p95"] == pytest.approx(np.quantile(predicted_N - actual_N, 0.95))


def test_bins_hold_like_numbers_of_documents_in_the_order_of_the_predicted():
    actual_N, predicted_N = draw(103, seed=5)
    table = compare_bins(actual_N, predicted_N, 10)
    assert list(table.columns) == ["confidence", "accuracy", "count", "mean_confidence"]
    assert set(table["count"]) == {10, 11}
    assert table["confidence"].is_monotonic_increasing
    assert (table["count"] * table["accuracy"]).sum() == pytest.approx(actual_N.sum())
    assert (table["count"] * table["confidence"]).sum() == pytest.approx(predicted_N.sum())
    assert len(compare_bins(actual_N[:3], predicted_N[:3], 10)) == 3
