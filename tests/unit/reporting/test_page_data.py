"""What the page tells of the data: where they come from, what became of them, their contract, tokens and labels."""

import io

from rich.console import Console

from tests.page_text import EVIL, facts_of, page_of, page_with, section
from textmill.artifacts import read_json, read_table, write_table
from textmill.baseline.label_audit import LABEL_ISSUES
from textmill.paths import Paths
from textmill.reporting.summary import show


def test_the_way_of_the_rows_adds_up(run: Paths) -> None:
    data = section(page_of(run), "data")
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
    assert "<script>alert" not in page


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
    assert "<script>alert" not in page


def test_many_classes_are_cut(run: Paths) -> None:
    counts = {"train": 1, "validation": 1, "test": 1}
    classes = {f"class{number:02d}": {"documents": 3 + number, **counts} for number in range(50)}
    data = section(page_with(run, (run.profile, {"classes": classes})), "data")
    assert "class49" in data
    assert "class09" not in data
    assert "and 10 smaller ones" in data
    assert "All 1,375 50 50 50" in data


def test_a_warning_of_the_contract_is_told(run: Paths) -> None:
    contract = section(page_of(run), "contract")
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
    tokens = section(page_of(run), "tokens")
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
    labels = section(page_of(run), "labels")
    assert "doubts 7 of 3,500 labels (0.2 %), and agrees with 87.6 % of all" in labels
    assert labels.endswith("negative positive 0.90")


def test_no_doubtful_labels_leave_no_table(run: Paths) -> None:
    issues = read_table(run.label_issues)
    try:
        write_table(run.label_issues, issues[:0], LABEL_ISSUES)
        page = page_of(run)
    finally:
        write_table(run.label_issues, issues, LABEL_ISSUES)
    assert "Looks like" not in section(page, "labels")


def test_the_summary_tells_of_the_data(run: Paths) -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    show(facts_of(run).params, run, console=console)
    text = " ".join(console.export_text().split())
    assert "5,000 of 5,010 rows kept, 1 of 2 expectations of the contract met" in text
    assert "note: Best token of </script>" in text
