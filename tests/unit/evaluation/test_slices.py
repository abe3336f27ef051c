import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score, r2_score, recall_score
from statsmodels.stats.multitest import multipletests

from tests.group_case import group_case
from textmill.evaluation.slices import examine


def draw(num_documents: int, num_classes: int, accuracy: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, num_documents)
    return truth, np.where(rng.random(num_documents) < accuracy, truth, rng.integers(0, num_classes, num_documents))


def rows_of(case, column: str) -> pd.DataFrame:
    rows = pd.DataFrame(examine(case).details["rows"])
    return rows[rows["column"] == column].set_index("value")


def test_a_column_is_judged_by_scikit_learns_macro_f1(tmp_path):
    truth, answers = draw(600, 3, 0.7)
    source = np.random.default_rng(1).choice(["web", "wire", "mail"], 600, p=[0.5, 0.3, 0.2])
    case = group_case(tmp_path, truth, answers, num_classes=3, columns={"source": source})
    rows = rows_of(case, "source")
    assert sorted(rows.index) == ["mail", "web", "wire"]
    for value, row in rows.iterrows():
        inside = source == value
        assert row["figure"] == "macro-F1"
        assert row["num_documents"] == inside.sum()
        assert row["score"] == pytest.approx(f1_score(truth[inside], answers[inside], average="macro"))
        assert row["rest"] == pytest.approx(f1_score(truth[~inside], answers[~inside], average="macro"))
        assert row["difference"] == pytest.approx(row["score"] - row["rest"])
        wrong = truth != answers
        table = [[(wrong & part).sum(), (~wrong & part).sum()] for part in (inside, ~inside)]
        assert row["p_value"] == pytest.approx(stats.fisher_exact(table).pvalue)


def test_the_interval_is_that_of_drawing_documents_of_slice_and_rest(tmp_path):
    truth, answers = draw(400, 3, 0.7, seed=2)
    source = np.repeat(["a", "b"], [150, 250])
    case = group_case(
        tmp_path, truth, answers, num_classes=3, columns={"source": source}, num_resamples=2000, confidence=0.9
    )
    row = rows_of(case, "source").loc["a"]
    rng = np.random.default_rng(0)
    inside, rest = [], []
    for _ in range(250):
        a, b = rng.integers(0, 150, 150), rng.integers(150, 400, 250)
        inside.append(f1_score(truth[a], answers[a], average="macro"))
        rest.append(f1_score(truth[b], answers[b], average="macro"))
    apart = np.array(inside) - np.array(rest)
    assert [row["score_low"], row["score_high"]] == pytest.approx(np.quantile(inside, [0.05, 0.95]), abs=0.018)
    found = [row["difference_low"], row["difference_high"]]
    assert found == pytest.approx(np.quantile(apart, [0.05, 0.95]), abs=0.018)


def test_a_slice_without_a_fault_is_not_said_to_be_certain(tmp_path):
    """Of 25 documents, all right, at most 13.7 % are wrong: the interval of Clopper and Pearson."""
    truth = np.arange(125) % 2
    source = np.repeat(["a", "b"], [25, 100])
    answers = np.where((source == "b") & (np.arange(125) % 5 == 0), 1 - truth, truth)
    row = rows_of(group_case(tmp_path, truth, answers, columns={"source": source}), "source").loc["a"]
    assert row["figure"] == "macro-F1"
    assert (row["score_low"], row["score"], row["score_high"]) == pytest.approx((0.025 ** (1 / 25), 1, 1))
    assert row["difference_low"] <= row["score_low"] - row["rest"] < row["difference"] <= row["difference_high"]


def test_a_label_is_judged_by_its_recall_and_all_slices_are_corrected_together(tmp_path):
    truth, answers = draw(500, 4, 0.8, seed=3)
    answers[truth == 2] = np.where(np.arange((truth == 2).sum()) % 2, 2, 0)  # recall 0.5
    case = group_case(tmp_path, truth, answers, num_classes=4)
    details = examine(case).details
    rows = rows_of(case, "label")
    np.testing.assert_allclose(rows["score"], recall_score(truth, answers, average=None))
    assert rows.index[rows["weak"]].tolist() == ["c"]
    assert set(rows["figure"]) == {"recall"}
    p_values = [row["p_value"] for row in details["rows"]]
    assert details["num_tested"] == len(p_values) == 8  # four labels, four lengths
    expected = multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose([row["p_adjusted"] for row in details["rows"]], expected)


