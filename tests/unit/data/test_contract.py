"""Each expectation fails on the data it is there for, and only there."""

import json

import pandas as pd
import pytest

from textmill.data.contract import ContractBreached, build_suites, build_tables, check, validate

LIMITS = {
    "labels": ["a", "b"],
    "min_characters": 3,
    "max_characters": 50,
    "min_documents": 20,
    "min_documents_per_class": 8,
    "max_classes": 3,
    "max_quarantine_share": 0.2,
    "max_label_drift": 0.1,
}


def healthy():
    """40 documents of two classes, 20 / 10 / 10 in the splits, 4 more in quarantine."""
    documents = pd.DataFrame({"id": [f"d{i:02}" for i in range(40)], "label": list("ab") * 20})
    documents["cluster"] = documents["id"].str.replace("d", "c")
    clean = documents[["id", "label"]].assign(num_characters=20)
    splits = {"train": documents[:20], "validation": documents[20:30], "test": documents[30:]}
    gone = pd.Series([f"q{i}" for i in range(4)])
    raw_ids = pd.concat([documents["id"], gone], ignore_index=True)
    return {"raw_ids": raw_ids, "quarantined_ids": gone, "clean": clean, "splits": splits}


def duplicate_id(data):
    data["raw_ids"] = pd.concat([data["raw_ids"], pd.Series(["d00"])], ignore_index=True)


def much_quarantine(data):
    data["quarantined_ids"] = data["raw_ids"][:12]


def short_text(data):
    data["clean"].loc[5, "num_characters"] = 2


def no_text(data):
    data["clean"]["num_characters"] = data["clean"]["num_characters"].astype("Float64")
    data["clean"].loc[5, "num_characters"] = pd.NA


def strange_label(data):
    data["clean"].loc[5, "label"] = "z"


def parted_cluster(data):
    data["splits"]["test"] = data["splits"]["test"].assign(cluster=["c00", *data["splits"]["test"]["cluster"][1:]])


def lost_document(data):
    data["splits"]["train"] = data["splits"]["train"][1:]


def same_document_twice(data):
    data["splits"]["test"] = pd.concat([data["splits"]["test"], data["splits"]["train"][:1]], ignore_index=True)


def class_missing_in_test(data):
    test = data["splits"]["test"]
    data["splits"]["train"] = pd.concat([data["splits"]["train"], test[test["label"] == "b"]])
    data["splits"]["test"] = test[test["label"] == "a"]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    def run(change=None, **limits):
        data = healthy()
        if change is not None:
            change(data)
        folder = tmp_path_factory.mktemp("docs")
        return validate(build_tables(**data), build_suites(**{**LIMITS, **limits}), folder), folder

    return run


def failures(report):
    return {(row["suite"], row["column"]) for row in report["expectations"] if not row["passed"]}


def test_healthy_data_pass_with_pages_and_a_stable_report(judge):
    (report, docs), (again, _) = judge(), judge()
    assert report["passed"]
    assert failures(report) == set()
    assert (docs / "index.html").exists()
    assert json.dumps(report) == json.dumps(again)
    check(report)


@pytest.mark.parametrize(
    ("change", "limits", "expected"),
    [
        (duplicate_id, {}, {("raw", "id")}),
        (much_quarantine, {}, {("raw", "quarantined")}),
        (short_text, {}, {("clean", "num_characters")}),
        (no_text, {}, {("clean", "num_characters")}),
        (
            strange_label,
            {"min_documents_per_class": 1},
            {("clean", "label"), ("classes", "train"), ("classes", "test"), ("classes", "validation")},
        ),
        (parted_cluster, {}, {("splits", "num_splits_of_cluster")}),
        (lost_document, {}, {("clean", "num_splits")}),
        (same_document_twice, {}, {("clean", "num_splits"), ("splits", "id"), ("splits", "num_splits_of_cluster")}),
        (class_missing_in_test, {}, {("classes", "test"), ("classes", "test_drift")}),
        (None, {"min_documents": 41}, {("clean", None)}),
        (None, {"min_documents": 45}, {("clean", None), ("raw", None)}),
        (None, {"min_documents_per_class": 21}, {("classes", "num_documents")}),
        (None, {"max_classes": 1}, {("classes", None)}),
    ],
)
def test_breaches_are_found(change, limits, expected, judge):
    report, _ = judge(change, **limits)
    assert failures(report) == expected
    assert not report["passed"]
    json.dumps(report, allow_nan=False)
    with pytest.raises(ContractBreached):
        check(report)


def test_a_breach_says_what_where_and_what_is_allowed(judge):
    report, _ = judge(short_text, min_documents_per_class=21)
    with pytest.raises(ContractBreached) as caught:
        check(report)
    message = str(caught.value)
    assert "breach 2 of" in message
    assert "clean.num_characters" in message
    assert "found 1 of 40 rows fail, such as 2, allowed at least 3 and at most 50 (for example d05)" in message
    assert "classes.num_documents" in message
    assert "allowed at least 21 (for example a, b)" in message


def test_all_labels_pass_where_none_are_listed(judge):
    report, _ = judge(labels=None)
    assert report["passed"]
    assert not any("in_set" in row["expectation"] for row in report["expectations"])
