"""Coverage of conformal sets: as stated by simulation, and on a real bundle what validation promised."""

import json
import math

import numpy as np
import pytest
from scipy.special import softmax

from tests.tiny_case import make_case
from textmill.evaluation.conformal import examine, expected_coverage, fit_quantile, prediction_sets, truth_scores


@pytest.mark.parametrize(
    ("num_documents", "coverage", "rank"),
    [(9, 0.9, 9), (10, 0.9, 10), (8, 0.9, None), (9, 0.7, 7), (19, 0.95, 19), (18, 0.95, None), (999, 0.9, 900)],
)
def test_the_quantile_counts_the_document_to_come(num_documents, coverage, rank):
    """The rank is ceil((N + 1) * coverage), where 10 * 0.7 is 7."""
    scores_N = np.random.default_rng(0).permutation(np.arange(1.0, num_documents + 1))
    assert fit_quantile(scores_N, coverage) == rank


def test_a_set_holds_a_label_exactly_if_its_score_is_small_enough():
    rng = np.random.default_rng(1)
    probabilities_NC = softmax(rng.normal(scale=2, size=(200, 5)), axis=1).astype(np.float32)
    labels_N = rng.integers(5, size=200)
    scores_N = truth_scores(labels_N, probabilities_NC)
    for quantile in (0.0, float(scores_N[3]), 0.9, 1.0):
        sets_NC = prediction_sets(probabilities_NC, quantile)
        np.testing.assert_array_equal(sets_NC[np.arange(200), labels_N], scores_N <= quantile)
    assert prediction_sets(probabilities_NC, 1.0).all()
    assert not prediction_sets(np.full((3, 4), 0.25), 0.7).any(), "no label is likely enough"


@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize("num_fitted", [30, 500])
def test_exchangeable_documents_are_covered_as_stated(num_fitted, coverage):
    """Of a model that knows little, and not how little: the mean over 2,000 draws of both splits lies within 0.01."""
    rng = np.random.default_rng(2)
    logits_NC = rng.normal(scale=1.5, size=(20_000, 4))
    labels_N = (softmax(logits_NC / 3, axis=1).cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    scores_N = truth_scores(labels_N, softmax(logits_NC, axis=1))
    covered, inside = [], 0
    low, high = expected_coverage(num_fitted, 200, coverage, 0.95)
    for _ in range(2000):
        drawn = rng.choice(scores_N, num_fitted + 200)
        quantile = fit_quantile(drawn[:num_fitted], coverage)
        covered.append((drawn[num_fitted:] <= quantile).mean())
        inside += low <= covered[-1] <= high
    stated = math.ceil((num_fitted + 1) * coverage) / (num_fitted + 1)  # at least `coverage`
    assert np.mean(covered) == pytest.approx(stated, abs=0.01)
    assert inside >= 0.94 * 2000


def test_too_few_documents_promise_everything():
    assert expected_coverage(8, 50, 0.9, 0.95) == (1.0, 1.0)


def test_a_model_that_is_surer_than_stated_has_empty_sets(tmp_path):
    """Where half of the true labels are enough, unsure documents get no label, and the sizes say so."""
    validation = make_case(tmp_path, split="validation", num_documents=200, noise=0.0, coverage=0.5)
    fitted = examine(validation)
    assert fitted is not None
    assert fitted.details["sizes"]["0"] > 0
    assert fitted.details["coverage"] == math.ceil(201 * 0.5) / 200
    assert fitted.details["expected_low"] is None


@pytest.mark.parametrize("task", ["single_label", "regression"])
def test_test_is_covered_by_what_validation_promised(task, tmp_path):
    validation = examine(make_case(tmp_path, task=task, split="validation", num_documents=600))
    assert validation is not None
    fitted = json.loads(json.dumps({"conformal": validation.details}, allow_nan=False))
    case = make_case(tmp_path, task=task, num_documents=600, fitted=fitted)
    findings = examine(case)
    assert findings is not None
    details = findings.details
    assert details["quantile"] == validation.details["quantile"]
    assert (details["coverage_stated"], details["num_fitted"]) == (0.9, 600)
    assert details["expected_low"] < 0.9 < details["expected_high"]
    assert details["expected_low"] <= details["coverage"] <= details["expected_high"]
    assert details["coverage_low"] < details["coverage"] < details["coverage_high"]
    assert findings.metrics["conformal_coverage"] == details["coverage"]
    if task == "regression":
        errors_N = np.abs(case.truth - case.outputs)
        assert details["coverage"] == (errors_N <= details["quantile"]).mean()
        assert details["mean_width"] == 2 * details["quantile"]
        return
    sets_NC = prediction_sets(case.outputs, details["quantile"])
    covered_N = sets_NC[np.arange(600), case.truth]
    assert details["coverage"] == covered_N.mean()
    assert details["sizes"] == {
        str(k): int((sets_NC.sum(axis=1) == k).sum()) for k in set(sets_NC.sum(axis=1).tolist())
    }
    assert findings.metrics["conformal_size"] == details["mean_size"] == sets_NC.sum() / 600
    assert details["per_class"] == {
        label: covered_N[case.truth == i].mean() for i, label in enumerate(case.classifier.labels)
    }


@pytest.mark.parametrize("task", ["single_label", "regression"])
def test_eight_documents_cannot_promise_nine_in_ten(task, tmp_path):
    fitted = examine(make_case(tmp_path, task=task, split="validation", num_documents=8))
    assert fitted is not None
    findings = examine(make_case(tmp_path, task=task, num_documents=30, fitted={"conformal": fitted.details}))
    assert findings is not None
    details = findings.details
    assert details["coverage"] == 1.0
    if task == "single_label":
        assert (details["quantile"], details["sizes"]) == (1.0, {"2": 30})
    else:
        assert (details["quantile"], details["mean_width"]) == (None, None)


def test_several_labels_have_none(tmp_path):
    assert examine(make_case(tmp_path, task="multi_label", num_documents=20)) is None
