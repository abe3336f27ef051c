"""The page and the card of a finished run: self-contained, escaped, and true to the reports."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.tiny_run import tiny_run, write_params
from textmill.artifacts import MissingArtifact, read_json, read_table, write_json, write_table
from textmill.baseline.label_audit import LABEL_ISSUES
from textmill.config import load_params
from textmill.paths import Paths
from textmill.reporting.card import render_card
from textmill.reporting.facts import Facts, gather
from textmill.reporting.page import render_page

EVIL = "<script>alert('x')</script> & \"friends\""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A finished run whose texts and data names are hostile."""
    paths = tiny_run(tmp_path_factory.mktemp("page"), noise=0.3)
    test = read_table(paths.split("test"))
    test["text"] = EVIL
    test.to_parquet(paths.split("test"))
    write_data_reports(paths)
    return paths


def write_data_reports(paths: Paths) -> None:
    """Reports of the stages before evaluation, in their formats."""
    expectation = {"suite": "raw", "expectation": "row_count", "column": None, "required": "at least 100"}
    expectation |= {"observed": 5000, "passed": True, "level": "block", "examples": []}
    write_json(paths.source, {"uri": f"data/{EVIL}.csv", "sha256": "ab" * 32, "where": None})
    counts = {"ingested": 5010, "kept": 5000, "quarantined": 10, "labels": {"negative": 2500, EVIL: 2500}}
    write_json(paths.clean_summary, {**counts, "reasons": {"empty_text": 10, "duplicate": 0}, "repaired": {"html": 3}})
    report = {"passed": True, "num_expectations": 1, "expectations": [expectation]}
    write_json(paths.validation_report, report)
    write_json(paths.label_audit, {"num_documents": 3500, "num_issues": 7, "share": 0.002, "per_label": {}})
    issue = {"rank": 1, "id": "a", "text": EVIL, "label": "negative", "suggested": "positive"}
    write_table(paths.label_issues, pd.DataFrame([{**issue, "self_confidence": 0.1, "confidence": 0.9}]), LABEL_ISSUES)
    split = {"num_documents": 3500, "truncated_share": 0.25}
    tokens = {"max_length": 64, "splits": {"train": split, "validation": split}, "weights": {"uri": "package://w"}}
    write_json(paths.tokens / "tokens.json", tokens)
    trial = {"number": 0, "state": "complete", "score": 0.7, "values": {"learning_rate": 1e-4}, "seconds": 1.0}
    pruned = {**trial, "number": 1, "state": "pruned", "score": 0.6}
    failed = {**trial, "number": 2, "state": "fail", "score": None}
    best = {"values": {"learning_rate": 1e-4}, "trial": 0, "score": 0.7, "study": "s"}
    write_json(paths.study, {**best, "trials": [trial, pruned, failed]})
    curves = {"epoch": [1, 2], "train_loss": [0.6, 0.4], "validation_loss": [0.5, 0.45]}
    paths.model("trained").mkdir(exist_ok=True)
    pd.DataFrame({**curves, "validation_f1_macro": [0.7, 0.8]}).to_csv(paths.model("trained") / "curves.csv")
    entry = {"version": 1, "run_id": "r", "bundle_sha256": "cd" * 32, "lineage_key": "ef" * 32}
    rule = {"rule": "min_macro_f1", "observed": 0.75, "required": 0.6, "passed": True, "level": "block", "message": "m"}
    gate = {"passed": True, "champion_version": None, "rules": [rule], "num_documents": 1200, "num_left_out": 0}
    gate |= {"reasons": [], "warnings": [], "smallest_detectable_loss": None, "difference": None}
    gate |= {"flipped": {"broken": [], "mended": []}, "f1_macro": {"candidate": 0.75, "champion": None}}
    versions = {"full": entry, "chosen": {**entry, "name": "int8", "version": 2}}
    record = {"model_name": "tiny", "versions": versions, "gate": gate}
    write_json(paths.registration, {**record, "champion_version": 2, "challenger_version": None})


def facts_of(run: Paths, **changes: Any) -> Facts:
    return gather(write_params(run, **changes), run)


