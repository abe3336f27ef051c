"""The page of the contract is self-contained, escapes what is not ours, and shows each expectation."""

import re
from html.parser import HTMLParser

import pytest

from textmill.reporting.contract_page import render_contract_page

PROFILE = {
    "project": "movies",
    "documents": 1000,
    "labels": {"negative": 0.25, "positive": 0.75},
    "characters": {"minimum": 3.0, "median": 1234.5, "maximum": 9000.0},
    "scripts": {"Latin": 0.98, "none": 0.02},
    "shares": {"missing": 0.0, "quarantined": 0.0123, "email": 0.5},
    "classes": {
        "negative": {"documents": 250, "train": 175, "validation": 37, "test": 38},
        "positive": {"documents": 750, "train": 525, "validation": 112, "test": 113},
    },
    "sample": 700,
}
REFERENCE = {
    "labels": {"negative": 0.4, "gone": 0.6},
    "characters": {"median": 1000.0},
    "scripts": {"Latin": 0.5, "Greek": 0.5},
    "shares": {"missing": 0.1},
}


def expectation(**changes):
    row = {
        "suite": "raw",
        "expectation": "column_mean_to_be_between",
        "column": "missing",
        "setting": "contract.missing_share",
        "description": "Share of rows without a text or a label",
        "required": "at most 0.05",
        "observed": 0.0123,
        "passed": True,
        "level": "error",
        "examples": [],
    }
    return row | changes


def report(*rows):
    failed = [row for row in rows if not row["passed"]]
    return {
        "passed": all(row["level"] == "warn" for row in failed),
        "num_expectations": len(rows),
        "num_warnings": sum(row["level"] == "warn" for row in failed),
        "expectations": list(rows),
    }


def text_of(html):
    """What a reader sees, in one line."""
    parts = []

    class Reader(HTMLParser):
        hidden = False

        def handle_starttag(self, tag, attrs):
            self.hidden = tag in ("style", "title")

        def handle_data(self, data):
            if not self.hidden:
                parts.append(data)

        def handle_endtag(self, tag):
            self.hidden = False
            if tag in ("td", "th", "h2", "h3", "p"):
                parts.append(" ")

    Reader().feed(html)
    return " ".join("".join(parts).split())


@pytest.mark.parametrize("profile", [PROFILE, None])
@pytest.mark.parametrize("reference", [REFERENCE, None])
def test_nothing_is_loaded_and_nothing_runs(profile, reference):
    html = render_contract_page("movies", report(expectation(passed=False)), profile, reference)
    assert "<script" not in html
    assert re.findall(r"\b(?:src|srcset|action)=|@import|url\(", html) == []
    assert re.findall(r'href="([^"#][^"]*)"', html) == ["data_docs/index.html"]
    assert "http" not in html
    assert "prefers-color-scheme: dark" in html


def test_what_is_not_ours_is_escaped():
    evil = "<img src=x onerror=alert(1)>&\"'"
    profile = PROFILE | {
        "labels": {evil: 1.0},
        "classes": {evil: {"documents": 9, "train": 7, "validation": 1, "test": 1}},
        "scripts": {evil: 1.0},
    }
    row = expectation(passed=False, observed=f"0.95: {evil}", required=f"only {evil}", examples=[evil])
    html = render_contract_page(evil, report(row), profile, REFERENCE | {"labels": {f"gone {evil}": 1.0}})
    assert "<img" not in html
    assert html.count("&lt;img src=x") >= 7


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([expectation()], "The data meet the contract: all 1 expectations."),
        (
            [expectation(), expectation(passed=False, level="warn")],
            "The data meet the contract; 1 of 2 expectations warns.",
        ),
        (
            [expectation(passed=False), expectation(passed=False, level="warn"), expectation()],
            "The data breach the contract, and the pipeline stops: 1 of 3 expectations failed, 1 more only warn.",
        ),
    ],
)
def test_the_verdict_comes_first(rows, said):
    text = text_of(render_contract_page("movies", report(*rows), PROFILE, None))
    assert said in text
    assert ("What stops the pipeline" in text) is ("breach" in said)
    assert ("Warnings" in text) is any(not row["passed"] and row["level"] == "warn" for row in rows)


def test_a_failure_shows_what_was_found_allowed_and_where():
    row = expectation(passed=False, observed=0.25, examples=["d1", "d2", "d3"])
    text = text_of(render_contract_page("movies", report(row), PROFILE, None))
    said = "Share of rows without a text or a label Found 0.25, allowed at most 0.05 by contract.missing_share."
    assert said in text
    assert "For example d1, d2, d3" in text


def test_every_expectation_is_listed_under_its_suite():
    rows = [
        expectation(suite=suite, description=f"About {suite}")
        for suite in ("schema", "raw", "clean", "classes", "reference", "splits", "texts", "shortcuts")
    ]
    text = text_of(render_contract_page("movies", report(*rows), PROFILE, REFERENCE))
    places = [text.rindex(row["description"]) for row in rows]
    assert places == sorted(places)
    assert text.count("met") >= len(rows)


def test_the_data_are_compared_with_the_reference():
    text = text_of(render_contract_page("movies", report(expectation()), PROFILE, REFERENCE))
    for said in (
        "positive 75.0 % new 525 112 113",
        "negative 25.0 % 40.0 % 175 37 38",
        "gone 0.0 % 60.0 % 0 0 0",
        "Median 1,234 1,000",
        "Greek 0.0 % 50.0 %",
        "Texts with an e-mail address 50.0 % \N{EN DASH}",
        "Rows without text or label 0.0 % 10.0 %",
    ):
        assert said in text
    assert "textmill contract freeze" not in text
    assert "textmill contract freeze" in text_of(render_contract_page("movies", report(expectation()), PROFILE, None))


def test_very_many_classes_are_cut():
    labels = {f"label {n}": 0.005 for n in range(200)}
    counts = {label: {"documents": 5, "train": 3, "validation": 1, "test": 1} for label in labels}
    text = text_of(
        render_contract_page("m", report(expectation()), PROFILE | {"labels": labels, "classes": counts}, None)
    )
    assert "The 60 largest of 200 classes." in text
    assert "label 59 " in text and "label 60 " not in text
