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


@pytest.mark.parametrize("offset", [0.0, -40.0, 1e7])
def test_figures_equal_scikit_learn_and_scipy(offset):
    actual_N, predicted_N = draw(400, seed=1, offset=offset)
    expected = {
        "r2": metrics.r2_score(actual_N, predicted_N),
        "rmse": metrics.root_mean_squared_error(actual_N, predicted_N),
        "mae": metrics.mean_absolute_error(actual_N, predicted_N),
        "spearman": stats.spearmanr(actual_N, predicted_N).statistic,
    }
    assert judge(actual_N, predicted_N).figures == pytest.approx(expected, rel=1e-9)


def test_the_intervals_are_those_of_resampled_documents():
    actual_N, predicted_N = draw(250, seed=2)
    quality = judge(actual_N, predicted_N, num_resamples=5000)
    rng = np.random.default_rng(3)
    drawn = [rng.integers(250, size=250) for _ in range(3000)]
    slow = {
        "r2": [metrics.r2_score(actual_N[d], predicted_N[d]) for d in drawn],
        "rmse": [metrics.root_mean_squared_error(actual_N[d], predicted_N[d]) for d in drawn],
        "mae": [metrics.mean_absolute_error(actual_N[d], predicted_N[d]) for d in drawn],
    }
    assert set(quality.intervals) == set(slow)
    for name, values in slow.items():
        spread = np.std(values)
        expected = np.quantile(values, [0.05, 0.95])
        np.testing.assert_allclose(quality.intervals[name], expected, atol=0.15 * spread, err_msg=name)


@pytest.mark.parametrize(("predicted", "expected"), [(3.0, 1.0), (4.0, 0.0)])
@pytest.mark.filterwarnings("error")
def test_numbers_that_do_not_differ_have_scikit_learns_r2(predicted, expected):
    actual_N, predicted_N = np.full(20, 3.0), np.full(20, predicted)
    quality = judge(actual_N, predicted_N)
    assert quality.figures["r2"] == expected == metrics.r2_score(actual_N, predicted_N)
    assert quality.figures["spearman"] == 0
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
