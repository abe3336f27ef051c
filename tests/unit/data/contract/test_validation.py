"""Great Expectations takes the statistics; the report says them in our words."""

import json

import numpy as np
import pandas as pd
import pytest

from textmill.data.contract.suites import Check
from textmill.data.contract.tables import Table
from textmill.data.contract.validation import ContractBreached, check_report, list_warnings, say_failure, validate


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    def run(rows, *checks, **more):
        rows = pd.DataFrame(rows)
        table = Table(rows, pd.Series([f"id{n}" for n in range(len(rows))]), **more)
        folder = tmp_path_factory.mktemp("docs")
        return validate({"raw": table}, checks, folder, "project"), folder

    return run


def check(statistic, low=None, high=None, level="error", column="x"):
    return Check("raw", column, statistic, "What is measured", "contract.x", low, high, level)


VALUES = {"x": [4.0, 1.0, 0.0, 3.0, 2.0]}


@pytest.mark.parametrize(
    ("wanted", "observed", "passed", "examples"),
    [
        (check("sum", high=10), 10.0, True, []),
        (check("sum", high=9), 10.0, False, ["id0", "id3", "id4"]),
        (check("mean", high=2), 2.0, True, []),
        (check("mean", low=2.1), 2.0, False, ["id2"]),
        (check("median", low=1, high=1.5), 2.0, False, ["id0", "id3", "id4"]),
        (check("median", low=3), 2.0, False, ["id2", "id1", "id4"]),
        (check("min", low=0), 0.0, True, []),
        (check("min", low=2), 0.0, False, ["id2", "id1"]),
        (check("max", high=3), 4.0, False, ["id0"]),
        (check("rows", low=5, high=5, column=None), 5.0, True, []),
        (check("rows", low=6, column=None), 5.0, False, []),
    ],
)
def test_statistics_and_the_rows_at_fault(wanted, observed, passed, examples, judge):
    (row,) = judge(VALUES, wanted)[0]["expectations"]
    assert (row["observed"], row["passed"], row["examples"]) == (observed, passed, examples)
    assert (row["suite"], row["column"], row["setting"]) == ("raw", wanted.column, "contract.x")


def test_examples_differ_and_the_worst_come_first(judge):
    rows = {"x": np.arange(1000.0)}
    assert judge(rows, check("max", high=10))[0]["expectations"][0]["examples"] == ["id999", "id998", "id997"]
    table = Table(pd.DataFrame({"x": [1] * 9}), pd.Series(list("aaabbbccc")))
    report = validate({"raw": table}, [check("sum", high=0)], judge(VALUES)[1], "project")
    assert report["expectations"][0]["examples"] == ["a", "b", "c"]


def test_a_label_that_is_a_text_is_shortened(judge):
    table = Table(pd.DataFrame({"x": [1, 1]}), pd.Series(["one\nline", "word " * 1000]))
    report = validate({"raw": table}, [check("sum", high=0)], judge(VALUES)[1], "project")
    assert report["expectations"][0]["examples"] == ["one line", f"{'word ' * 15}word…"]


def test_notes_and_examples_of_the_table_are_used(judge):
    report, _ = judge(VALUES, check("max", high=1), notes={"x": "the word"}, examples={"x": ["doc"]})
    (row,) = report["expectations"]
    assert (row["observed"], row["examples"]) == ("4: the word", ["doc"])


def test_missing_values_and_no_rows_are_no_accident(judge):
    rows = pd.DataFrame({"x": pd.array([None, 5, 7], "Int32")})
    assert judge(rows, check("min", low=6))[0]["expectations"][0]["observed"] == 5.0
    for statistic in ("mean", "min", "median"):
        (row,) = judge({"x": np.array([], float)}, check(statistic, low=1))[0]["expectations"]
        assert (row["passed"], row["observed"], row["examples"]) == (False, "nothing", [])
    (row,) = judge(VALUES, check("sum", high=1, column="y"))[0]["expectations"]
    assert row["passed"] is False
    assert row["observed"].startswith("not computed")


def test_levels_decide_whether_it_passes(judge):
    met, warns, fails = check("min", low=0), check("max", high=3, level="warn"), check("sum", high=1)
    for checks, passed, num_warnings in (((met,), True, 0), ((met, warns), True, 1), ((met, warns, fails), False, 1)):
        report, docs = judge(VALUES, *checks)
        assert (report["passed"], report["num_warnings"], report["num_expectations"]) == (
            passed,
            num_warnings,
            len(checks),
        )
        assert len(list_warnings(report)) == num_warnings
        assert (docs / "index.html").exists()
        json.dumps(report, allow_nan=False)
    with pytest.raises(ContractBreached) as caught:
        check_report(report)
    assert str(caught.value).splitlines()[:2] == [
        "The data breach 1 of 3 expectations of the contract:",
        "  raw.x (contract.x): What is measured: found 10, allowed at most 1, for example id0, id3, id4",
    ]
    check_report(judge(VALUES, met, warns)[0])


def test_the_report_is_the_same_at_each_run(judge):
    checks = [check("min", low=2), check("max", high=3), check("sum", high=1)]
    assert json.dumps(judge(VALUES, *checks)[0]) == json.dumps(judge(VALUES, *checks)[0])


def test_data_docs_hold_the_words_and_no_keys(judge):
    _, docs = judge(VALUES, check("max", high=3))
    pages = [path.read_text(encoding="utf-8") for path in docs.rglob("*.html")]
    assert any("What is measured: at most 3" in page for page in pages)
    assert not any("id0" in page for page in pages)


def test_a_failure_in_one_line():
    row = {
        "suite": "clean",
        "column": None,
        "setting": None,
        "description": "Documents",
        "observed": 4.0,
        "required": "exactly 5",
        "examples": [],
    }
    assert say_failure(row) == "clean: Documents: found 4, allowed exactly 5"
