"""The page and the card of a finished run: self-contained, escaped, and true to the reports."""

import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from ruamel.yaml import YAML

from tests.tiny_reports import write_data_reports, write_model_reports
from tests.tiny_run import tiny_run, write_params
from textmill.artifacts import MissingArtifact, read_json, read_table, write_json, write_table
from textmill.baseline.label_audit import LABEL_ISSUES
from textmill.config import load_params
from textmill.paths import Paths
from textmill.reporting.card import render_card
from textmill.reporting.facts import Facts, gather
from textmill.reporting.page import render_page
from textmill.reporting.summary import show

EVIL = "<script>alert('x')</script> & \"friends\""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A finished run whose texts and data names are hostile."""
    paths = tiny_run(tmp_path_factory.mktemp("page"), noise=0.3)
    test = read_table(paths.split("test"))
    test["text"] = EVIL
    test.to_parquet(paths.split("test"))
    write_data_reports(paths, EVIL)
    write_model_reports(paths)
    return paths


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
        if tag not in ("meta", "path", "use", "rect", "br", "wbr", "link"):
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
    assert all(link.startswith("#") or link == "search.html" for link in page.links)  # it lies beside this one
    assert "url(http" not in text
    assert "@import" not in text
    assert page.tags.count("svg") == 5
    assert text.count("<!doctype html>") == 1


def test_links_inside_the_page_lead_somewhere(run: Paths) -> None:
    text = render_page(facts_of(run), run)
    targets = set(re.findall(r'\bid="([^"]+)"', text))
    assert {"data", "contract", "tokens", "labels", "texts"} <= targets
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
    labels = section(text, "labels")
    assert "feedbeef" in labels  # the document by its id
    assert "alert" not in labels
    assert "alert" in section(render_page(facts_of(run), run), "labels")


def section(page: str, name: str) -> str:
    """The words of a section, without tags and doubled spaces."""
    (content,) = re.findall(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)
    words = html.unescape(re.sub(r"<[^>]+>", " ", content)).replace("\N{MULTIPLICATION SIGN}", "x")
    return " ".join(words.replace("\N{EN DASH}", "-").split())


def page_with(run: Paths, *changes: tuple[Path, dict[str, Any]]) -> str:
    """The page with some keys of some reports changed."""
    before = {file: read_json(file) for file, _ in changes}
    try:
        for file, values in changes:
            write_json(file, {**before[file], **values})
        return render_page(facts_of(run), run)
    finally:
        for file, values in before.items():
            write_json(file, values)


def test_the_way_of_the_rows_adds_up(run: Paths) -> None:
    data = section(render_page(facts_of(run), run), "data")
    assert "5,010 of 6,000 rows were read" in data
    assert "5,000 were kept as documents of 2 classes, 10 put into quarantine" in data
    steps = "read 5,010 100.0 % - empty text 7 0.1 % no text is left after cleaning - leaks into test 3 0.06 % equal"
    assert steps in data
    assert "kept 5,000 99.8 %" in data
    assert "HTML made text 4,321" in data
    assert "negative 2,500 1,751 374 375" in data
    assert "All 5,000 3,502 748 750" in data


def test_nothing_removed_and_nothing_repaired(run: Paths) -> None:
    clean = {"ingested": 5000, "quarantined": 0, "reasons": {"empty_text": 0}, "repaired": {"html_to_text": 0}}
    data = section(page_with(run, (run.clean_summary, clean)), "data")
    assert "put into quarantine" not in data
    assert "read 5,000 100.0 % kept 5,000 100.0 %" in data
    assert "None needed it" in data


def test_given_splits_and_their_leaks(run: Paths) -> None:
    given = {
        "given_splits": {"train": 4000, "test": 1010},
        "sources": {"train": {"uri": "a.tab", "sha256": "1" * 64}, "test": {"uri": "b.tab", "sha256": "2" * 64}},
        "parts": [{"split": "train", "num_rows": 4000}, {"split": "test", "num_rows": 1010}],
    }
    data = section(page_with(run, (run.source, given)), "data")
    assert "read from a source for each split" in data
    assert "belongs to train (4,000 rows) and test (1,010 rows)" in data
    assert "3 of the rows leaked" in data
    assert "1 equal a document of it, 2 nearly do" in data
    assert "train a.tab 4,000 111111111111 test b.tab 1,010 222222222222" in data
    none = page_with(run, (run.source, given), (run.clean_summary, {"leaks": {"exact": 0, "near": 0}}))
    assert "No row equals or nearly equals" in section(none, "data")


def test_several_files_are_listed(run: Paths) -> None:
    files = {f"part-{number}.csv": "ab" * 32 for number in range(60)}
    data = section(page_with(run, (run.source, {"files": files})), "data")
    assert "60 files part-0.csv abababababab" in data
    assert "and 10 more" in data


def test_what_ingest_noted(run: Paths) -> None:
    notes = {"re_encoded": [{"file": "a"}], "ignored": ["b", EVIL], "empty_classes": ["none"]}
    page = page_with(run, (run.source, notes))
    data = section(page, "data")
    for part in ("1 file was not in UTF-8", "2 files were not read: b ,", "Classes without a document: none"):
        assert part in data
    assert "<script" not in page


def test_corrections_and_merged_labels(run: Paths) -> None:
    corrections = [{"id": f"id{number}", "from": "ham", "to": EVIL} for number in range(201)]
    record = {"label_corrections": {"file": "fixed.csv", "sha256": "0" * 64, "num": 201}}
    cleaned = {"corrections": corrections, "merged_labels": {"rare": 17}}
    cleaned |= {"near_duplicates": {"num_clusters": 4, "largest": 9}}
    page = page_with(run, (run.source, record), (run.clean_summary, cleaned))
    data = section(page, "data")
    for part in ("Corrected labels, from fixed.csv", "id0 ham", "and 1 more", "Merged: rare 17"):
        assert part in data
    assert "Clusters of near duplicates 4 Texts in the largest of them 9" in data
    assert "<script" not in page


def test_many_classes_are_cut(run: Paths) -> None:
    counts = {"train": 1, "validation": 1, "test": 1}
    classes = {f"class{number:02d}": {"documents": 3 + number, **counts} for number in range(50)}
    data = section(page_with(run, (run.profile, {"classes": classes})), "data")
    assert "class49" in data
    assert "class09" not in data
    assert "and 10 smaller ones" in data
    assert "All 1,375 50 50 50" in data


def test_a_warning_of_the_contract_is_told(run: Paths) -> None:
    contract = section(render_page(facts_of(run), run), "contract")
    assert "1 of 2 expectations are met; 1 is not, and only warns" in contract
    assert "Found 0.9877, allowed at least 10 by contract.token_ shortcut" in contract
    assert contract.count("warns") == 3  # the sentence, the alarm, the table
    assert "Median length of a document at least 10 1,250.5 contract.characters met" in contract


def test_a_contract_that_is_met(run: Paths) -> None:
    report = read_json(run.validation_report)
    met = {"expectations": [{**row, "passed": True} for row in report["expectations"]]}
    contract = section(page_with(run, (run.validation_report, met)), "contract")
    assert "All 2 expectations are met" in contract
    assert "warns" not in contract


def test_what_max_length_costs(run: Paths) -> None:
    tokens = section(render_page(facts_of(run), run), "tokens")
    assert "The tokenizer is that of the weights, with 30,522 tokens" in tokens
    assert "32 51.0 % 60.0 % 0.43 x 64 now 25.0 % 84.0 % 1 x 128 3.1 % 99.0 % 1.79 x" in tokens
    assert "Tokens of a whole text, median 31 31" in tokens
    assert "Tokens unknown 0.02 % 0.02 %" in tokens
    assert "Tokens a word 1.23 1.23" in tokens


def test_a_trained_tokenizer_is_told(run: Paths) -> None:
    trained = {"kind": "trained", "algorithm": "unigram", "lowercase": True, "num_documents": 1234}
    file = run.tokens / "tokens.json"
    tokens = section(page_with(run, (file, {"tokenizer": trained})), "tokens")
    assert "trained on 1,234 documents of the train split (Unigram, lower-cased)" in tokens


def test_doubtful_labels_are_ranked(run: Paths) -> None:
    labels = section(render_page(facts_of(run), run), "labels")
    assert "doubts 7 of 3,500 labels (0.2 %), and agrees with 87.6 % of all" in labels
    assert labels.endswith("negative positive 0.90")


def test_no_doubtful_labels_leave_no_table(run: Paths) -> None:
    issues = read_table(run.label_issues)
    try:
        write_table(run.label_issues, issues[:0], LABEL_ISSUES)
        page = render_page(facts_of(run), run)
    finally:
        write_table(run.label_issues, issues, LABEL_ISSUES)
    assert "Looks like" not in section(page, "labels")


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


def test_the_summary_tells_of_the_data(run: Paths) -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    show(facts_of(run).params, run, console=console)
    text = " ".join(console.export_text().split())
    assert "5,000 of 5,010 rows kept, 1 of 2 expectations of the contract met" in text
    assert "note: Best token of <script>" in text


def test_the_card_tells_of_the_data(run: Paths) -> None:
    trained = {"kind": "trained", "algorithm": "bpe", "lowercase": False, "num_documents": 12}
    tokens = read_json(run.tokens / "tokens.json")
    source = read_json(run.source)
    try:
        write_json(run.tokens / "tokens.json", {**tokens, "tokenizer": trained})
        write_json(run.source, {**source, "given_splits": {"train": 4000, "test": 1010}})
        card = render_card(facts_of(run), run)
    finally:
        write_json(run.tokens / "tokens.json", tokens)
        write_json(run.source, source)
    assert "longer than 64 tokens (of a tokenizer that was trained on these data) are cut" in card
    assert "The source says which rows are train, test; 3 rows that equal or nearly equal a document" in card
    assert "1 of 2 expectations of the data contract were met; not met: Best token of " in card


def test_a_shorter_length_that_was_found_is_the_models(run: Paths) -> None:
    described = run.model("trained") / "torch/model.json"
    write_json(described, {"max_length": 32, "truncated_share": 0.51})
    try:
        page, card = render_page(facts_of(run), run), render_card(facts_of(run), run)
    finally:
        described.unlink()
    assert "A document keeps its first 64 tokens, of which the model reads 32 (set by tune)." in page
    assert "truncated at 32 tokens</dt><dd>51.0" in page
    assert "Texts longer than 32 tokens are cut; that was so for 51.0" in card


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
    contract = read_json(run.validation_report)
    failed = contract["expectations"][1]
    report_file = run.evaluation("test", "int8") / "report.json"
    report = read_json(report_file)
    row = report["per_class"]["positive"]
    hostile = f"`a`\n# b | {EVIL}"
    labels = {"labels": [hostile, "positive"], "per_class": dict.fromkeys([hostile, "p"], row)}
    try:
        write_json(run.clean_summary, {**summary, "labels": {hostile: 1}})
        write_json(run.source, {**source, "uri": hostile, "where": hostile})
        write_json(run.tokens / "tokens.json", {**tokens, "weights": {"uri": hostile}})
        write_json(run.validation_report, {**contract, "expectations": [{**failed, "description": hostile}]})
        write_json(report_file, {**report, **labels})
        _, _, body = render_card(facts_of(run), run).split("---\n", 2)
    finally:
        write_json(run.clean_summary, summary)
        write_json(run.source, source)
        write_json(run.tokens / "tokens.json", tokens)
        write_json(run.validation_report, contract)
        write_json(report_file, report)
    assert "<script" not in body
    assert "\n# b" not in body
    assert body.count("\\`a\\` # b \\| &lt;script&gt;alert('x')&lt;/script&gt; &amp;") == 7


def test_the_page_tells_of_the_search_in_short(run: Paths) -> None:
    told = section(render_page(facts_of(run), run), "training")
    assert "3 trials; the best is number 0." in told
    assert "Too early to say whether more trials pay. All of the search" in told
    assert "training.batch_ size 16 32" in told
