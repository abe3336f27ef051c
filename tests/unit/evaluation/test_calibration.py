import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from textmill.evaluation.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    fit_binary_temperature,
    fit_temperature,
    reliability,
)


def test_the_error_of_a_hand_made_example():
    """Two bins: (0.5, 0.75] holds 0.6 and 0.7, one of two right; (0.75, 1] holds 0.8 and 1.0, both right."""
    probabilities_NC = np.array([[0.6, 0.4], [0.3, 0.7], [0.8, 0.2], [0.0, 1.0]])
    bins = reliability(probabilities_NC, np.array([0, 0, 0, 1]), num_bins=4)
    np.testing.assert_array_equal(bins.count_K, [0, 0, 2, 2])
    np.testing.assert_allclose(bins.accuracy_K, [0, 0, 0.5, 1])
    np.testing.assert_allclose(bins.confidence_K, [0, 0, 0.65, 0.9])
    assert bins.error == pytest.approx((2 * 0.15 + 2 * 0.1) / 4)


def test_edges_belong_to_the_lower_bin():
    bins = reliability(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]), num_bins=2)
    np.testing.assert_array_equal(bins.count_K, [1, 1])


def test_a_known_temperature_is_found_and_calibrates():
    rng = np.random.default_rng(0)
    true_NC = rng.normal(scale=2, size=(20000, 3))
    uniform_N1 = rng.random((20000, 1))
    labels_N = (softmax(true_NC, axis=1).cumsum(axis=1) < uniform_N1).sum(axis=1)
    overconfident_NC = (true_NC * 2.5).astype(np.float32)
    temperature = fit_temperature(overconfident_NC, labels_N)
    assert temperature == pytest.approx(2.5, rel=0.05)
    before = reliability(softmax(overconfident_NC, axis=1), labels_N, 15).error
    after = reliability(softmax(overconfident_NC / temperature, axis=1), labels_N, 15).error
    assert after < 0.02 < before


def test_it_is_the_minimum_of_the_log_loss():
    rng = np.random.default_rng(1)
    logits_NC, labels_N = rng.normal(size=(200, 4)), rng.integers(4, size=200)
    logits_NC += np.eye(4)[labels_N]

    def loss(temperature: float) -> float:
        log_probabilities_NC = log_softmax(logits_NC / temperature, axis=1)
        smoothing = 1 / (200 + 4)
        target_N = (1 - smoothing) * log_probabilities_NC[np.arange(200), labels_N]
        return float(-(target_N + smoothing * log_probabilities_NC.mean(axis=1)).mean())

    found = loss(fit_temperature(logits_NC, labels_N))
    assert found <= min(loss(t) for t in np.geomspace(LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE, 500)) + 1e-9


def test_it_stays_within_bounds():
    faint_NC = np.array([[0.005, -0.005], [-0.005, 0.005]])
    assert fit_temperature(faint_NC, np.array([0, 1])) == pytest.approx(LOWEST_TEMPERATURE, rel=0.01)
    assert fit_temperature(faint_NC, np.array([1, 0])) == pytest.approx(HIGHEST_TEMPERATURE, rel=0.01)


@pytest.mark.parametrize("num_documents", [15, 30, 300])
def test_documents_that_are_all_right_make_nobody_certain(num_documents):
    """With all right, softmax gives the smoothed target: (N + 1.5) / (N + 2) for two classes."""
    labels_N = np.arange(num_documents) % 2
    separated_NC = np.where(labels_N[:, None] == [0, 1], 1.0, -1.0)
    confidence = 1 / (1 + np.exp(-2 / fit_temperature(separated_NC, labels_N)))
    assert confidence == pytest.approx((num_documents + 1.5) / (num_documents + 2), abs=1e-4)


def test_a_known_temperature_of_labels_that_go_together_is_found():
    rng = np.random.default_rng(2)
    true_NC = rng.normal(scale=2, size=(20000, 3))
    labels_NC = (rng.random((20000, 3)) < expit(true_NC)).astype(np.float32)
    assert fit_binary_temperature((true_NC * 2.5).astype(np.float32), labels_NC) == pytest.approx(2.5, rel=0.05)


def test_one_label_is_a_softmax_over_it_and_its_absence():
    rng = np.random.default_rng(3)
    labels_N = rng.integers(2, size=150)
    logits_N = rng.normal(size=150) + labels_N
    two_classes_N2 = np.column_stack([np.zeros(150), logits_N])
    expected = fit_temperature(two_classes_N2, labels_N)
    assert fit_binary_temperature(logits_N[:, None], labels_N[:, None]) == pytest.approx(expected, rel=1e-4)
