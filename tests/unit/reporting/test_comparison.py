"""The honest sentence about TF-IDF, from predictions whose difference is known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, r2_score

from textmill.reporting.comparison import Comparison, compare

NUM_DOCUMENTS = 2000
CHOSEN = {"name": "int8", "family": "transformer", "latency_p50_ms": 2.4, "size_mb": 24.0}
BASELINE = {"name": "baseline", "family": "tfidf", "latency_p50_ms": 0.2, "size_mb": 1.0}


def predictions(wrong: range) -> pd.DataFrame:
    label = np.array(["no", "yes"])[np.arange(NUM_DOCUMENTS) % 2]
    predicted = label.copy()
    predicted[list(wrong)] = np.where(label[list(wrong)] == "no", "yes", "no")
    table = pd.DataFrame({"id": [f"{i:05d}" for i in range(NUM_DOCUMENTS)], "label": label, "predicted": predicted})
    return table.sample(frac=1, random_state=len(wrong))  # the order of the rows must not matter


def comparison(chosen_wrong: range, baseline_wrong: range, margin: float = 0.02) -> Comparison:
    tables = predictions(chosen_wrong), predictions(baseline_wrong)
    return compare("single_label", CHOSEN, BASELINE, tables, margin=margin, confidence=0.95, num_resamples=1000, seed=1)


def test_a_clear_gain_is_told_with_its_cost() -> None:
    found = comparison(range(200), range(100, 400))
    expected = 0.9 - 0.85
    assert found.verdict == "better"
    assert found.difference == pytest.approx(expected, abs=1e-9)
    assert found.low < expected < found.high
    assert found.sentence.startswith("int8 gains 5.0 points of macro-F1 [+")
    assert found.sentence.endswith("over TF-IDF, at 12 times the latency and 24 times the size.")


def test_the_difference_is_that_of_macro_f1() -> None:
    chosen, baseline = predictions(range(0, 300, 2)), predictions(range(0, 900, 3))
    scores = [f1_score(table["label"], table["predicted"], average="macro") for table in (chosen, baseline)]
    found = compare(
        "single_label", CHOSEN, BASELINE, (chosen, baseline), margin=0.02, confidence=0.95, num_resamples=200, seed=1
    ).difference
    assert found == pytest.approx(scores[0] - scores[1])


def test_an_interval_with_zero_says_that_tfidf_does_as_well() -> None:
    found = comparison(range(300), range(290, 600))
    assert found.low < 0 < found.high
    assert found.verdict == "alike"
    assert found.sentence.startswith("TF-IDF does as well here")


def test_a_real_gain_below_the_margin_is_nearly_as_well() -> None:
    found = comparison(range(200), range(230))
    assert found.low > 0
    assert found.verdict == "slight"
    assert "less than the 2 points" in found.sentence
    assert "TF-IDF does nearly as well" in found.sentence


def test_a_loss_is_told() -> None:
    found = comparison(range(400), range(200))
    assert found.verdict == "worse"
    assert found.sentence.startswith("TF-IDF is better than int8, by 10.0 points of macro-F1")


def test_points_are_those_of_the_task() -> None:
    rng = np.random.default_rng(0)
    actual_N = rng.normal(size=NUM_DOCUMENTS)
    tables = [
        pd.DataFrame(
            {
                "id": [f"{i:05d}" for i in range(NUM_DOCUMENTS)],
                "label": [repr(value) for value in actual_N.tolist()],
                "predicted": [repr(value) for value in (actual_N + rng.normal(0, noise, NUM_DOCUMENTS)).tolist()],
            }
        )
        for noise in (0.5, 0.6)
    ]
    scores = [r2_score(table["label"].astype(float), table["predicted"].astype(float)) for table in tables]
    settings = {"margin": 0.02, "confidence": 0.95, "num_resamples": 500, "seed": 1}
    found = compare("regression", CHOSEN, BASELINE, (tables[0], tables[1]), **settings)
    assert found.difference == pytest.approx(scores[0] - scores[1])
    assert found.sentence.startswith(f"int8 gains {100 * found.difference:.1f} points of R² [+")


def test_the_family_of_the_baseline_is_the_baseline() -> None:
    full = {**CHOSEN, "name": "full", "family": "tfidf"}
    tables = predictions(range(10)), predictions(range(10))
    found = compare("single_label", full, BASELINE, tables, margin=0.02, confidence=0.95, num_resamples=100, seed=1)
    assert found.verdict == "same"


def test_the_baseline_against_itself() -> None:
    tables = predictions(range(10)), predictions(range(10))
    found = compare("single_label", BASELINE, BASELINE, tables, margin=0.02, confidence=0.95, num_resamples=100, seed=1)
    assert found.verdict == "same"
    assert found.sentence == "TF-IDF itself is the chosen model."