class Tags(HTMLParser):
    """Counts tags, and collects what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href", "data", "action")]
        if tag not in ("meta", "path", "use", "rect", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use", "rect"):
            assert self.open.pop() == tag


def test_the_page_is_self_contained_and_well_formed(run: Paths) -> None:
    text = render_page(facts_of(run), run)
    page = Tags(text)
    assert page.open == []
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert "url(http" not in text
    assert "@import" not in text
    assert page.tags.count("svg") == 5
    assert text.count("<!doctype html>") == 1


def test_links_inside_the_page_lead_somewhere(run: Paths) -> None:
    text = render_page(facts_of(run), run)
    targets = set(re.findall(r'\bid="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= targets


def test_texts_labels_and_names_are_escaped(run: Paths) -> None:
    text = render_page(facts_of(run), run)
    assert "<script" not in text
    # in the mistakes, the label audit, the class counts and the source's name
    assert text.count("&lt;script&gt;") >= 4


def test_texts_stay_out_where_they_may_not_be_shown(run: Paths) -> None:
    text = render_page(facts_of(run, report__include_texts=False), run)
    assert 'id="texts"' not in text
    assert "Most confident mistakes" not in text


def test_the_page_is_the_same_each_time(run: Paths) -> None:
    facts = facts_of(run)
    assert render_page(facts, run) == render_page(facts, run)


def test_the_page_quotes_the_measured_figures(run: Paths) -> None:
    text = render_page(facts_of(run), run)
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    for key in ("f1_macro", "f1_macro_low", "f1_macro_high", "accuracy", "log_loss", "ece"):
        assert f"{metrics[key]:.3f}" in text, key
    for row in read_json(run.evaluation("test", "int8") / "report.json")["confusion"]:
        for count in row:
            assert f">{count:,}</td>" in text


def test_a_run_without_trials_has_no_plot_of_them(run: Paths) -> None:
    best = read_json(run.study)
    try:
        write_json(run.study, {**best, "trials": [], "trial": None, "score": None})
        page = Tags(render_page(facts_of(run), run))
    finally:
        write_json(run.study, best)
    assert page.tags.count("svg") == 4


def test_a_refusal_is_told_with_its_reason(run: Paths) -> None:
    record = read_json(run.registration)
    refused = {**record["gate"], "passed": False, "champion_version": 1, "reasons": ["it is worse"]}
    refused |= {"warnings": ["too few"], "smallest_detectable_loss": 0.03}
    try:
        write_json(run.registration, {**record, "gate": refused, "champion_version": 1})
        facts = facts_of(run)
        text = render_page(facts, run)
    finally:
        write_json(run.registration, record)
    assert facts.alias is None
    for part in ("refused", "it is worse", "too few", "version 2, no alias", "3.0 points of macro-F1"):
        assert part in text


def test_a_missing_report_is_told(run: Paths, tmp_path: Path) -> None:
    with pytest.raises(MissingArtifact, match=r"selection\.json is missing"):
        gather(load_params(run.params), Paths(tmp_path, tmp_path))


def test_the_card_has_a_valid_header_with_the_measured_figures(run: Paths) -> None:
    card = render_card(facts_of(run), run)
    _, header, body = card.split("---\n", 2)
    values = YAML(typ="safe").load(header)
    (result,) = values["model-index"][0]["results"]
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    measured = {row["type"]: row["value"] for row in result["metrics"]}
    assert measured == {"f1": round(metrics["f1_macro"], 4), "accuracy": round(metrics["accuracy"], 4)}
    assert values["pipeline_tag"] == result["task"]["type"] == "text-classification"
    assert values["license"] == "unknown"
    assert f"| Macro-F1 on test | {metrics['f1_macro']:.3f} (95 % interval" in body
    assert "Fairness across groups of people" in body
    assert card.endswith("\n")


def test_the_tables_of_the_card_are_whole(run: Paths) -> None:
    """Every row of a table has the cells of its header, whatever the labels are."""
    summary = read_json(run.clean_summary)
    try:
        write_json(run.clean_summary, {**summary, "labels": {"a|b": 1, "two\nlines": 2}})
        lines = render_card(facts_of(run), run).splitlines()
    finally:
        write_json(run.clean_summary, summary)
    rows = [re.split(r"(?<!\\)\|", line) for line in lines if line.startswith("|")]
    widths = np.array([len(row) for row in rows])
    assert set(widths) == {4, 7}
    assert "| a\\|b | 1 |" in lines


def test_nothing_in_the_card_is_html_or_breaks_a_line(run: Paths) -> None:
    summary, source, tokens = (read_json(file) for file in (run.clean_summary, run.source, run.tokens / "tokens.json"))
    report_file = run.evaluation("test", "int8") / "report.json"
    report = read_json(report_file)
    row = report["per_class"]["positive"]
    hostile = f"`a`\n# b | {EVIL}"
    labels = {"labels": [hostile, "positive"], "per_class": dict.fromkeys([hostile, "p"], row)}
    try:
        write_json(run.clean_summary, {**summary, "labels": {hostile: 1}})
        write_json(run.source, {**source, "uri": hostile, "where": hostile})
        write_json(run.tokens / "tokens.json", {**tokens, "weights": {"uri": hostile}})
        write_json(report_file, {**report, **labels})
        _, _, body = render_card(facts_of(run), run).split("---\n", 2)
    finally:
        write_json(run.clean_summary, summary)
        write_json(run.source, source)
        write_json(run.tokens / "tokens.json", tokens)
        write_json(report_file, report)
    assert "<script" not in body
    assert "\n# b" not in body
    assert body.count("\\`a\\` # b \\| &lt;script&gt;alert('x')&lt;/script&gt; &amp;") == 6
