"""F1 of each class of two models: against scikit-learn, and against a bootstrap written out."""

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from textmill.evaluation.class_differences import compare_classes
from textmill.evaluation.comparisons import Rules
from textmill.tasks import join_labels, split_labels

RULES = Rules(confidence=0.95, margin=0.02, margin_confidence=0.95, num_resamples=1000, seed=0)


@pytest.mark.parametrize(("num_documents", "num_classes"), [(30, 2), (400, 52), (400, 5)])
def test_one_label_a_document(num_documents: int, num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    labels_N = rng.integers(num_classes, size=num_documents)
    a_N, b_N = (np.where(rng.random(num_documents) < share, labels_N, 0) for share in (0.6, 0.8))
    actual_N, first_N, second_N = (
        np.char.add("c", column.astype(str)).astype(object) for column in (labels_N, a_N, b_N)
    )
    rows = compare_classes("single_label", actual_N, first_N, second_N, RULES)
    names = sorted({*actual_N, *first_N, *second_N})
    assert sorted(row.label for row in rows) == names
    expected = [
        f1_score(actual_N, answers, labels=names, average=None, zero_division=0) for answers in (first_N, second_N)
    ]
    for row in rows:
        i = names.index(row.label)
        assert (row.f1_a, row.f1_b) == (pytest.approx(expected[0][i]), pytest.approx(expected[1][i]))
        assert row.difference == pytest.approx(row.f1_b - row.f1_a)
        assert row.num_documents == (actual_N == row.label).sum()
        assert row.low <= row.high
    sizes = [abs(row.difference) for row in rows]
    assert sizes == sorted(sizes, reverse=True)


def test_any_number_of_labels() -> None:
    rng = np.random.default_rng(0)
    names = ["funny", "positive", "story"]
    truth = rng.random((300, 3)) < 0.4
    given = [truth ^ (rng.random((300, 3)) < share) for share in (0.3, 0.1)]
    tables = [
        np.array([join_labels(name for name, has in zip(names, row, strict=True) if has) for row in table], object)
        for table in (truth, *given)
    ]
    rows = compare_classes("multi_label", *tables, RULES)
    binarize = MultiLabelBinarizer(classes=names).fit([names])
    hot = [binarize.transform([split_labels(text) for text in table]) for table in tables]
    for row in rows:
        i = names.index(row.label)
        assert row.f1_a == pytest.approx(f1_score(hot[0][:, i], hot[1][:, i]))
        assert row.f1_b == pytest.approx(f1_score(hot[0][:, i], hot[2][:, i]))
        assert row.num_documents == hot[0][:, i].sum()
        assert row.p_adjusted < 0.05 and row.low > 0


def test_the_interval_is_that_of_a_bootstrap_written_out() -> None:
    rng = np.random.default_rng(1)
    labels_N = np.array(["x", "y"], object)[np.arange(500) % 2]
    a_N, b_N = (np.where(rng.random(500) < share, labels_N, labels_N[::-1]) for share in (0.7, 0.75))
    row = next(row for row in compare_classes("single_label", labels_N, a_N, b_N, RULES) if row.label == "x")
    drawn = []
    for _ in range(600):
        d = np.concatenate([rng.choice(np.flatnonzero(labels_N == name), 250) for name in ("x", "y")])
        hits = [((answers[d] == "x") & (labels_N[d] == "x")).sum() for answers in (b_N, a_N)]
        said = [(answers[d] == "x").sum() for answers in (b_N, a_N)]
        drawn.append(2 * hits[0] / (250 + said[0]) - 2 * hits[1] / (250 + said[1]))
    assert (row.low, row.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.2 * np.std(drawn) + 0.004)


def test_the_same_answers_differ_nowhere() -> None:
    labels_N = np.array(["x", "y", "z"] * 10, object)
    rows = compare_classes("single_label", labels_N, labels_N, labels_N, RULES)
    assert {(row.difference, row.p_adjusted) for row in rows} == {(0.0, 1.0)}
    unseen = 1 - 0.025 ** (1 / 30)  # what 30 documents may hide
    for row in rows:
        assert (row.low, row.high) == pytest.approx((-unseen, unseen))