def test_a_share_has_wilsons_interval_which_has_a_width_where_all_is_right(tmp_path):
    truth = np.arange(60) % 2
    case = group_case(tmp_path, truth, truth.copy())
    row = rows_of(case, "label").loc["a"]
    z = stats.norm.ppf(0.975)
    assert row["score"] == 1.0
    assert row["score_high"] == pytest.approx(1.0)
    assert row["score_low"] == pytest.approx(30 / (30 + z**2))
    assert row["difference"] == 0
    assert row["difference_low"] < 0 < row["difference_high"]
    assert not row["weak"]


def test_where_a_slice_lacks_a_class_right_answers_are_compared(tmp_path):
    """Macro-F1 of a slice with one class is at most 1 / 2 if a single answer is wrong."""
    truth = np.repeat([0, 1], 100)
    answers = truth.copy()
    answers[[3, 120]] = [1, 0]
    case = group_case(tmp_path, truth, answers, columns={"source": np.repeat(["p", "q"], 100)})
    rows = rows_of(case, "source")
    assert rows["score"].tolist() == pytest.approx([0.99, 0.99])
    assert set(rows["figure"]) == {"accuracy"}


def test_any_number_of_labels(tmp_path):
    rng = np.random.default_rng(4)
    truth = (rng.random((500, 3)) < [0.5, 0.4, 0.2]).astype(int)
    answers = np.where(rng.random((500, 3)) < [0.1, 0.1, 0.5], 1 - truth, truth)
    source = rng.choice(["p", "q"], 500)
    columns = {"source": source}
    case = group_case(tmp_path, truth, answers, task="multi_label", num_classes=3, columns=columns)
    inside = source == "p"
    row = rows_of(case, "source").loc["p"]
    assert row["score"] == pytest.approx(f1_score(truth[inside], answers[inside], average="macro"))
    wrong = (truth != answers).any(axis=1)
    table = [[wrong[part].sum(), (~wrong)[part].sum()] for part in (inside, ~inside)]
    assert row["p_value"] == pytest.approx(stats.fisher_exact(table).pvalue)
    labels = rows_of(case, "label")
    np.testing.assert_allclose(labels["score"], recall_score(truth, answers, average=None))
    rest = recall_score(truth[:, :2], answers[:, :2], average="micro")
    assert labels.loc["c", "rest"] == pytest.approx(rest)
    assert labels.index[labels["weak"]].tolist() == ["c"]


def test_numbers(tmp_path):
    rng = np.random.default_rng(5)
    truth = rng.normal(50, 10, 600)
    source = np.repeat(["p", "q", "r"], 200)
    answers = truth + rng.normal(0, np.where(source == "q", 12, 4))
    case = group_case(tmp_path, truth, answers, task="regression", columns={"source": source})
    rows = rows_of(case, "source")
    assert np.average(rows["score"], weights=rows["num_documents"]) == pytest.approx(r2_score(truth, answers))
    assert rows.index[rows["weak"]].tolist() == ["q"]
    assert ((rows["score_low"] < rows["score"]) & (rows["score"] < rows["score_high"])).all()
    errors = np.abs(truth - answers)
    expected = stats.mannwhitneyu(errors[source == "p"], errors[source != "p"]).pvalue
    assert rows.loc["p", "p_value"] == pytest.approx(expected)
    assert set(rows["figure"]) == {"R²"}


def test_a_slice_of_equal_numbers_has_a_figure(tmp_path):
    """By its own spread its R² would be 0, however well it is met."""
    truth = np.concatenate([np.full(50, 10.0), np.linspace(0, 100, 50)])
    answers = truth + np.tile([1.0, -1.0], 50)
    columns = {"source": np.repeat(["p", "q"], 50)}
    rows = rows_of(group_case(tmp_path, truth, answers, task="regression", columns=columns), "source")
    assert rows["score"].tolist() == pytest.approx([1 - 1 / truth.var()] * 2)


