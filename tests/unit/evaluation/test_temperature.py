import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from textmill.evaluation.calibration import reliability
from textmill.evaluation.temperature import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    fit_binary_temperature,
    fit_temperature,
    undo_temperature,
)


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


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.7])
@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_it_can_be_undone(task, temperature):
    """From the float32 probabilities of the runtime, also where they are all but 0 or 1."""
    logits_NC = np.random.default_rng(4).normal(scale=1.5, size=(500, 6)).astype(np.float32)
    squash = expit if task == "multi_label" else (lambda values_NC: softmax(values_NC, axis=1))
    scaled_NC = squash(logits_NC / np.float32(temperature))
    assert scaled_NC.dtype == np.float32
    found_NC = undo_temperature(scaled_NC, temperature, task)
    # Where a sigmoid lacks but 1e-6 of 1, float32 has lost most digits of that.
    np.testing.assert_allclose(found_NC, squash(logits_NC.astype(np.float64)), atol=1e-3 if temperature < 1 else 1e-5)


def test_undoing_keeps_certainties_finite():
    certain_NC = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    for task in ("single_label", "multi_label"):
        found_NC = undo_temperature(certain_NC, 0.05, task)
        assert np.isfinite(found_NC).all()
        assert (found_NC.argmax(axis=1) == [0, 1]).all()
