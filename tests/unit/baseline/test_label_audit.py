"""Labels that were swapped on purpose are found again."""

import numpy as np
import pandas as pd
import pytest

from textmill.artifacts import read_table, write_table
from textmill.baseline.label_audit import LABEL_ISSUES, find_issues, summarise_issues

NUM_DOCUMENTS, NUM_SWAPPED = 300, 12
LABELS = np.array(["business", "sports", "tech"])


@pytest.fixture(scope="module")
def audit():
    """Confident probabilities of the true class; the labels of some documents say the next class instead."""
    rng = np.random.default_rng(0)
    true = np.arange(NUM_DOCUMENTS) % len(LABELS)
    probabilities = rng.dirichlet([1, 1, 1], NUM_DOCUMENTS) * 0.2 + np.eye(3)[true] * 0.8
    swapped = rng.choice(NUM_DOCUMENTS, NUM_SWAPPED, replace=False)
    given = true.copy()
    given[swapped] = (true[swapped] + 1) % len(LABELS)
    ids = [f"{i:016x}" for i in range(NUM_DOCUMENTS)]
    table = pd.DataFrame(probabilities.astype("float32"), columns=["p0", "p1", "p2"])
    out_of_fold = table.assign(id=ids, label=LABELS[given])
    documents = pd.DataFrame({"id": ids, "text": [f"text {i}" for i in range(NUM_DOCUMENTS)]})
    issues = find_issues(documents.sample(frac=1, random_state=0), out_of_fold)
    return issues, out_of_fold, {ids[i]: LABELS[true[i]] for i in swapped}


def test_swapped_labels_are_found_with_the_right_suggestion(audit):
    issues, _, swapped = audit
    found = dict(zip(issues["id"], issues["suggested"], strict=True))
    assert found.items() <= swapped.items()
    assert len(found) >= 0.75 * NUM_SWAPPED  # cleanlab prunes by an estimated rate, which errs on the safe side
    assert (issues["label"] != issues["suggested"]).all()


def test_the_most_doubtful_come_first_with_their_own_text(audit, tmp_path):
    issues, out_of_fold, _ = audit
    assert list(issues["rank"]) == list(range(1, len(issues) + 1))
    assert issues["self_confidence"].is_monotonic_increasing
    assert all(text == f"text {int(i, 16)}" for i, text in zip(issues["id"], issues["text"], strict=True))
    first, row = issues.iloc[0], out_of_fold.set_index("id").loc[issues["id"][0]]
    column = {label: f"p{index}" for index, label in enumerate(LABELS)}
    assert first["self_confidence"] == pytest.approx(row[column[first["label"]]])
    assert first["confidence"] == pytest.approx(row[column[first["suggested"]]])
    write_table(tmp_path / "issues.parquet", issues, LABEL_ISSUES)
    assert list(read_table(tmp_path / "issues.parquet").columns) == LABEL_ISSUES.names


def test_summary_counts(audit):
    issues, out_of_fold, _ = audit
    summary = summarise_issues(issues, out_of_fold["label"])
    assert (summary["num_documents"], summary["num_issues"]) == (300, len(issues))
    assert summary["share"] == pytest.approx(len(issues) / 300, abs=1e-6)
    assert sum(part["num_issues"] for part in summary["per_label"].values()) == len(issues)
    assert sum(part["num_documents"] for part in summary["per_label"].values()) == 300


def test_no_doubts_make_an_empty_table(tmp_path):
    labels = ["a", "b"] * 20
    table = pd.DataFrame({"p0": [0.9, 0.1] * 20, "p1": [0.1, 0.9] * 20}).assign(id=[str(i) for i in range(40)])
    documents = pd.DataFrame({"id": table["id"], "text": "x"})
    issues = find_issues(documents, table.assign(label=labels))
    assert write_table(tmp_path / "issues.parquet", issues, LABEL_ISSUES) == 0
    assert summarise_issues(issues, pd.Series(labels))["num_issues"] == 0