def test_small_slices_are_counted(tmp_path):
    truth, answers = draw(100, 2, 0.8)
    source = ["web"] * 60 + ["wire"] * 30 + ["mail"] * 6 + [None] * 4
    details = examine(group_case(tmp_path, truth, answers, columns={"source": source})).details
    assert details["too_small"] == 2
    assert [row["value"] for row in details["rows"] if row["column"] == "source"] == ["web", "wire"]
    least = examine(group_case(tmp_path, truth, answers, columns={"source": source}, slices={"min_documents": 5}))
    assert [row["value"] for row in least.details["rows"] if row["column"] == "source"] == ["mail", "web", "wire"]


def test_what_is_missing_is_a_slice(tmp_path):
    truth, answers = draw(200, 2, 0.9)
    source = np.array(["web", None] * 100, dtype=object)
    answers[1::2] = 1 - truth[1::2]
    rows = rows_of(group_case(tmp_path, truth, answers, columns={"source": source}), "source")
    assert rows["weak"].to_dict() == {"web": False, "(missing)": True}


@pytest.mark.parametrize(
    ("truth", "answers", "num_classes"),
    [
        (np.arange(30) % 2, np.arange(30) % 2, 2),  # perfect, few
        (np.arange(30) % 2, np.zeros(30, int), 2),  # constant: b is never predicted
        (np.zeros(60, int), np.zeros(60, int), 2),  # b is absent
        (np.arange(520) % 52, np.arange(520) % 52, 52),
        (np.arange(520) % 52, (np.arange(520) // 2) % 52, 52),
        (np.arange(100) % 2, 1 - np.arange(100) % 2, 2),  # all wrong
    ],
)
def test_edges(tmp_path, truth, answers, num_classes):
    columns = {"source": [None if i % 7 == 0 else f"s{i % 3}" for i in range(len(truth))]}
    case = group_case(tmp_path, truth, answers, num_classes=num_classes, columns=columns, slices={"min_documents": 5})
    findings = examine(case)
    json.dumps(findings.details, allow_nan=False)
    assert findings.metrics["num_weak_slices"] == sum(row["weak"] for row in findings.details["rows"])
    for row in findings.details["rows"]:
        assert row["score_low"] - 1e-9 <= row["score"] <= row["score_high"] + 1e-9
        assert 0 <= row["p_value"] <= row["p_adjusted"] <= 1
    if (truth == answers).all():
        assert findings.metrics["num_weak_slices"] == 0


@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_thirty_documents_of_other_tasks(tmp_path, task):
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 2, (2, 30, 3)) if task == "multi_label" else rng.normal(size=(2, 30))
    columns = {"source": ["p", "q"] * 15}
    for given in (answers, truth):
        case = group_case(
            tmp_path, truth, given, task=task, num_classes=3, columns=columns, slices={"min_documents": 5}
        )
        details = examine(case).details
        json.dumps(details, allow_nan=False)
        assert [row["value"] for row in details["rows"] if row["column"] == "source"] == ["p", "q"]


@pytest.mark.slow
def test_chance_finds_no_weak_slice(tmp_path):
    """A model that errs anywhere alike, 200 times: at the level of 5 %; three standard errors are 4.6 %."""
    columns = {"source": np.arange(240) % 3, "day": np.arange(240) % 5}
    columns = {name: values.astype(str) for name, values in columns.items()}
    found = 0
    for seed in range(200):
        truth, answers = draw(240, 2, 0.6, seed=seed)
        case = group_case(tmp_path, truth, answers, columns=columns, num_resamples=100)
        found += bool(examine(case).metrics["num_weak_slices"])
    assert found / 200 <= 0.096


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    truth, answers = draw(200, 2, 0.8)
    columns = {"source": ["p", "q"] * 100}
    first, again = (
        json.dumps(examine(group_case(tmp_path, truth, answers, columns=columns)).details) for _ in range(2)
    )
    assert first == again
    other = json.dumps(examine(group_case(tmp_path, truth, answers, columns=columns, seed=1)).details)
    assert first != other
