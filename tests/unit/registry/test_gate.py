"""The gate's rules on predictions whose quality is known."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, r2_score

from textmill.registry.gate import Contender, Decision, Settings, decide

LABELS = ["negative", "positive"]
SETTINGS = Settings(min_quality=0.7, margin=0.02, confidence=0.95, num_resamples=1000, seed=1)


def make_test(num_documents: int) -> pd.DataFrame:
    numbers = range(num_documents)
    return pd.DataFrame(
        {
            "id": [f"id{i:05d}" for i in numbers],
            "cluster": [f"{i:016x}" for i in numbers],
            "label": np.array(LABELS, dtype=object)[np.arange(num_documents) % 2],
        }
    )


def answers(test: pd.DataFrame, wrong: range | list[int]) -> np.ndarray:
    """The true labels, with those at `wrong` turned round."""
    predicted = test["label"].to_numpy(dtype=object).copy()
    for i in wrong:
        predicted[i] = LABELS[1 - LABELS.index(predicted[i])]
    return predicted


def contender(
    test: pd.DataFrame, wrong: range | list[int], clusters: frozenset[str] = frozenset(), version: int | None = None
) -> Contender:
    return Contender("single_label", LABELS, answers(test, wrong), clusters, version)


def rule(decision: Decision, name: str) -> bool:
    (found,) = [rule for rule in decision.rules if rule.rule == name]
    return found.passed


@pytest.mark.parametrize(("num_wrong", "passed"), [(30, True), (31, False)])
def test_the_first_version_meets_the_floor_only(num_wrong: int, passed: bool) -> None:
    test = make_test(100)
    candidate = contender(test, range(num_wrong))
    decision = decide(test, candidate, None, SETTINGS)
    expected = f1_score(test["label"], candidate.predicted_N, average="macro")
    assert decision.score == {"candidate": pytest.approx(expected), "champion": None}
    assert decision.passed is passed is bool(expected >= 0.7)
    assert [rule.rule for rule in decision.rules] == ["min_quality"]
    assert bool(decision.reasons) is not passed


def test_a_loss_beyond_the_margin_is_refused_and_told() -> None:
    test = make_test(2000)
    decision = decide(test, contender(test, range(300)), contender(test, range(200), version=4), SETTINGS)
    assert not decision.passed
    assert decision.champion_version == 4
    assert decision.difference is not None
    assert decision.difference["observed"] == pytest.approx(-0.05, abs=0.001)
    assert decision.difference["lower_bound"] < -0.05
    assert len(decision.reasons) == 1
    assert "by -0.0500" in decision.reasons[0]
    assert decision.flipped == {"broken": [f"id{i:05d}" for i in range(200, 300)], "mended": []}


def test_an_equal_candidate_passes_where_the_documents_are_many() -> None:
    test = make_test(4000)
    candidate = contender(test, range(400, 800))
    decision = decide(test, candidate, contender(test, range(380, 780), version=1), SETTINGS)
    assert decision.passed
    assert not decision.warnings
    assert decision.smallest_detectable_loss is not None
    # 40 answers differ: the standard error is sqrt(40) / 4000, and the factor 1.645 + 0.842.
    assert decision.smallest_detectable_loss == pytest.approx(2.486 * np.sqrt(40) / 4000, rel=0.1)
    assert len(decision.flipped["broken"]) == len(decision.flipped["mended"]) == 20


def test_few_documents_warn_that_a_loss_as_small_as_the_margin_goes_unseen() -> None:
    test = make_test(200)
    decision = decide(test, contender(test, range(20)), contender(test, range(20, 40), version=1), SETTINGS)
    assert not rule(decision, "detectable_loss")
    assert "200 documents" in decision.warnings[0]
    assert not rule(decision, "non_inferior")
    assert len(decision.reasons) == 1  # a warning does not refuse


def test_documents_that_either_has_learned_are_left_out_and_counted() -> None:
    test = make_test(100)
    learned = frozenset(f"{i:016x}" for i in range(10))
    also_learned = frozenset(f"{i:016x}" for i in range(5, 15))
    # Both are right exactly on what they have learned, and wrong on 15 others.
    candidate = contender(test, range(20, 35), learned)
    decision = decide(test, candidate, contender(test, range(20, 35), also_learned, version=1), SETTINGS)
    assert decision.num_left_out == 15
    assert decision.num_documents == 85
    kept = slice(15, None)
    expected = f1_score(test["label"][kept], candidate.predicted_N[kept], average="macro")
    assert decision.score == {"candidate": pytest.approx(expected), "champion": pytest.approx(expected)}


@pytest.mark.parametrize(("num_left", "passed"), [(29, False), (30, True)])
def test_too_small_a_remainder_refuses(num_left: int, passed: bool) -> None:
    test = make_test(100)
    learned = frozenset(test["cluster"][num_left:])
    settings = replace(SETTINGS, margin=0.5)  # so wide that nothing but the number of documents decides
    decision = decide(test, contender(test, []), contender(test, [], learned, version=1), settings)
    assert decision.passed is passed
    assert rule(decision, "enough_documents") is passed
    assert (decision.difference is not None) is passed


def test_nothing_left_is_refused_and_not_a_crash() -> None:
    test = make_test(40)
    learned = frozenset(test["cluster"])
    decision = decide(test, contender(test, [], learned), contender(test, [], learned, version=1), SETTINGS)
    assert not decision.passed
    assert "no test document is left" in decision.reasons[0]


def test_other_labels_are_refused() -> None:
    test = make_test(100)
    champion = Contender("single_label", [*LABELS, "neutral"], answers(test, []), frozenset(), 3)
    decision = decide(test, contender(test, []), champion, SETTINGS)
    assert not decision.passed
    assert "the champion's (version 3) are negative, neutral, positive" in decision.reasons[0]
    assert decision.difference is None


def test_the_order_of_labels_does_not_matter() -> None:
    test = make_test(400)
    champion = Contender("single_label", LABELS[::-1], answers(test, []), frozenset(), 3)
    assert decide(test, contender(test, []), champion, SETTINGS).passed


def test_a_decision_is_json_and_the_same_each_time() -> None:
    test = make_test(500)
    pair = contender(test, range(50)), contender(test, range(40, 90), version=2)
    first, second = (json.dumps(decide(test, *pair, SETTINGS).to_json(), allow_nan=False) for _ in range(2))
    assert first == second
    assert {"passed", "rules", "reasons", "warnings", "flipped"} <= set(json.loads(first))


def numbers_test(num_documents: int) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(50, 10, num_documents)
    return make_test(num_documents).assign(label=[repr(value) for value in values.tolist()])


def guesser(test: pd.DataFrame, noise: float, seed: int, version: int | None = None) -> Contender:
    """Numbers that are off by `noise`, of numbers with a standard deviation of 10."""
    actual = test["label"].astype(float).to_numpy()
    predicted = actual + np.random.default_rng(seed).normal(0, noise, len(actual))
    texts = np.array([repr(value) for value in predicted.tolist()], dtype=object)
    return Contender("regression", [], texts, frozenset(), version)


def test_numbers_are_judged_by_r2() -> None:
    test = numbers_test(3000)
    candidate, champion = guesser(test, 5, 1), guesser(test, 3, 2, version=4)
    decision = decide(test, candidate, champion, SETTINGS)
    actual = test["label"].astype(float)
    ours, theirs = (r2_score(actual, side.predicted_N.astype(float)) for side in (candidate, champion))
    assert decision.score == {"candidate": pytest.approx(ours), "champion": pytest.approx(theirs)}
    assert decision.difference is not None
    assert decision.difference["observed"] == pytest.approx(ours - theirs)
    assert not decision.passed
    assert "R² differs from the champion's by -0." in decision.reasons[0]
    assert [rule.rule for rule in decision.rules] == [
        "min_quality",
        "same_task",
        "enough_documents",
        "non_inferior",
        "detectable_loss",
    ]
    assert decide(test, champion, candidate, SETTINGS).passed


def test_of_numbers_those_that_moved_most_are_told() -> None:
    test = numbers_test(400)
    champion = guesser(test, 3, 2, version=4)
    predicted = champion.predicted_N.copy()
    actual = test["label"].astype(float).to_numpy()
    for i in range(60):
        predicted[i] = repr(float(actual[i]))  # mended, each by the champion's error
    predicted[70], predicted[71] = repr(float(actual[70] + 100)), repr(float(actual[71] - 200))
    decision = decide(test, replace(champion, predicted_N=predicted, version=5), champion, SETTINGS)
    assert decision.flipped["broken"] == ["id00071", "id00070"]
    errors = np.abs(champion.predicted_N.astype(float) - actual)[:60]
    expected = [f"id{i:05d}" for i in np.argsort(-errors)[:50]]
    assert decision.flipped["mended"] == expected


def test_several_labels_are_judged_as_sets() -> None:
    sets = ["", "negative", "positive", "negative|positive"]
    test = make_test(2000).assign(label=[sets[i % 4] for i in range(2000)])
    truth = test["label"].to_numpy(dtype=object)
    candidate_N = truth.copy()
    candidate_N[3:400:4] = "negative"  # one of two labels is missing
    sides = [
        Contender("multi_label", LABELS, values, frozenset(), version)
        for values, version in ((candidate_N, None), (truth, 3))
    ]
    decision = decide(test, sides[0], sides[1], SETTINGS)
    hits, support = 900, 1000
    positive = 2 * hits / (hits + support)
    assert decision.score == {"candidate": pytest.approx((1 + positive) / 2), "champion": pytest.approx(1.0)}
    assert decision.flipped == {"broken": [f"id{i:05d}" for i in range(3, 400, 4)], "mended": []}
    assert not decision.passed
    assert "macro-F1 differs" in decision.reasons[0]


def test_another_task_is_refused() -> None:
    test = numbers_test(100)
    champion = Contender("single_label", LABELS, np.array(["positive"] * 100, dtype=object), frozenset(), 3)
    decision = decide(test, guesser(test, 1, 1), champion, SETTINGS)
    assert not decision.passed
    assert decision.difference is None
    (reason,) = decision.reasons
    assert reason.startswith("the task is regression; the champion's (version 3) is single_label")
    assert "textmill promote --force --reason" in reason
    sets = Contender("multi_label", LABELS, np.array(["positive"] * 100, dtype=object), frozenset(), 3)
    assert not decide(make_test(100), contender(make_test(100), []), sets, SETTINGS).passed
