import json
import warnings

import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from sklearn.metrics import accuracy_score

from tests.group_case import group_case
from textmill.errors import UserError
from textmill.evaluation.fairness import examine


def draw(num_documents: int, num_classes: int, num_groups: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Truth, answers and groups; the groups differ in everything."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, num_groups, num_documents)
    shares = rng.dirichlet(np.full(num_classes, 20.0), num_groups)
    truth = np.array([rng.choice(num_classes, p=shares[group]) for group in groups])
    accuracy = 0.9 - 0.15 * groups
    answers = np.where(rng.random(num_documents) < accuracy, truth, rng.integers(0, num_classes, num_documents))
    return truth, answers, np.array([f"g{i}" for i in groups])


def examine_groups(folder, truth, answers, groups, **how) -> dict:
    slices = {"sensitive": ["group"], "min_documents": 5} | how.pop("slices", {})
    case = group_case(folder, truth, answers, columns={"group": groups}, slices=slices, **how)
    findings = examine(case)
    assert findings is not None
    json.dumps(findings.details, allow_nan=False)
    return findings.details["group"]


def value_of(found: dict, name: str, label: str | None) -> float:
    (value,) = [row["value"] for row in found["differences"] if (row["name"], row["label"]) == (name, label)]
    return value


def assert_equals_fairlearn(found: dict, truth_NC: np.ndarray, answers_NC: np.ndarray, groups: np.ndarray) -> None:
    """Of each label against the rest, and the largest of them."""
    references = {
        "demographic_parity_difference": fairlearn.demographic_parity_difference,
        "equalized_odds_difference": fairlearn.equalized_odds_difference,
    }
    for name, reference in references.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = [
                reference(truth_N, answers_N, sensitive_features=groups)
                for truth_N, answers_N in zip(truth_NC.T, answers_NC.T, strict=True)
            ]
        for i, value in enumerate(expected):
            assert value_of(found, name, chr(97 + i)) == pytest.approx(value)
        assert value_of(found, name, None) == pytest.approx(max(expected))


@pytest.mark.parametrize(("num_classes", "num_groups"), [(2, 2), (2, 5), (8, 3)])
def test_differences_are_fairlearns(tmp_path, num_classes, num_groups):
    truth, answers, groups = draw(1500, num_classes, num_groups)
    found = examine_groups(tmp_path, truth, answers, groups, num_classes=num_classes)
    assert_equals_fairlearn(found, np.eye(num_classes)[truth], np.eye(num_classes)[answers], groups)
    frame = fairlearn.MetricFrame(metrics=accuracy_score, y_true=truth, y_pred=answers, sensitive_features=groups)
    assert value_of(found, "accuracy_difference", None) == pytest.approx(frame.difference())
    assert {group["value"]: group["accuracy"] for group in found["groups"]} == pytest.approx(frame.by_group.to_dict())


def test_rates_are_fairlearns(tmp_path):
    truth, answers, groups = draw(900, 3, 4)
    found = examine_groups(tmp_path, truth, answers, groups, num_classes=3)
    for i, label in enumerate("abc"):
        frame = fairlearn.MetricFrame(
            metrics={"selection": fairlearn.selection_rate, "true_positive": fairlearn.true_positive_rate},
            y_true=(truth == i).astype(int),
            y_pred=(answers == i).astype(int),
            sensitive_features=groups,
        ).by_group
        for group in found["groups"]:
            row = frame.loc[group["value"]]
            assert group["selection_rates"][label] == pytest.approx(row["selection"])
            assert group["true_positive_rates"][label] == pytest.approx(row["true_positive"])


def test_any_number_of_labels(tmp_path):
    rng = np.random.default_rng(1)
    truth, answers = rng.integers(0, 2, (2, 600, 3))
    groups = rng.choice(["p", "q", "r"], 600)
    found = examine_groups(tmp_path, truth, answers, groups, task="multi_label", num_classes=3)
    assert_equals_fairlearn(found, truth, answers, groups)
    right = (truth == answers).all(axis=1)
    assert {group["value"]: group["accuracy"] for group in found["groups"]} == {
        name: pytest.approx(right[groups == name].mean()) for name in "pqr"
    }


@pytest.mark.parametrize("answers", ["perfect", "constant", "opposite"])
def test_extreme_predictors_are_fairlearns(tmp_path, answers):
    truth, _, groups = draw(300, 2, 3)
    given = {"perfect": truth, "constant": np.zeros(300, int), "opposite": 1 - truth}[answers]
    found = examine_groups(tmp_path, truth, given, groups)
    assert_equals_fairlearn(found, np.eye(2)[truth], np.eye(2)[given], groups)


def test_groups_without_any_difference_are_not_said_to_be_certainly_alike(tmp_path):
    """In the smaller group, of 30 documents, at most 11.6 % may have got another answer unseen."""
    truth, groups = np.arange(90) % 2, np.repeat(["p", "q"], [30, 60])
    found = examine_groups(tmp_path, truth, np.zeros(90, dtype=int), groups)
    (row,) = (
        row for row in found["differences"] if (row["name"], row["label"]) == ("demographic_parity_difference", None)
    )
    assert (row["low"], row["value"], row["high"]) == pytest.approx((0, 0, 1 - 0.025 ** (1 / 30)))


def test_a_group_that_has_not_the_label_is_left_out_of_its_true_positive_rate(tmp_path):
    """fairlearn would take its rate as 0, and the difference as that of a group that is always denied the label."""
    groups = np.repeat(["p", "q", "r"], 40)
    truth = np.where(groups == "r", 0, np.arange(120) % 2)
    found = examine_groups(tmp_path, truth, truth.copy(), groups)
    rates = {group["value"]: group["true_positive_rates"]["b"] for group in found["groups"]}
    assert rates == {"p": 1.0, "q": 1.0, "r": None}
    assert value_of(found, "equalized_odds_difference", "b") == 0
    with_them = groups != "r"
    expected = fairlearn.equalized_odds_difference(
        truth[with_them], truth[with_them], sensitive_features=groups[with_them]
    )
    assert expected == 0
    assert fairlearn.equalized_odds_difference(truth, truth, sensitive_features=groups) == 1


def test_small_groups_are_counted_and_what_is_missing_is_a_group(tmp_path):
    truth = np.arange(100) % 2
    groups = np.array(["p"] * 50 + ["q"] * 7 + ["r"] * 3 + [None] * 40, dtype=object)
    found = examine_groups(tmp_path, truth, truth, groups)
    assert [group["value"] for group in found["groups"]] == ["p", "q", "(missing)"]
    assert found["too_small"] == 1
    assert examine_groups(tmp_path, truth, truth, groups, slices={"min_documents": 45})["differences"] == []


def test_without_sensitive_columns_or_labels_there_is_nothing(tmp_path):
    truth, answers, groups = draw(60, 2, 2)
    assert examine(group_case(tmp_path, truth, answers, columns={"group": groups})) is None
    numbers = np.arange(60.0)
    slices = {"sensitive": ["group"]}
    case = group_case(tmp_path, numbers, numbers, task="regression", columns={"group": groups}, slices=slices)
    assert examine(case) is None


def test_a_column_that_is_not_there_is_named(tmp_path):
    truth, answers, groups = draw(60, 2, 2)
    case = group_case(tmp_path, truth, answers, columns={"group": groups}, slices={"sensitive": ["age"]})
    with pytest.raises(UserError, match=r"'age', but the documents have the columns \['group'\] of data\.slices"):
        examine(case)


def test_the_two_groups_farthest_apart_are_named(tmp_path):
    groups = np.repeat(["p", "q", "r"], 100)
    truth = np.zeros(300, int)
    answers = (np.arange(300) % 100 < np.repeat([30, 80, 50], 100)).astype(int)
    found = examine_groups(tmp_path, truth, answers, groups)
    (row,) = [r for r in found["differences"] if (r["name"], r["label"]) == ("demographic_parity_difference", "b")]
    assert (row["highest"], row["lowest"]) == ("q", "p")
    assert row["value"] == pytest.approx(0.5)
    deviation = np.sqrt((0.8 * 0.2 + 0.3 * 0.7) / 100)
    assert row["low"] == pytest.approx(0.5 - 1.96 * deviation, abs=0.03)
    assert row["high"] == pytest.approx(0.5 + 1.96 * deviation, abs=0.03)


@pytest.mark.slow
def test_intervals_of_two_groups_cover_the_truth(tmp_path):
    """Nominal 90 %, of true differences of 0 and 0.2, 200 times each; three standard errors are 6.4 %."""
    groups = np.repeat(["p", "q"], 150)
    for true_difference in (0.0, 0.2):
        covered = []
        for seed in range(200):
            selected = np.random.default_rng(seed).random(300) < np.repeat([0.4, 0.4 + true_difference], 150)
            answers = selected.astype(int)
            found = examine_groups(tmp_path, 1 - answers, answers, groups, num_resamples=200, confidence=0.9)
            row = next(row for row in found["differences"] if row["label"] == "b")
            covered.append(row["low"] <= true_difference <= row["high"])
        assert np.mean(covered) >= 0.9 - 0.064


@pytest.mark.slow
def test_groups_that_are_alike_seldom_exceed_chance(tmp_path):
    """Groups differ in how frequent the labels are, but not in how they are answered; 150 times at 10 %."""
    groups = np.repeat(["p", "q", "r"], [60, 100, 140])
    share = np.repeat([0.3, 0.5, 0.7], [60, 100, 140])
    exceeded: dict[str, list[bool]] = {"equalized_odds_difference": [], "demographic_parity_difference": []}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        truth = (rng.random(300) < share).astype(int)
        answers = np.where(rng.random(300) < 0.8, truth, 1 - truth)
        found = examine_groups(tmp_path, truth, answers, groups, num_resamples=100, confidence=0.9)
        for name, values in exceeded.items():
            (row,) = [row for row in found["differences"] if (row["name"], row["label"]) == (name, None)]
            values.append(row["value"] > row["chance"])
    assert np.mean(exceeded["equalized_odds_difference"]) <= 0.1 + 0.073
    assert np.mean(exceeded["demographic_parity_difference"]) > 0.7, "labels are given as they are true: unequally"


def test_the_metrics_are_the_largest_differences(tmp_path):
    truth, answers, groups = draw(400, 3, 3)
    columns = {"group": groups, "half": np.arange(400) % 2}
    columns["half"] = columns["half"].astype(str)
    slices = {"sensitive": ["half", "group"]}
    findings = examine(group_case(tmp_path, truth, answers, num_classes=3, columns=columns, slices=slices))
    assert findings is not None
    for name, value in findings.metrics.items():
        assert value == max(value_of(found, name, None) for found in findings.details.values())
    assert list(findings.metrics) == ["demographic_parity_difference", "equalized_odds_difference"]
    assert list(findings.details) == ["half", "group"]
