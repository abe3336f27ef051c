"""The honest sentence about TF-IDF, from predictions whose difference is known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, r2_score

from textmill.evaluation.comparisons import Rules, compare_models
from textmill.reporting.comparison import Comparison, compare, find_pair
from textmill.tasks import Task

NUM_DOCUMENTS = 2000
CHOSEN = {"name": "int8", "family": "transformer", "latency_p50_ms": 2.4, "size_mb": 24.0}
BASELINE = {"name": "baseline", "family": "tfidf", "latency_p50_ms": 0.2, "size_mb": 1.0}
LABELS = np.array(["no", "yes"])[np.arange(NUM_DOCUMENTS) % 2]
RULES = Rules(confidence=0.95, margin=0.02, margin_confidence=0.95, num_resamples=1000, seed=1)


def predictions(wrong: range) -> NDArray[np.str_]:
    predicted = LABELS.copy()
    predicted[list(wrong)] = np.where(LABELS[list(wrong)] == "no", "yes", "no")
    return predicted


def comparison(chosen_wrong: range, baseline_wrong: range) -> Comparison:
    answers = {"int8": predictions(chosen_wrong), "baseline": predictions(baseline_wrong)}
    return compare(compare_models("single_label", LABELS, answers, RULES).to_json(), CHOSEN, BASELINE)


def test_a_clear_gain_is_told_with_its_cost() -> None:
    found = comparison(range(200), range(100, 400))
    expected = 0.9 - 0.85
    assert found.verdict == "better"
    assert found.difference == pytest.approx(expected, abs=1e-9)
    assert found.low < expected < found.high
    assert found.sentence.startswith("int8 gains 5.0 points of macro-F1 [+")
    assert found.sentence.endswith("] (p < 0.001) over TF-IDF, at 12 times the latency and 24 times the size.")


def test_the_difference_is_that_of_macro_f1() -> None:
    found = comparison(range(0, 300, 2), range(0, 900, 3))
    answers = predictions(range(0, 300, 2)), predictions(range(0, 900, 3))
    scores = [f1_score(LABELS, predicted, average="macro") for predicted in answers]
    assert found.difference == pytest.approx(scores[0] - scores[1])


def test_an_interval_with_zero_says_that_nothing_is_decided() -> None:
    found = comparison(range(300), range(290, 600))
    assert found.low < 0 < found.high
    assert found.verdict == "undecided"
    assert found.sentence.startswith(
        "It is not decided whether int8 does better than TF-IDF: int8 differs by +0.5 points"
    )


def test_a_difference_that_is_small_for_sure_says_that_tfidf_does_as_well() -> None:
    found = comparison(range(200), range(5, 205))
    assert found.verdict == "alike"
    assert found.sentence.startswith("TF-IDF does as well as int8 here: int8 differs by +0.0 points of macro-F1 [")
    assert "for sure by less than 2 points" in found.sentence


def test_the_sentence_follows_the_verdict_that_is_corrected_for_all_pairs() -> None:
    """The interval of the pair alone leaves zero out; of ten pairs one does so by luck."""
    others = {f"m{i}": predictions(range(200, 440)) for i in range(3)}
    answers = {"int8": predictions(range(200)), **others, "baseline": predictions(range(200, 442))}
    record = compare_models("single_label", LABELS, answers, RULES).to_json()
    found = compare(record, CHOSEN, BASELINE)
    assert found.low > 0
    assert find_pair(record, "int8", "baseline")["verdict"] == "not decided"
    assert found.verdict == "undecided"
    assert found.sentence.startswith(
        "It is not decided whether int8 does better than TF-IDF: int8 differs by +2.1 points"
    )
    assert "corrected for 10 pairs)" in found.sentence


def test_a_real_gain_below_the_margin_is_nearly_as_well() -> None:
    found = comparison(range(200), range(230))
    assert found.low > 0
    assert found.verdict == "slight"
    assert "no more than the 2 points" in found.sentence
    assert "TF-IDF does nearly as well" in found.sentence


def test_a_loss_is_told() -> None:
    found = comparison(range(400), range(200))
    assert found.verdict == "worse"
    assert found.sentence.startswith("TF-IDF is better than int8, by 10.0 points of macro-F1 [+")


def test_points_are_those_of_the_task() -> None:
    rng = np.random.default_rng(0)
    actual_N = rng.normal(size=NUM_DOCUMENTS)
    guesses = {
        name: actual_N + rng.normal(0, noise, NUM_DOCUMENTS) for name, noise in (("int8", 0.5), ("baseline", 0.6))
    }
    task: Task = "regression"
    found = compare(compare_models(task, actual_N, guesses, RULES).to_json(), CHOSEN, BASELINE)
    scores = [r2_score(actual_N, guesses[name]) for name in ("int8", "baseline")]
    assert found.difference == pytest.approx(scores[0] - scores[1])
    assert found.sentence.startswith(f"int8 gains {100 * found.difference:.1f} points of R² [+")


def test_a_pair_is_found_in_either_order() -> None:
    pair = {"a": "x", "b": "y", "difference": 0.1, "low": 0.05, "high": 0.2, "verdict": "better"}
    pair |= {"p_bootstrap": 0.01, "p_bootstrap_adjusted": 0.02, "flips": 3, "a_nearer": None, "b_nearer": None}
    pair |= {"only_a_right": 2, "only_b_right": 1, "non_inferior": True, "b_non_inferior": False}
    shared = {"p_value": 0.02, "flips": 3}
    figures = {"difference": 0.1, "low": 0.05, "high": 0.2, "verdict": "better"}
    figures |= {"non_inferior": True, "only_it_right": 2, "only_other_right": 1}
    turned = {"difference": -0.1, "low": -0.2, "high": -0.05, "verdict": "worse"}
    turned |= {"non_inferior": False, "only_it_right": 1, "only_other_right": 2}
    assert find_pair({"pairs": [pair]}, "x", "y") == {"other": "y", **figures, **shared}
    assert find_pair({"pairs": [pair]}, "y", "x") == {"other": "x", **turned, **shared}
    assert find_pair({"pairs": [{**pair, "verdict": "equivalent"}]}, "y", "x")["verdict"] == "equivalent"
    with pytest.raises(AssertionError):
        find_pair({"pairs": [pair]}, "x", "z")


@pytest.mark.parametrize("task", ["single_label", "regression"])
def test_a_pair_says_the_same_from_both_sides(task: Task) -> None:
    """As if the stage had compared them the other way round: what is lost by the one is not by the other."""
    rng = np.random.default_rng(1)
    actual_N = rng.normal(size=NUM_DOCUMENTS) if task == "regression" else LABELS
    answers = {"full": predictions(range(100)), "small": predictions(range(60, 240))}
    if task == "regression":
        answers = {name: actual_N + rng.normal(0, 0.3 + 0.2 * i, NUM_DOCUMENTS) for i, name in enumerate(answers)}
    records = [
        compare_models(task, actual_N, {name: answers[name] for name in names}, RULES).to_json()
        for names in (("full", "small"), ("small", "full"))
    ]
    seen, other_way = (find_pair(record, "small", "full") for record in records)
    assert seen.pop("p_value") == pytest.approx(other_way.pop("p_value"))
    figures = {key: value for key, value in other_way.items() if isinstance(value, float)}
    assert {key: seen[key] for key in figures} == pytest.approx(figures, abs=2e-3)  # the resamples are others
    kept = [key for key, value in seen.items() if not isinstance(value, float)]
    assert [seen[key] for key in kept] == [other_way[key] for key in kept]
    assert not seen["non_inferior"]
    assert find_pair(records[0], "full", "small")["non_inferior"]
    if task == "single_label":
        assert (seen["only_it_right"], seen["only_other_right"]) == (60, 140)
