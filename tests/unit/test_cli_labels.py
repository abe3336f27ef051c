"""`textmill labels review`: out of the audit, into a spreadsheet, and never over a person's work."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from tests.tiny_run import REPOSITORY
from textmill.artifacts import write_table
from textmill.baseline.label_audit import LABEL_ISSUES
from textmill.cli import app
from textmill.data.corrections import read_corrections
from textmill.paths import Paths

OUTPUT = Path("data/inputs/label_review.csv")


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A checkout whose audit doubts five labels."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    (tmp_path / "data/inputs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    paths = Paths(tmp_path, tmp_path)
    write_issues(paths, range(5))
    return paths


def write_issues(paths: Paths, numbers: range) -> None:
    table = pd.DataFrame({"id": [f"{number:016x}" for number in numbers]})
    table["rank"] = range(1, len(table) + 1)
    table["confidence"] = [0.99 - 0.1 * number for number in range(len(table))]
    table["self_confidence"] = 0.001
    table = table.assign(text="Smart, funny and moving", label="negative", suggested="positive")
    write_table(paths.label_issues, table, LABEL_ISSUES)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["labels", "review", *arguments])


def read(path: Path = OUTPUT) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def correct(row: int, label: str, path: Path = OUTPUT) -> None:
    table = read(path)
    table.loc[row, "corrected"] = label
    table.to_csv(path, index=False)


def test_a_review_is_written_and_says_what_comes_next(audited: Paths) -> None:
    found = call()
    assert found.exit_code == 0, found.output
    assert "data/inputs/label_review.csv: 5 of 5 doubtful labels." in found.stdout
    assert "Set data.label_corrections: data/inputs/label_review.csv in params.yaml, then: dvc repro" in found.stdout
    table = read()
    assert table["rank"].tolist() == ["1", "2", "3", "4", "5"]
    assert (table["corrected"] == "").all()


def test_what_a_person_writes_is_what_is_read(audited: Paths) -> None:
    call()
    correct(1, "positive")
    correct(2, "negative")  # the label is right
    found = read_corrections(OUTPUT)
    assert found.to_dict("records") == [{"id": f"{1:016x}", "label": "negative", "corrected": "positive"}]


def test_top_and_accept_above(audited: Paths) -> None:
    found = call("--top", "3", "--accept-above", "0.85")
    assert "3 of 5 doubtful labels, 2 with the suggestion taken." in found.stdout
    assert read()["corrected"].tolist() == ["positive", "positive", ""]


def test_decisions_are_never_overwritten_unasked(audited: Paths) -> None:
    call()
    assert call().exit_code == 0  # nothing was decided yet
    correct(1, "negative")
    before = OUTPUT.read_bytes()
    found = call()
    assert found.exit_code == 1
    assert "has 1 decisions, which a new file would lose. --keep keeps them" in found.stderr
    assert OUTPUT.read_bytes() == before
    assert call("--force").exit_code == 0
    assert (read()["corrected"] == "").all()


def test_keep_carries_on(audited: Paths) -> None:
    """The second round: what was decided stays, and is not asked again."""
    call()
    correct(1, "positive")
    correct(2, "negative")
    write_issues(audited, range(2, 7))
    found = call("--keep")
    assert "4 of 5 doubtful labels; 2 earlier decisions kept." in found.stdout
    assert [int(i.lstrip("'"), 16) for i in read()["id"]] == [1, 2, 3, 4, 5, 6]
    assert read()["corrected"].tolist() == ["positive", "negative", "", "", "", ""]
    assert call("--keep", "--force").exit_code == 1


def test_another_file_is_not_overwritten(audited: Paths) -> None:
    OUTPUT.write_text("text,label\nfine,1\n")
    found = call()
    assert found.exit_code == 1
    assert "exists, and is no review to go on with" in found.stderr
    assert OUTPUT.read_text() == "text,label\nfine,1\n"


@pytest.mark.parametrize(
    "source", ["data/inputs", "data/inputs/*.csv", "{train: data/inputs, validation: null, test: null}"]
)
def test_the_review_must_not_become_data(audited: Paths, source: str) -> None:
    text = audited.params.read_text()
    start, end = text.index("  source: "), text.index("  watch: ")
    audited.params.write_text(f"{text[:start]}  source: {source}\n{text[end:]}")
    found = call()
    assert found.exit_code == 1
    assert "would be read as documents, since data.source is data/inputs" in found.stderr
    assert not OUTPUT.exists()
    assert call("--output", "review.csv").exit_code == 0


def test_places_outside_of_watch_are_told(audited: Paths) -> None:
    found = call("--output", "elsewhere/review.csv")
    assert "It is not in data.watch (data/inputs): move it there" in found.stdout
    assert len(read(Path("elsewhere/review.csv"))) == 5


def test_a_file_in_use_needs_no_params(audited: Paths) -> None:
    text = audited.params.read_text()
    audited.params.write_text(text.replace("label_corrections: null", f"label_corrections: {OUTPUT}"))
    assert "  2. dvc repro\n" in call().stdout


def test_no_doubts_and_no_audit_are_told(audited: Paths) -> None:
    write_issues(audited, range(0))
    assert "The audit doubts no label" in call().stdout
    assert not OUTPUT.exists()
    audited.label_issues.unlink()
    found = call()
    assert found.exit_code == 1
    assert "label_issues.parquet is missing. `dvc repro` makes it" in found.stderr


def test_a_place_that_cannot_be_written_is_told(audited: Paths) -> None:
    Path("file").write_text("")
    found = call("--output", "file/review.csv")
    assert found.exit_code == 1
    assert "file/review.csv cannot be written" in found.stderr
    assert "Traceback" not in found.output


def test_help_has_an_example() -> None:
    assert "  textmill labels review" in call("--help").stdout
