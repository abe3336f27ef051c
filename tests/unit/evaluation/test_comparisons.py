"""All pairs of models: against scikit-learn, statsmodels and the two-model test, on random answers and at the edges."""

import itertools
import json

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, r2_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_effectsize

from textmill.evaluation.comparisons import EFFECTS, Pair, Rules, compare_models
from textmill.evaluation.significance import mcnemar, paired_bootstrap, wilcoxon

RULES = Rules(confidence=0.95, margin=0.02, margin_confidence=0.95, num_resamples=2000, seed=0)


def answers(num_documents: int, num_classes: int, accuracies: dict[str, float]) -> tuple[NDArray, dict[str, NDArray]]:
    """Labels as text, and what models of these accuracies answer, more alike than chance."""
    rng = np.random.default_rng(num_documents + num_classes)
    names = np.array([f"class {i:02}" for i in range(num_classes)], dtype=object)
    labels_N = rng.integers(num_classes, size=num_documents)
    hardness_N = rng.random(num_documents)
    wrong_N = (labels_N + rng.integers(1, num_classes, num_documents)) % num_classes
    given = {
        name: np.where(hardness_N + rng.normal(0, 0.05, num_documents) < accuracy, labels_N, wrong_N)
        for name, accuracy in accuracies.items()
    }
    return names[labels_N], {name: names[answer_N] for name, answer_N in given.items()}


@pytest.mark.parametrize(("num_documents", "num_classes"), [(30, 2), (30, 20), (800, 4), (800, 52)])
def test_all_pairs_are_those_of_references(num_documents: int, num_classes: int) -> None:
    actual_N, predicted = answers(num_documents, num_classes, {"full": 0.85, "int8": 0.84, "small": 0.7, "tfidf": 0.5})
    comparison = compare_models("single_label", actual_N, predicted, RULES)
    assert comparison.models == list(predicted)
    assert [(pair.a, pair.b) for pair in comparison.pairs] == list(itertools.combinations(predicted, 2))
    for pair in comparison.pairs:
        a_N, b_N = predicted[pair.a], predicted[pair.b]
        scores = [f1_score(actual_N, answer_N, average="macro") for answer_N in (a_N, b_N)]
        assert pair.difference == pytest.approx(scores[0] - scores[1])
        by_sign = mcnemar(actual_N, a_N, b_N)
        assert (pair.only_a_right, pair.only_b_right, pair.mcnemar_p) == (
            by_sign.only_a_right,
            by_sign.only_b_right,
            by_sign.p_value,
        )
        assert pair.flips == (a_N != b_N).sum() >= pair.only_a_right + pair.only_b_right
        assert pair.effect_size == pytest.approx(
            proportion_effectsize((a_N == actual_N).mean(), (b_N == actual_N).mean())
        )
    for name in ("p_bootstrap", "mcnemar_p"):
        before = [getattr(pair, name) for pair in comparison.pairs]
        after = [getattr(pair, f"{name}_adjusted") for pair in comparison.pairs]
        assert after == pytest.approx(multipletests(before, method="holm")[1])
    written = json.dumps(comparison.to_json(), allow_nan=False)
    assert json.loads(written)["effect"] == EFFECTS["single_label"] == "Cohen's h of accuracy"


def test_resamples_shared_by_all_say_what_those_of_two_say() -> None:
    actual_N, predicted = answers(1000, 5, {"full": 0.85, "int8": 0.83, "small": 0.7, "tfidf": 0.5})
    for pair in compare_models("single_label", actual_N, predicted, RULES).pairs:
        alone = paired_bootstrap(
            "single_label", actual_N, predicted[pair.a], predicted[pair.b], num_resamples=2000, seed=1
        )
        assert pair.difference == pytest.approx(alone.observed)
        near = pytest.approx(alone.interval(0.95), abs=0.25 * alone.standard_error)  # 5 times the noise of 2,000
        assert (pair.low, pair.high) == near


def test_verdicts() -> None:
    """The same answers are equivalent, much better ones better, and of 30 documents nothing small can be said."""
    actual_N, predicted = answers(3000, 3, {"full": 0.9, "tfidf": 0.8})
    predicted["copy"] = predicted["full"]
    pairs = {(pair.a, pair.b): pair for pair in compare_models("single_label", actual_N, predicted, RULES).pairs}
    assert pairs["full", "tfidf"].verdict == "better"
    assert pairs["tfidf", "copy"].verdict == "worse"
    assert not pairs["tfidf", "copy"].non_inferior
    same = pairs["full", "copy"]
    assert (same.verdict, same.p_bootstrap, same.mcnemar_p, same.flips, same.effect_size) == ("equivalent", 1, 1, 0, 0)
    few = compare_models(
        "single_label", actual_N[:30], {name: answer[:30] for name, answer in predicted.items()}, RULES
    )
    assert {pair.verdict for pair in few.pairs if {pair.a, pair.b} == {"full", "copy"}} == {"not decided"}


