"""The rule on cases that can be worked out by hand."""

import math

import numpy as np
import pytest

from tests.tiny_model import write_tokens
from textmill.search.outlook import count_documents, look_ahead, outlook, standard_error


def test_a_gain_beyond_one_standard_error_makes_more_trials_likely_to_pay() -> None:
    scores = [0.5, 0.6, 0.7, 0.6, 0.5, 0.75, 0.7, 0.6]
    found = outlook(scores, 0.04, figure="macro-F1")
    assert (found.verdict, found.standard_error) == ("likely", 0.04)
    assert found.gain == pytest.approx(0.05)
    assert "gained 0.0500 of macro-F1 over the first, more than one standard error (0.0400)" in found.sentence
    assert outlook(scores, 0.06).verdict == "unlikely"


def test_nothing_gained_is_told() -> None:
    found = outlook([0.9, *[0.5] * 7], 0.01)
    assert (found.verdict, found.gain) == ("unlikely", 0.0)
    assert found.sentence.endswith("the second half of the 8 finished ones gained nothing over the first.")


def test_less_is_better_where_it_is_minimised() -> None:
    scores = [0.5] * 4 + [0.4] * 4
    assert outlook(scores, 0.05, maximize=False).verdict == "likely"
    assert outlook(scores, 0.05).verdict == "unlikely"


def test_pruned_trials_count_but_have_no_score() -> None:
    assert outlook([0.5, 0.6, None, None, None, 0.9, None, None], 0.1).verdict == "likely"
    assert outlook([0.5, 0.6, *[None] * 6], 0.1).gain == 0.0
    assert outlook([*[None] * 4, *[0.5] * 4], 0.1).verdict == "unknown"


def test_too_few_trials_say_so() -> None:
    found = outlook([0.5] * 7, 0.1)
    assert found.verdict == "unknown"
    assert "7 finished trials, and it takes 8" in found.sentence
    assert outlook([0.5] * 8, 0.1).verdict == "unlikely"


def test_a_figure_without_a_sampling_error_has_no_outlook() -> None:
    assert standard_error("latency_ms", 2.0, [100]) is None
    assert "latency_ms has no sampling error" in outlook([1.0] * 20, None, figure="latency_ms").sentence


def test_of_equal_classes_it_is_the_binomial() -> None:
    assert standard_error("f1_macro", 0.8, [50, 50, 50, 50]) == pytest.approx(math.sqrt(0.8 * 0.2 / 200))


def test_a_rare_class_widens_it() -> None:
    equal, rare = standard_error("f1_macro", 0.8, [100, 100]), standard_error("f1_macro", 0.8, [190, 10])
    assert equal is not None and rare is not None
    assert rare == pytest.approx(math.sqrt(0.16 * (1 / 190 + 1 / 10)) / 2)
    assert rare > 2 * equal
    assert standard_error("f1_macro", 0.8, [100, 100, 0]) == equal, "a class without a document has no F1"


@pytest.mark.parametrize(("explained", "size"), [(0.5, 400), (0.9, 200), (0.0, 200)])
def test_the_error_of_r2_is_what_samples_show(explained: float, size: int) -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(4000, size))
    # Predictions that are E(y | x): y = p + e, with the variance of p the share that is explained.
    predicted = truth * math.sqrt(explained)
    actual = predicted + generator.normal(size=truth.shape) * math.sqrt(1 - explained)
    residual = ((actual - predicted) ** 2).sum(1)
    total = ((actual - actual.mean(1, keepdims=True)) ** 2).sum(1)
    observed = float((1 - residual / total).std())
    assert standard_error("r2", explained, [size]) == pytest.approx(observed, rel=0.25)


def test_the_error_of_a_loss_is_that_of_a_mean_of_exponentials() -> None:
    losses = np.random.default_rng(0).exponential(0.5, size=(4000, 100)).mean(1)
    assert standard_error("loss", 0.5, [100]) == pytest.approx(float(losses.std()), rel=0.05)


def test_a_study_is_judged_by_its_first_objective_and_by_trials_that_keep_the_limits(tmp_path) -> None:
    tokens = write_tokens(tmp_path / "tokens", num_train=64, num_validation=50)
    assert count_documents("single_label", tokens, "validation") == [25, 25]
    assert count_documents("single_label", tokens, "train") == [32, 32]

    def trial(quality: float, kept: bool = True) -> dict:
        return {
            "state": "complete",
            "figures": {"quality": quality, "size_mb": 1.0},
            "constraints": {"size_mb <= 1": {"violation": 0.0 if kept else 1.0, "kept": kept}},
        }

    failed = {"state": "fail", "figures": {}, "constraints": {}}
    record = {"objectives": ["quality", "size_mb"], "directions": ["maximize", "minimize"]}
    trials = [failed, *[trial(0.5)] * 4, *[trial(0.8)] * 4, failed]
    found = look_ahead({**record, "trials": trials}, "single_label", tokens)
    assert found["verdict"] == "likely"
    assert found["standard_error"] == pytest.approx(math.sqrt(0.8 * 0.2 / 50))
    broken = [*[trial(0.5)] * 4, *[trial(0.8, kept=False)] * 4]
    assert look_ahead({**record, "trials": broken}, "single_label", tokens)["verdict"] == "unlikely"
    assert look_ahead({**record, "trials": [failed]}, "single_label", tokens)["verdict"] == "unknown"
    of_size = {"objectives": ["size_mb"], "directions": ["minimize"], "trials": trials}
    assert look_ahead(of_size, "single_label", tokens)["verdict"] == "unknown"
