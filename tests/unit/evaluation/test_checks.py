"""Checks that are planted to fail do, those that must pass do, and mistakes are told."""

import json
from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.tiny_case import make_case
from textmill.evaluation.case import Case
from textmill.evaluation.checks import UnknownCheckLabel, change_documents, examine
from textmill.tasks import split_labels

TASKS = ("single_label", "multi_label", "regression")
CHANGE = {"replace": None, "append": None, "prepend": None, "documents": 100, "max_failures": 0.1}
INVARIANCE = {"name": "inv", "kind": "invariance", **CHANGE}
DIRECTIONAL = {"name": "dir", "kind": "directional", **CHANGE, "direction": "up", "tolerance": 0.01}
EXPECTATION = {"name": "mft", "kind": "expectation", "max_failures": 0.0, "tolerance": None}


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, Case]:
    return {task: make_case(tmp_path_factory.mktemp("case"), task=task, noise=0.0) for task in TASKS}


def run(case: Case, *checks: dict) -> list[dict]:
    return examine(replace(case, settings=replace(case.settings, checks=list(checks)))).details["rows"]


def told(task: str, check: dict, tolerance: float = 2.0) -> dict:
    return check | {"tolerance": tolerance if task == "regression" else None}


@pytest.mark.parametrize("task", TASKS)
def test_invariance(cases, task):
    """A model that lowers capitals does not see them; praise it does."""
    harmless = told(task, INVARIANCE | {"name": "capitals", "replace": {"the": ["The", "THE"], "a": ["A"]}})
    harmful = told(task, INVARIANCE | {"name": "praise", "append": "moving moving moving wonderful touching best"})
    passed, failed = run(cases[task], harmless, harmful)
    assert passed["passed"] and passed["num_failed"] == 0 == passed["low"] and passed["ids"] == []
    assert not failed["passed"] and failed["num_failed"] > 20
    assert failed["num_documents"] == 100 and len(failed["ids"]) == 20
    answer = cases[task].classifier.predict
    texts = cases[task].documents.set_index("id")["text"]
    for document in failed["ids"]:
        before, after = (answer([text])[0][0] for text in (texts[document], f"{texts[document]} {harmful['append']}"))
        assert abs(before - after) > 2 if task == "regression" else before != after


@pytest.mark.parametrize("task", TASKS)
def test_directional(cases, task):
    label = None if task == "regression" else "positive"
    # One number in the unit of the data, of about 16 to either side.
    check = DIRECTIONAL | {"label": label, "append": "moving wonderful touching best"}
    up, down = run(cases[task], check, check | {"name": "down", "direction": "down"})
    assert up["passed"] and up["failure_rate"] <= 0.1
    assert not down["passed"] and down["failure_rate"] > 0.5
    (lenient,) = run(cases[task], check | {"direction": "down", "tolerance": 1000.0})
    assert lenient["num_failed"] == 0


def test_expectation(cases):
    texts = {"a wonderful , moving and touching film": "positive", "dull , bad and boring": "negative"}
    right, wrong = run(
        cases["single_label"],
        EXPECTATION | {"texts": texts},
        EXPECTATION | {"name": "wrong", "texts": texts | {"stupid and flat": "positive"}},
    )
    assert right["passed"] and right["num_documents"] == 2 and right["num_failed"] == 0
    assert not wrong["passed"] and wrong["ids"] == ["3"] and wrong["failure_rate"] == pytest.approx(1 / 3)


def test_expectation_of_label_sets_and_numbers(cases):
    several = cases["multi_label"]
    text = several.documents["text"][0]
    (answer,) = several.classifier.predict([text])
    assert answer.labels
    (row,) = run(several, EXPECTATION | {"texts": {text: answer.labels[::-1]}})
    assert row["passed"], "the order of labels is none"
    (row,) = run(several, EXPECTATION | {"texts": {text: []}})
    assert row["ids"] == ["1"]
    numbers = cases["regression"]
    (value,) = numbers.classifier.predict_values([text]).tolist()
    (row,) = run(numbers, EXPECTATION | {"texts": {text: value + 0.9, "": value - 500}, "tolerance": 1.0})
    assert row["ids"] == ["2"]


