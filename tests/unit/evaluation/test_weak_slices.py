import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.sparse import csc_array

from tests.corpora import bbc_news
from tests.group_case import group_case
from textmill.evaluation.weak_slices import examine, num_candidates, search, tail

LEVEL = 0.05


def random_conditions(num_documents: int, num_conditions: int, seed: int = 0) -> np.ndarray:
    """Ones [N, F] of conditions that few to half of the documents hold."""
    rng = np.random.default_rng(seed)
    return (rng.random((num_documents, num_conditions)) < rng.uniform(0.05, 0.5, num_conditions)).astype(np.int32)


def find(holds: np.ndarray, wrong: np.ndarray, most: int = 10):
    return search(csc_array(holds), wrong, level=LEVEL, min_documents=20, most=most)


def test_the_p_value_is_fishers():
    rng = np.random.default_rng(0)
    for _ in range(50):
        total, size = 200, int(rng.integers(1, 199))
        all_errors = int(rng.integers(1, 199))
        errors = int(rng.hypergeometric(all_errors, total - all_errors, size))
        table = [[errors, size - errors], [all_errors - errors, total - all_errors - size + errors]]
        expected = stats.fisher_exact(table, alternative="greater").pvalue
        found = tail(np.array([errors]), np.array([size]), all_errors, total)[0]
        if errors / size > all_errors / total:
            assert found == pytest.approx(expected)
            assert tail(np.array([errors]), np.array([size]), all_errors, total, limit=expected)[0] == found
            assert tail(np.array([errors]), np.array([size]), all_errors, total, limit=expected / 1000)[0] == 1.0
        else:
            assert found == 1.0


def test_a_condition_with_more_errors_is_found():
    holds = random_conditions(2000, 200)
    rng = np.random.default_rng(1)
    wrong = rng.random(2000) < np.where(holds[:, 17] == 1, 0.6, 0.1)
    best, *rest = find(holds, wrong)
    assert best.conditions == (17,)
    assert (best.num_documents, best.num_errors) == (holds[:, 17].sum(), wrong[holds[:, 17] == 1].sum())
    assert best.p_adjusted == pytest.approx(min(1, best.p_value * 2 * 200))
    assert rest == []


def test_a_pair_is_found_where_neither_condition_alone_is_the_reason():
    holds = random_conditions(4000, 150)
    holds[:, 3] = np.arange(4000) % 3 == 0
    holds[:, 9] = np.arange(4000) % 4 == 0
    both = (holds[:, 3] * holds[:, 9]).astype(bool)
    wrong = np.random.default_rng(1).random(4000) < np.where(both, 0.7, 0.1)
    pairs = [weak for weak in find(holds, wrong) if len(weak.conditions) == 2]
    assert [sorted(weak.conditions) for weak in pairs] == [[3, 9]]
    assert pairs[0].num_documents == both.sum()
    assert pairs[0].p_adjusted == pytest.approx(pairs[0].p_value * 2 * num_candidates(150)[1])


def test_a_pair_that_adds_nothing_to_its_condition_is_not_told():
    """Every second document of a weak slice is as weak as the slice, and significantly weaker than the rest."""
    holds = random_conditions(3000, 100)
    wrong = np.random.default_rng(2).random(3000) < np.where(holds[:, 5] == 1, 0.8, 0.1)
    assert [weak.conditions for weak in find(holds, wrong)] == [(5,)]


def test_near_equal_slices_are_told_once():
    holds = random_conditions(2000, 50)
    wrong = np.random.default_rng(3).random(2000) < np.where(holds[:, 5] == 1, 0.8, 0.1)
    holds[:, 6] = holds[:, 5]
    holds[np.flatnonzero(holds[:, 5])[:5], 6] = 0  # all but five of the same documents
    assert [weak.conditions for weak in find(holds, wrong)] in ([(5,)], [(6,)])


def test_at_most_as_many_as_wanted_and_the_surest_first():
    holds = np.zeros((3000, 60), np.int32)
    for i in range(60):
        holds[50 * i : 50 * (i + 1), i] = 1
    wrong = np.random.default_rng(4).random(3000) < np.where(np.arange(3000) < 1000, 0.7, 0.05)
    found = find(holds, wrong, most=7)
    assert len(found) == 7
    assert [weak.p_value for weak in found] == sorted(weak.p_value for weak in found)
    assert all(weak.conditions[0] < 20 for weak in found)


