"""Calibration errors against torchmetrics, scikit-learn and closed forms."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from tests.tiny_case import make_case
from textmill.evaluation.calibration import (
    Decisions,
    adaptive_reliability,
    chance_error,
    decide,
    equal_mass_edges,
    equal_width_edges,
    error_interval,
    examine,
    label_reliability,
    reliability,
)
from textmill.runtime import Classifier


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


@pytest.mark.parametrize(("num_documents", "num_classes"), [(1, 3), (30, 2), (500, 2), (2000, 52)])
@pytest.mark.parametrize("num_bins", [2, 15])
def test_equal_widths_are_torchmetrics(num_documents, num_classes, num_bins):
    rng = np.random.default_rng(num_documents)
    probabilities_NC = softmax(rng.normal(scale=2, size=(num_documents, num_classes)), axis=1)
    labels_N = rng.integers(num_classes - 1, size=num_documents)  # the last class never occurs
    error = reliability(probabilities_NC, labels_N, num_bins).error
    expected = multiclass_calibration_error(
        torch.from_numpy(probabilities_NC), torch.from_numpy(labels_N), num_classes, num_bins
    )
    assert error == pytest.approx(float(expected), abs=1e-6)
    # Of several labels a decision is confident of "yes", torchmetrics' binary one as well.
    has_NC = rng.random((num_documents, num_classes)) < probabilities_NC**2
    expected = binary_calibration_error(
        torch.from_numpy(probabilities_NC.ravel()), torch.from_numpy(has_NC.ravel().astype(int)), num_bins
    )
    assert label_reliability(probabilities_NC, has_NC, num_bins).error == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("num_documents", [1, 8, 30, 1002])
@pytest.mark.parametrize("distinct", [1, 4, 10**9])
def test_equal_masses_are_scikit_learns(num_documents, distinct):
    """With ties (4 confidences in 15 bins), and where all confidences are the same."""
    rng = np.random.default_rng(distinct)
    confidence_N = 0.5 + rng.integers(distinct, size=num_documents) / distinct / 2
    right_N = rng.random(num_documents) < confidence_N
    bins = adaptive_reliability(Decisions(confidence_N[:, None], right_N[:, None]), 15)
    filled_K = bins.count_K > 0
    accuracy_K, mean_K = calibration_curve(right_N, confidence_N, n_bins=15, strategy="quantile")
    np.testing.assert_allclose(bins.accuracy_K[filled_K], accuracy_K)
    np.testing.assert_allclose(bins.confidence_K[filled_K], mean_K)
    assert bins.count_K.sum() == num_documents
    assert bins.error == pytest.approx(np.average(np.abs(accuracy_K - mean_K), weights=bins.count_K[filled_K]))
    if distinct > num_documents >= 30:
        assert np.ptp(bins.count_K) <= 2


def test_the_order_of_documents_does_not_matter():
    rng = np.random.default_rng(5)
    confidence_N1 = rng.choice([0.6, 0.7, 0.9], size=(200, 1))
    right_N1 = rng.random((200, 1)) < 0.7
    order = rng.permutation(200)
    first = adaptive_reliability(Decisions(confidence_N1, right_N1), 10)
    second = adaptive_reliability(Decisions(confidence_N1[order], right_N1[order]), 10)
    assert first.error == pytest.approx(second.error, abs=1e-12)
    np.testing.assert_array_equal(first.count_K, second.count_K)


def test_chance_is_what_calibrated_models_show():
    rng = np.random.default_rng(6)
    confidence_N1 = rng.beta(8, 2, size=(300, 1))
    edges_K = equal_mass_edges(Decisions(confidence_N1, confidence_N1 > 0), 10)
    shown = [
        adaptive_reliability(Decisions(confidence_N1, rng.random((300, 1)) < confidence_N1), 10).error
        for _ in range(2000)
    ]
    mean, deviation = chance_error(Decisions(confidence_N1, confidence_N1 > 0), edges_K)
    assert mean == pytest.approx(np.mean(shown), rel=0.03)
    assert deviation == pytest.approx(np.std(shown), rel=0.1)


def test_an_interval_reaches_down_to_nothing_where_nothing_is_shown():
    rng = np.random.default_rng(7)
    confidence_N1 = rng.beta(8, 2, size=(400, 1))
    edges_K = equal_width_edges(15)
    calm, loud = (
        error_interval(Decisions(confidence_N1, right_N1), edges_K, confidence=0.95, num_resamples=500, seed=0)
        for right_N1 in (rng.random((400, 1)) < confidence_N1, rng.random((400, 1)) < confidence_N1 - 0.2)
    )
    assert calm[0] == 0.0 < calm[1] < 0.1
    assert 0.1 < loud[0] < 0.2 < loud[1] < 0.3


@pytest.mark.parametrize("right", [True, False])
def test_certain_models_have_no_doubtful_error(right):
    certain = Decisions(np.ones((50, 1)), np.full((50, 1), right))
    found = error_interval(certain, equal_width_edges(15), confidence=0.95, num_resamples=100, seed=0)
    assert found == ((0.0, 0.0) if right else (1.0, 1.0))
    assert chance_error(certain, equal_width_edges(15)) == (0.0, 0.0)


@pytest.mark.parametrize("distortion", [0.0, 0.2, 0.6])
def test_intervals_hold_the_true_error(distortion):
    """In 95% of the cases they should, and in at least 80% they must: what the docstring admits, with room."""
    rng = np.random.default_rng(8)
    edges_K = equal_width_edges(15)

    def share(confidence):
        return np.clip(confidence - 2 * distortion * confidence * (1 - confidence), 0, 1)

    many_N1 = rng.beta(8, 1.5, size=(500_000, 1))
    bins = np.searchsorted(edges_K[1:-1], many_N1.ravel())
    true = np.abs(np.bincount(bins, weights=(many_N1 - share(many_N1)).ravel())).sum() / len(many_N1)
    held = 0
    for seed in range(200):
        confidence_N1 = rng.beta(8, 1.5, size=(300, 1))
        decisions = Decisions(confidence_N1, rng.random((300, 1)) < share(confidence_N1))
        low, high = error_interval(decisions, edges_K, confidence=0.95, num_resamples=300, seed=seed)
        held += low <= true <= high
    assert held >= 160


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
def test_the_part_says_what_scaling_did(task, tmp_path):
    case = make_case(tmp_path, task=task)
    if task == "regression":
        assert examine(case) is None
        return
    case.classifier.temperature = 2.5
    outputs_NC = np.vstack([case.classifier.predict_proba([text])[0] for text in case.documents["text"]])
    findings = examine(type(case)(**{**vars(case), "outputs": outputs_NC}))
    assert findings is not None
    details, num_bins = findings.details, case.settings.calibration_bins
    assert findings.metrics == {"ece_adaptive": details["error"]}
    original = Classifier.load(tmp_path / "bundle")
    assert original.temperature == 1.0
    unscaled_NC = np.vstack([original.predict_proba([text])[0] for text in case.documents["text"]])
    equal_width = reliability if task == "single_label" else label_reliability
    for part, scaled, unscaled in (
        (
            details["equal_width"],
            *(equal_width(values, case.truth, num_bins).error for values in (outputs_NC, unscaled_NC)),
        ),
        (
            details,
            *(adaptive_reliability(decide(values, case.truth), num_bins).error for values in (outputs_NC, unscaled_NC)),
        ),
    ):
        assert part["error"] == pytest.approx(scaled, abs=1e-4)
        assert part["error_unscaled"] == pytest.approx(unscaled, abs=1e-4)
        assert part["error_low"] <= part["error"] <= part["error_high"]
        for name in ("bins", "bins_unscaled"):
            counts = sum(row["count"] for row in part[name])
            assert counts == len(case.documents) * (3 if task == "multi_label" else 1)
            assert set(part[name][0]) == {"confidence", "accuracy", "count", "mean_confidence"}
