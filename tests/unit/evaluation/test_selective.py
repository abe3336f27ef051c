"""Risk and coverage against direct loops, the promise of the threshold in simulation, and the part on a real bundle."""

from itertools import permutations

import numpy as np
import pytest

from tests.tiny_case import make_case, settings
from textmill.evaluation.selective import area_interval, areas, examine, fit_threshold, risk_coverage


def answers(num_documents, seed, distinct=10**9):
    """Confidences, and answers that are right as often as they say."""
    rng = np.random.default_rng(seed)
    confidence_N = 0.5 + (rng.beta(2, 1, num_documents) * distinct).round() / distinct / 2
    return confidence_N, rng.random(num_documents) < confidence_N


def area_by_loop(right_N):
    """Mean risk of the first i documents, i = 1 ... N."""
    return np.mean([(~right_N[:i]).mean() for i in range(1, len(right_N) + 1)])


@pytest.mark.parametrize(("num_documents", "distinct"), [(1, 3), (30, 3), (200, 10), (200, 10**9)])
def test_the_curve_is_a_loop_over_thresholds(num_documents, distinct):
    confidence_N, right_N = answers(num_documents, 0, distinct)
    curve = risk_coverage(confidence_N, right_N)
    assert curve.thresholds_T.tolist() == sorted(set(confidence_N), reverse=True)
    for threshold, answered, wrong in zip(*curve, strict=True):
        expected = int((confidence_N >= threshold).sum()), int((~right_N[confidence_N >= threshold]).sum())
        assert (answered, wrong) == expected == curve.at(threshold)
    for threshold in (0.0, 0.6123, 0.99, 2.0):  # not of these documents
        chosen_N = confidence_N >= threshold
        assert curve.at(threshold) == (chosen_N.sum(), (~right_N[chosen_N]).sum())


@pytest.mark.parametrize("num_documents", [1, 30, 500])
def test_the_areas_are_a_loop_over_documents(num_documents):
    confidence_N, right_N = answers(num_documents, 1)
    order = np.argsort(-confidence_N)
    aurc, e_aurc = areas(risk_coverage(confidence_N, right_N))
    assert aurc == pytest.approx(area_by_loop(right_N[order]))
    assert e_aurc == pytest.approx(aurc - area_by_loop(np.sort(right_N)[::-1]), abs=1e-12)


def test_tied_documents_count_in_all_their_orders():
    confidence_N = np.array([0.9, 0.9, 0.9, 0.7, 0.7, 0.7, 0.6])
    right_N = np.array([True, False, True, False, False, True, False])
    orders = [
        area_by_loop(np.concatenate([right_N[list(first)], right_N[list(second)], right_N[6:]]))
        for first in permutations(range(3))
        for second in permutations(range(3, 6))
    ]
    assert areas(risk_coverage(confidence_N, right_N))[0] == pytest.approx(np.mean(orders))


def test_perfect_hopeless_and_constant_models():
    confidence_N = np.linspace(0.5, 1, 40)
    always, never = np.ones(40, dtype=bool), np.zeros(40, dtype=bool)
    assert areas(risk_coverage(confidence_N, always)) == (0.0, 0.0)
    assert areas(risk_coverage(confidence_N, never)) == pytest.approx((1.0, 0.0))
    best_N = np.arange(40) >= 10
    assert areas(risk_coverage(confidence_N, best_N))[1] == pytest.approx(0.0, abs=1e-12)
    # A constant confidence ranks nothing: every coverage has the risk of all.
    assert areas(risk_coverage(np.full(40, 0.8), best_N))[0] == pytest.approx(0.25)


@pytest.mark.parametrize("num_documents", [30, 200, 3000])
def test_the_interval_of_the_area_is_that_of_a_loop(num_documents):
    """Also where groups hold a dozen documents, whose order a resample forgets."""
    confidence_N, right_N = answers(num_documents, 2)
    rng = np.random.default_rng(0)
    resampled = []
    for _ in range(1000):
        chosen = rng.integers(num_documents, size=num_documents)
        resampled.append(areas(risk_coverage(confidence_N[chosen], right_N[chosen]))[0])
    low, high = area_interval(confidence_N, right_N, settings(num_resamples=4000))
    spread = np.std(resampled)
    assert (low, high) == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=spread / 4)