def test_a_significant_difference_may_be_less_than_the_margin() -> None:
    """3 more mistakes in 1,000, always of the same model: real, and nothing."""
    actual_N = np.array(["x", "y"] * 10_000, dtype=object)
    answer_N = np.where(np.arange(20_000) % 333 == 0, actual_N[::-1], actual_N)
    (pair,) = compare_models("single_label", actual_N, {"a": actual_N, "b": answer_N}, RULES).pairs
    assert (pair.verdict, pair.equivalent, pair.non_inferior) == ("better", True, True)


def test_sets_of_labels_are_right_as_a_whole() -> None:
    actual_N = np.array(["a|b", "a", "", "b"] * 50, dtype=object)
    a_N, b_N = actual_N.copy(), actual_N.copy()
    a_N[:40:4] = "a"
    b_N[:40] = ""
    (pair,) = compare_models("multi_label", actual_N, {"a": a_N, "b": b_N}, RULES).pairs
    assert (pair.only_a_right, pair.only_b_right, pair.flips) == (20, 0, 30)
    assert pair.wilcoxon_p is pair.wilcoxon_p_adjusted is None
    assert pair.verdict == "better"


def test_numbers_have_wilcoxons_test_in_place_of_mcnemars() -> None:
    rng = np.random.default_rng(0)
    actual_N = rng.normal(50, 10, 600)
    near = {"full": 3.0, "int8": 3.1, "tfidf": 6.0}
    predicted = {name: actual_N + rng.normal(0, spread, 600) for name, spread in near.items()}
    text = {name: np.array([repr(float(value)) for value in values], object) for name, values in predicted.items()}
    comparison = compare_models("regression", np.array([repr(float(y)) for y in actual_N], object), text, RULES)
    by_rank = {}
    for pair in comparison.pairs:
        a_N, b_N = predicted[pair.a], predicted[pair.b]
        assert pair.difference == pytest.approx(r2_score(actual_N, a_N) - r2_score(actual_N, b_N))
        found = wilcoxon(actual_N, a_N, b_N)
        by_rank[pair.a, pair.b] = found.p_value
        assert (pair.a_nearer, pair.b_nearer, pair.wilcoxon_p) == (
            found.num_a_nearer,
            found.num_b_nearer,
            found.p_value,
        )
        assert (pair.only_a_right, pair.mcnemar_p, pair.mcnemar_p_adjusted, pair.flips) == (None, None, None, None)
    adjusted = [pair.wilcoxon_p_adjusted for pair in comparison.pairs]
    assert adjusted == pytest.approx(multipletests(list(by_rank.values()), method="holm")[1])
    assert [pair.verdict for pair in comparison.pairs][1:] == ["better", "better"]


def test_constant_and_perfect_models() -> None:
    actual_N = np.array(["x", "y", "z"] * 20, dtype=object)
    predicted = {"perfect": actual_N, "x": np.full(60, "x", object), "z": np.full(60, "z", object)}
    pairs = compare_models("single_label", actual_N, predicted, RULES).pairs
    assert [pair.verdict for pair in pairs] == ["better", "better", "not decided"]
    assert pairs[2].difference == 0.0
    assert all(np.isfinite([pair.effect_size, pair.low, pair.high]).all() for pair in pairs)


def test_one_model_has_no_pairs() -> None:
    comparison = compare_models(
        "single_label", np.array(["x", "y"], object), {"a": np.array(["x", "x"], object)}, RULES
    )
    assert (comparison.models, comparison.pairs) == (["a"], [])


def test_a_large_table_can_still_find_a_difference() -> None:
    """Of 28 models 378 pairs: 100 resamples know no p-value below 0.0099, which times 378 is no finding."""
    actual_N, predicted = answers(200, 2, {"good": 0.95, **{f"bad {i}": 0.5 for i in range(27)}})
    few = Rules(confidence=0.95, margin=0.02, margin_confidence=0.95, num_resamples=100, seed=0)
    pairs = compare_models("single_label", actual_N, predicted, few).pairs
    assert {pair.verdict for pair in pairs if pair.a == "good"} == {"better"}


def test_the_same_seed_gives_the_same_bytes() -> None:
    actual_N, predicted = answers(200, 4, {"full": 0.85, "int8": 0.84, "tfidf": 0.5})
    first, second = (compare_models("single_label", actual_N, predicted, RULES).to_json() for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
    assert set(first["pairs"][0]) == set(Pair.__dataclass_fields__)