@pytest.mark.parametrize("promising", [20, 100])
def test_chance_finds_as_little_as_the_level_says(monkeypatch, promising):
    """Errors that fall anywhere alike, 100 times; three standard errors of 5 % are 6.5 %. Singles and pairs."""
    monkeypatch.setattr("textmill.evaluation.weak_slices._PROMISING", promising)
    holds = csc_array(random_conditions(400, 100))
    found = [
        search(holds, np.random.default_rng(seed).random(400) < 0.3, level=LEVEL, min_documents=20, most=10)
        for seed in range(100)
    ]
    assert np.mean([bool(weak) for weak in found]) <= LEVEL + 0.065


def test_a_random_predictor_has_no_weak_slice_among_real_words(tmp_path):
    truth = np.arange(600) % 2
    columns = {"source": [f"s{i % 5}" for i in range(600)]}
    case = group_case(tmp_path, truth, truth, columns=columns)
    found = 0
    for seed in range(40):
        answers = np.random.default_rng(seed).integers(0, 2, 600)
        found += bool(examine(replace(case, outputs=np.eye(2)[answers])).details["rows"])
    assert found <= 6  # of 40 at 5 % more than 6 come once in 300 times


@pytest.mark.parametrize("wrong", [np.zeros(100, bool), np.ones(100, bool)])
def test_nothing_or_everything_wrong_is_no_slice(wrong):
    assert find(random_conditions(100, 10), wrong) == []


def test_one_condition_has_no_pair():
    holds = (np.arange(100) % 2)[:, None].astype(np.int32)
    assert [weak.conditions for weak in find(holds, holds[:, 0] == 1)] == [(0,)]


def test_no_condition_no_slice():
    assert find(np.zeros((100, 0), np.int32), np.arange(100) % 2 == 0) == []


def test_report_of_the_tasks(tmp_path):
    """A third of the documents is of source p, and all answers to them are wrong."""
    rng = np.random.default_rng(0)
    source = np.where(np.arange(300) % 3 == 0, "p", "q")
    bad = source == "p"
    sets, numbers = rng.integers(0, 2, (300, 3)), rng.normal(size=300)
    labels = rng.integers(0, 3, 300)
    cases = {
        "single_label": (labels, np.where(bad, (labels + 1) % 3, labels)),
        "multi_label": (sets, np.where(bad[:, None], 1 - sets, sets)),
        "regression": (numbers, numbers + np.where(bad, 5, 0.01) * rng.normal(size=300)),
    }
    for task, (truth, answers) in cases.items():
        case = group_case(tmp_path, truth, answers, task=task, num_classes=3, columns={"source": source})
        details = examine(case).details
        json.dumps(details, allow_nan=False)
        best = details["rows"][0]
        assert best["conditions"] == [{"feature": "source", "value": "p"}]
        assert best["num_documents"] == 100
        assert best["error_rate"] > 0.7 > 0.1 > best["rest_error_rate"]
        assert details["num_tested"] > 1000


def test_the_search_can_be_left_out(tmp_path):
    truth = np.arange(40) % 2
    assert examine(group_case(tmp_path, truth, truth, slices={"most_weak": 0})) is None


def test_thirty_documents(tmp_path):
    truth = np.arange(30) % 2
    details = examine(group_case(tmp_path, truth, 1 - truth)).details
    assert details["rows"] == []


def test_the_search_is_quick(tmp_path):
    """7,500 news articles of 390 words each: 0.9 s measured on one core, most of it reading words."""
    texts = pd.concat([bbc_news()["text"]] * 4)[:7500].tolist()
    truth = np.arange(7500) % 20
    answers = np.where(np.random.default_rng(0).random(7500) < 0.8, truth, (truth + 1) % 20)
    case = group_case(tmp_path, truth[:8], answers[:8], num_classes=20)
    documents = pd.DataFrame({"text": texts, "slice_source": np.arange(7500) % 7})
    case = replace(case, documents=documents, truth=truth, outputs=np.eye(20)[answers])
    start = time.process_time()
    details = examine(case).details
    assert time.process_time() - start < 4
    assert details["num_tested"] > 10_000_000
