"""The page of a finished run: one file, its sections in order, nothing of others that runs, and true to the reports."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from tests.page_text import EVIL, Tags, facts_of, page_of, page_with, section
from textmill.artifacts import MissingArtifact, read_json, write_json
from textmill.config import load_params
from textmill.paths import Paths
from textmill.reporting.facts import gather
from textmill.reporting.page import render_page

ORDER = [
    "gate", "data", "contract", "tokens", "labels", "search", "training", "quality", "comparison", "calibration",
    "slices", "robustness", "compression", "efficiency", "errors", "lineage",
]  # fmt: skip
PARTS = {"slices", "weak_slices", "fairness", "robustness", "checks", "shift", "selective", "conformal", "efficiency"}
PARTS |= {"adaptive_calibration"}
FIGURES = {"trials", "curves", "reliability", "selective", "size_mb", "latency_p50_ms", "throughput", "deletion"}


@pytest.fixture(scope="module")
def page(run: Paths) -> str:
    return page_of(run)


def test_the_page_is_one_file_and_well_formed(page: str) -> None:
    tags = Tags(page)
    assert tags.open == []
    assert not {"link", "iframe", "img", "object", "form"} & set(tags.tags)
    assert all(link.startswith("#") or link == "search.html" for link in tags.links)  # it lies beside this one
    assert "@import" not in page
    assert page.count("<!doctype html>") == 1
    assert len(page.encode()) < 5e6


def test_the_browser_runs_the_scripts_of_the_page_and_no_others(page: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    allowed = html.unescape(policy)
    assert allowed.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in allowed
    assert "script-src 'unsafe-inline'" not in allowed
    ours = [text for attributes, text in Tags(page).scripts if "type" not in attributes]
    assert len(ours) == 3
    for text in ours:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in allowed


def test_the_sections_tell_the_run_in_order(page: str) -> None:
    assert re.findall(r'<section id="([^"]+)"', page) == ORDER
    (navigation,) = re.findall(r"<nav.*?</nav>", page, re.DOTALL)
    assert re.findall(r'href="#([^"]+)"', navigation) == ORDER
    targets = set(re.findall(r'\bid="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= targets


def test_every_figure_is_one_of_plotly_and_has_its_values_as_a_table(page: str) -> None:
    found = dict(re.findall(r'<script type="application/json" id="figure-(\w+)">(.*?)</script>', page, re.DOTALL))
    assert set(found) == FIGURES
    for name, text in found.items():
        told = json.loads(re.sub(r'"--\w+"', '"#000000"', text))
        go.Figure(told["data"], told["layout"])  # raises on what Plotly does not know
        (figure,) = re.findall(rf'<figure(?:(?!</figure>).)*data-figure="figure-{name}".*?</figure>', page, re.DOTALL)
        assert re.search(r'aria-label="[^"]{20,}"', figure)
        assert figure.count("<tr>") > 1, name


def test_nothing_of_others_is_markup(page: str) -> None:
    for part in ("<script>alert", "<img", 'onerror="', "'x')</script>"):
        assert part not in page.replace("onerror=&#34;", ""), part
    # in mistakes, neighbours, examples, the label audit, slices, groups, words, the class counts, the source's name
    assert page.count(html.escape(EVIL).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")) > 20


def test_texts_stay_out_where_they_may_not_be_shown(run: Paths, page: str) -> None:
    without = page_of(run, report__include_texts=False)
    errors, slices, labels = (section(without, name) for name in ("errors", "slices", "labels"))
    assert "report.include_texts is false" in errors
    assert "alert" not in errors + labels
    assert "alert" in section(page, "errors")
    assert "alert" in section(page, "labels")
    assert f"word hidden{EVIL.split()[0]}" in section(page, "slices")
    assert "hidden&lt;" not in without and "hidden</" not in without
    assert "1 group by a word is left out" in slices
    assert "<mark" not in without
    assert "feedbeef" in labels  # the document by its id
    assert read_json(run.diagnosis)["mistakes"][0]["id"] in errors


def test_the_page_is_the_same_each_time(run: Paths, page: str) -> None:
    assert page_of(run) == page


def test_the_page_quotes_the_measured_figures(run: Paths, page: str) -> None:
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    report = read_json(run.evaluation("test", "int8") / "report.json")
    quality = section(page, "quality")
    for name, interval in report["intervals"].items():
        assert f"{metrics[name]:.3f} {interval['low']:.3f} - {interval['high']:.3f}" in quality, name
    adaptive = report["adaptive_calibration"]
    for name, error in {"ece": adaptive["equal_width"], "ece_adaptive": adaptive}.items():
        assert f"{metrics[name]:.3f} {error['error_low']:.3f} - {error['error_high']:.3f}" in quality, name
    for row in report["confusion"]:
        for count in row:
            assert f">{count:,}</td>" in page


def test_all_models_are_compared(run: Paths, page: str) -> None:
    record, told = read_json(run.comparison), section(page, "comparison")
    assert len(record["pairs"]) == 3
    for pair in record["pairs"]:
        names = [name.replace("baseline", "TF-IDF") for name in (pair["a"], pair["b"])]
        assert f"{names[0]} {names[1]} {pair['verdict']}" in told
    gain = next(pair for pair in record["pairs"] if (pair["a"], pair["b"]) == ("int8", "baseline"))
    assert f"int8 gains {100 * gain['difference']:.1f} points of macro-F1" in told


def test_what_was_found_is_told(page: str) -> None:
    told = {
        "calibration": [
            *("at least 0.754", "cover 51.2 % of the test", "4.7 % of them are wrong", "for 89.7 %"),
            "of documents like those of validation, 88.0 % - 92.0 % are expected",
        ],
        "slices": ["1 is weak", "\N{MINUS SIGN}0.190", "Fairness across region", "Equalized odds difference"],
        "robustness": [
            *("Typing errors swaps letters 149", "21 Negation swaps letters; the right answer may change"),
            *("1 of 2 checks fail", "c0ffee", "Highest probability 0.812"),
        ],
        "efficiency": ["22.7 M", "1.42 G", "412.0 ms"],
        "errors": ["wrong on 287 of 1,200", "the label audit doubts", "Right in TF-IDF.", "better than chance"],
        "lineage": ["made from version 1 (full)", "make run"],
    }
    for name, parts in told.items():
        words = section(page, name).replace("\N{NO-BREAK SPACE}", " ")
        for part in parts:
            assert part in words, (name, part)


def test_what_the_temperature_does_is_told(run: Paths, page: str) -> None:
    assert "before scaling" not in section(page, "calibration")
    scaled = section(
        page_with(run, (run.evaluation("test", "int8") / "report.json", {"temperature": 1.5})), "calibration"
    )
    assert "it would be 0.123 without the temperature 1.50, fitted on validation, which changes no answer" in scaled
    assert "before scaling 0.600 0.500 600" in scaled


def test_words_that_mattered_are_marked_with_their_sign(page: str) -> None:
    errors = page[page.index('<section id="errors">') :]
    first = EVIL[:7]  # as far as the fixture's first span goes
    assert f'<mark class="for" style="--strength:100%">{html.escape(first)}</mark>' in errors
    assert '<mark class="against" style="--strength:51%">' in errors
    assert f"For positive: {first} +0.80" in section(page, "errors")


def test_words_that_hardly_speak_for_a_class_are_left_out(run: Paths) -> None:
    words = {"positive": [["moving", 1.2], ["touching", 0.13], ["gamers", 0.1]]}
    errors = section(page_with(run, (run.diagnosis, {"words_per_class": words})), "errors")
    assert "positive moving touching" in errors
    assert "gamers" not in errors


def test_parts_that_were_not_examined_are_absent(run: Paths) -> None:
    names = ("full", "int8", "baseline")
    before = {name: read_json(run.evaluation("test", name) / "report.json") for name in names}
    diagnosis = read_json(run.diagnosis)
    nothing: dict[str, Any] = {"mistakes": [], "confusion_pairs": [], "flips": [], "words_per_class": None}
    try:
        for name, report in before.items():
            kept = {key: value for key, value in report.items() if key not in PARTS}
            write_json(run.evaluation("test", name) / "report.json", kept)
        write_json(run.diagnosis, {**diagnosis, **nothing, "faithfulness": [], "left_out": []})
        page = page_of(run)
    finally:
        for name, report in before.items():
            write_json(run.evaluation("test", name) / "report.json", report)
        write_json(run.diagnosis, diagnosis)
    gone = {"slices", "robustness", "efficiency"}
    assert re.findall(r'<section id="([^"]+)"', page) == [name for name in ORDER if name not in gone]
    assert section(page, "errors") == "Mistakes int8 is wrong on 287 of 1,200 test documents."
    assert "threshold" not in section(page, "calibration")


def test_a_run_without_trials_has_no_section_of_them(run: Paths) -> None:
    page = page_with(run, (run.study, {"trials": [], "trial": None, "score": None}))
    assert "figure-trials" not in page
    assert "search.html" not in page
    assert 'id="search"' not in page


def test_a_refusal_is_told_with_its_reason(run: Paths) -> None:
    record = read_json(run.registration)
    refused = {**record["gate"], "passed": False, "champion_version": 1, "reasons": ["it is worse"]}
    refused |= {"warnings": ["too few"], "smallest_detectable_loss": 0.03}
    text = page_with(run, (run.registration, {"gate": refused, "champion_version": 1}))
    for part in ("refused", "it is worse", "too few", "version 2, no alias", "3.0 points of macro-F1"):
        assert part in text


def test_a_missing_report_is_told(run: Paths, tmp_path: Path) -> None:
    with pytest.raises(MissingArtifact, match=r"selection\.json is missing"):
        gather(load_params(run.params), Paths(tmp_path, tmp_path))
    kept = run.diagnosis.read_bytes()
    run.diagnosis.unlink()
    try:
        with pytest.raises(MissingArtifact, match=r"diagnosis\.json is missing"):
            render_page(facts_of(run), run)
    finally:
        run.diagnosis.write_bytes(kept)


def test_a_shorter_length_that_was_found_is_the_models(run: Paths) -> None:
    described = run.model("trained") / "torch/model.json"
    write_json(described, {"max_length": 32, "truncated_share": 0.51})
    try:
        page = page_of(run)
    finally:
        described.unlink()
    assert "A document keeps its first 64 tokens, of which the model reads 32 (set by tune)." in page
    assert "truncated at 32 tokens</dt><dd>51.0" in page


def test_the_page_tells_of_the_search_in_short(page: str) -> None:
    told = section(page, "search")
    assert "3 trials; the best is number 0, with macro-F1 0.700 on validation." in told
    assert "Too early to say whether more trials pay. All of the search" in told
    assert "training.batch_ size 16 32" in told