def test_a_document_fails_if_any_of_its_changes_does(cases):
    case = cases["single_label"]
    some = case.documents["text"].str.contains(r"\bfilm\b").sum()
    change = {"film": ["xyzzy", "dull dull dull dull dull bad bad bad boring boring stupid"]}
    both, one = run(
        case,
        INVARIANCE | {"replace": change, "tolerance": None},
        INVARIANCE | {"name": "one", "replace": {"film": change["film"][1:]}, "tolerance": None},
    )
    assert 20 < both["num_documents"] <= some
    assert both["num_failed"] >= one["num_failed"] > 5


def test_words_are_replaced_whole_and_as_they_are_written(cases):
    case = replace(
        cases["single_label"],
        documents=cases["single_label"]
        .documents[:3]
        .assign(text=["Anna met Annabel and Anna", "anna", "C+1 is not C+"]),
    )
    owner_V, texts = change_documents(case, INVARIANCE | {"replace": {"Anna": ["Ben", "\\1"], "C+": ["D"]}})
    assert owner_V.tolist() == [0, 0, 2]
    assert texts == ["Ben met Annabel and Ben", "\\1 met Annabel and \\1", "C+1 is not D"]
    _, texts = change_documents(case, INVARIANCE | {"prepend": "So:"})
    assert texts[1] == "So: anna"


@pytest.mark.parametrize("num_failed", [0, 1, 7, 12])
def test_intervals_are_those_of_clopper_and_pearson(cases, num_failed):
    dull = {f"{'dull ' * (i + 1)}": "positive" if i < num_failed else "negative" for i in range(12)}
    (row,) = run(cases["single_label"], EXPECTATION | {"texts": dull})
    assert row["num_failed"] == num_failed
    low, high = proportion_confint(num_failed, 12, alpha=0.05, method="beta")
    assert (row["low"], row["high"]) == pytest.approx((np.nan_to_num(low), high if num_failed < 12 else 1.0))


def test_a_check_of_words_that_no_document_has_is_not_passed(cases):
    check = INVARIANCE | {"replace": {"Zarathustra": ["Ben"]}, "tolerance": None}
    (row,) = run(cases["single_label"], check)
    assert row["num_documents"] == 0
    assert not row["passed"]
    assert row["failure_rate"] is row["low"] is row["high"] is None
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_the_metric_counts_what_failed(cases):
    case = cases["single_label"]
    wrong = EXPECTATION | {"texts": {"dull": "positive"}}
    checks = [wrong, wrong | {"name": "b"}, INVARIANCE | {"append": "xyzzy", "tolerance": None}]
    found = examine(replace(case, settings=replace(case.settings, checks=checks)))
    assert found.metrics == {"checks_failed": 2.0}
    assert examine(replace(case, settings=replace(case.settings, checks=[]))) is None


@pytest.mark.parametrize(
    "check",
    [
        DIRECTIONAL | {"name": "mood", "label": "neutral", "append": "x"},
        EXPECTATION | {"name": "mood", "texts": {"a": "neutral"}},
        EXPECTATION | {"name": "mood", "texts": {"a": ["positive", "neutral"]}},
    ],
)
@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_unknown_label_is_told_on_validation_already(cases, check, split):
    case = replace(cases["single_label"], split=split)
    with pytest.raises(UnknownCheckLabel, match=r"the check mood names 'neutral', but .* 'negative', 'positive'"):
        examine(replace(case, settings=replace(case.settings, checks=[check])))


def test_nothing_is_run_on_validation(cases):
    case = replace(cases["single_label"], split="validation")
    checks = [EXPECTATION | {"texts": {"dull": "positive"}}]
    assert examine(replace(case, settings=replace(case.settings, checks=checks))) is None


def test_labels_of_the_fixture(cases):
    assert cases["single_label"].classifier.labels == ["negative", "positive"]
    assert "positive" in {label for joined in cases["multi_label"].documents["label"] for label in split_labels(joined)}
