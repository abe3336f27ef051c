import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from sklearn.metrics import precision_recall_curve

from textmill.evaluation.thresholds import fit_thresholds


def f1_at(threshold: float, probabilities_N: np.ndarray, labels_N: np.ndarray) -> float:
    given_N = probabilities_N >= threshold
    return float(2 * (given_N & (labels_N > 0)).sum() / max(given_N.sum() + (labels_N > 0).sum(), 1))


@given(
    arrays(np.float64, 12, elements=st.integers(0, 8).map(lambda value: value / 8)),
    arrays(np.int64, 12, elements=st.integers(0, 1)),
)
def test_no_other_threshold_does_better(probabilities_N, labels_N):
    (threshold,) = fit_thresholds(probabilities_N[:, None], labels_N[:, None])
    found = f1_at(threshold, probabilities_N, labels_N)
    assert found >= max(f1_at(other, probabilities_N, labels_N) for other in np.linspace(0, 1, 33)) - 1e-12
    assert 0 <= threshold <= 1


def test_the_best_f1_is_that_of_the_precision_recall_curve():
    rng = np.random.default_rng(0)
    labels_NC = (rng.random((500, 3)) < [0.05, 0.3, 0.6]).astype(np.float32)
    probabilities_NC = expit(rng.normal(size=(500, 3)) + 2 * labels_NC - 2).astype(np.float32)
    for i, threshold in enumerate(fit_thresholds(probabilities_NC, labels_NC)):
        precision, recall, _ = precision_recall_curve(labels_NC[:, i], probabilities_NC[:, i])
        best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
        assert f1_at(threshold, probabilities_NC[:, i], labels_NC[:, i]) == pytest.approx(best)


def test_of_calibrated_probabilities_the_threshold_is_half_the_best_f1():
    """Lipton et al., theorem 1; the F1 about its maximum is flat, so the threshold is loose."""
    rng = np.random.default_rng(1)
    probabilities_N = rng.beta(0.5, 3, 200_000)
    labels_N = (rng.random(200_000) < probabilities_N).astype(int)
    (threshold,) = fit_thresholds(probabilities_N[:, None], labels_N[:, None])
    assert threshold == pytest.approx(f1_at(threshold, probabilities_N, labels_N) / 2, abs=0.02)


def test_a_half_is_kept_where_it_is_as_good():
    probabilities_NC = np.array([[0.1], [0.2], [0.8], [0.9]])
    assert fit_thresholds(probabilities_NC, np.array([[0], [0], [1], [1]])) == [0.5]
    assert fit_thresholds(probabilities_NC, np.zeros((4, 1))) == [0.5]
    (low,) = fit_thresholds(probabilities_NC, np.ones((4, 1)))
    assert low == pytest.approx(0.05)  # all have the label: the middle below the lowest


def test_equal_probabilities_are_not_parted():
    assert fit_thresholds(np.array([[0.2], [0.2], [0.2], [0.1]]), np.array([[1], [0], [1], [0]])) == pytest.approx(
        [0.15]
    )


def test_each_label_has_its_own():
    probabilities_NC = np.array([[0.1, 0.9], [0.3, 0.7], [0.4, 0.6]])
    labels_NC = np.array([[0, 1], [1, 0], [1, 0]])
    assert fit_thresholds(probabilities_NC, labels_NC) == pytest.approx([0.2, 0.8])