def test_the_threshold_goes_as_far_as_the_bound_allows():
    """1,000 documents without an error, then 1,000 with one in two."""
    confidence_N = np.linspace(1, 0.5, 2000)
    right_N = (np.arange(2000) < 1000) | (np.arange(2000) % 2 == 0)
    curve = risk_coverage(confidence_N, right_N)
    threshold, bound = fit_threshold(curve, max_risk=0.05, confidence=0.95)
    assert threshold is not None
    answered, wrong = curve.at(threshold)
    assert 1000 < answered < 1110, "at 1,105 the risk itself is 0.05"
    assert wrong / answered < bound <= 0.05
    assert fit_threshold(curve, max_risk=0.3, confidence=0.95)[0] == 0.5, "all may be answered"


@pytest.mark.parametrize("num_documents", [1, 30, 50])
def test_few_documents_promise_nothing(num_documents):
    """59 without an error are the fewest that show a risk below 0.05 with 95% confidence."""
    curve = risk_coverage(np.linspace(0.5, 1, num_documents), np.ones(num_documents, dtype=bool))
    assert fit_threshold(curve, max_risk=0.05, confidence=0.95) == (None, None)


@pytest.mark.parametrize(("num_documents", "max_risk"), [(300, 0.15), (2000, 0.15), (2000, 0.2)])
def test_the_promise_is_kept(num_documents, max_risk):
    """The true risk exceeds what was promised in 5% of 300 samples at most; what keeps it on the sample does in half.

    Right is who is right with the probability of the confidence c, uniform on [0.5, 1], so that the true risk at a
    threshold t is (1 - t) / 2.
    """
    rng = np.random.default_rng(3)
    broken = naive = 0
    for _ in range(300):
        confidence_N = rng.uniform(0.5, 1, num_documents)
        right_N = rng.random(num_documents) < confidence_N
        curve = risk_coverage(confidence_N, right_N)
        threshold, _ = fit_threshold(curve, max_risk=max_risk, confidence=0.95)
        broken += threshold is not None and (1 - threshold) / 2 > max_risk
        kept_T = curve.wrong_T / curve.answered_T <= max_risk
        naive += bool(kept_T.any()) and (1 - curve.thresholds_T[kept_T].min()) / 2 > max_risk
    assert broken <= 18
    assert naive > 90


def test_the_threshold_of_validation_is_found_again_on_test(tmp_path):
    validation = make_case(tmp_path, split="validation", num_documents=1000, max_risk=0.3, noise=0.0)
    fitted = examine(validation)
    assert fitted is not None
    threshold = fitted.details["threshold"]
    assert fitted.details["risk"] <= fitted.details["risk_bound"] <= 0.3
    test = make_case(tmp_path, max_risk=0.3, fitted={"selective": fitted.details})
    findings = examine(test)
    assert findings is not None
    details = findings.details
    assert (details["threshold"], details["fitted_on"]) == (threshold, "validation")
    answered_N = test.outputs.max(axis=1) >= threshold
    wrong_N = test.outputs.argmax(axis=1) != test.truth
    assert details["coverage"] == answered_N.mean() == findings.metrics["coverage_at_max_risk"]
    assert 0 < details["coverage"] < 1
    assert details["risk"] == pytest.approx(wrong_N[answered_N].mean())
    assert details["risk_low"] < details["risk"] < details["risk_high"]
    assert details["aurc_low"] < details["aurc"] == findings.metrics["aurc"] < details["aurc_high"]
    curve = details["curve"]
    assert len(curve) <= 100
    assert curve[-1]["coverage"] == 1.0
    assert curve[-1]["risk"] == pytest.approx(wrong_N.mean())
    coverages = [point["coverage"] for point in curve]
    assert coverages == sorted(set(coverages))


def test_without_a_threshold_nothing_is_claimed(tmp_path):
    fitted = examine(make_case(tmp_path, split="validation", num_documents=30))
    assert fitted is not None
    findings = examine(make_case(tmp_path, num_documents=30, fitted={"selective": fitted.details}))
    assert findings is not None
    for details in (fitted.details, findings.details):
        assert [details[key] for key in ("threshold", "risk_bound", "coverage", "risk", "risk_low")] == [None] * 5
    assert findings.metrics["coverage_at_max_risk"] == 0.0


@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_other_tasks_have_no_single_confidence(task, tmp_path):
    assert examine(make_case(tmp_path, task=task, num_documents=20)) is None
