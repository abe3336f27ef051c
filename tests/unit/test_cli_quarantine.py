"""`textmill quarantine` as a user types it."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.corpora import movie_reviews
from textmill.artifacts import DOCUMENTS, QUARANTINE, with_slices, write_json, write_table
from textmill.cli import app
from textmill.data.quarantine.reasons import REASONS
from textmill.paths import Paths

HOSTILE = "\x1b[31mred\x1b[0m [bold]not markup[/bold] \u202egnp.exe\x07 [link=http://x.org]"


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """A quarantine of three near duplicates, two rows without a label, and one that attacks the terminal."""
    monkeypatch.chdir(tmp_path)
    paths = Paths(tmp_path, tmp_path)
    clean = movie_reviews()[:20].assign(split=None, group=None, time=None, slice_lang="en")
    gone = clean.drop(columns="cluster")[:6].assign(id=[f"{i:016x}" for i in range(100, 106)], reason="near_duplicate")
    gone["text"] = [*(clean["text"][:3] + " indeed"), "no label", "none either", HOSTILE]
    gone["label"] = ["positive", "positive", "positive", None, None, "[red]evil[/red]"]
    gone["reason"] = ["near_duplicate"] * 3 + ["missing_label"] * 2 + ["unknown_label"]
    gone["kept_id"] = [*clean["id"][:3], None, None, None]
    schema = with_slices(QUARANTINE, gone.columns)
    write_table(paths.clean_documents, clean, with_slices(DOCUMENTS, clean.columns))
    write_table(paths.quarantine, [gone[:2], gone[2:]], schema)
    write_json(paths.clean_summary, {"ingested": 26, "kept": 20, "quarantined": 6})
    return paths


def call(*arguments):
    return CliRunner().invoke(app, ["quarantine", *arguments])


def test_counts_advice_and_examples(paths):
    answer = call("--examples", "2")
    assert answer.exit_code == 0
    flat = " ".join(answer.output.split())
    assert "6 of 26 rows are in quarantine (23.1%)." in flat
    order = [line.split()[0] for line in answer.output.splitlines() if line.split()[:1] and line.split()[0] in REASONS]
    assert order[:3] == ["near_duplicate", "missing_label", "unknown_label"]
    assert "Label the row." in flat
    reviews = movie_reviews()["text"]
    for text in reviews[:2]:
        assert text[-40:] + " indeed" in flat
        assert flat.count(text[-40:]) == 2  # and the one that stays
    assert reviews[2][-40:] not in flat


def test_one_reason(paths):
    output = call("--reason", "missing_label").output
    assert "none either" in output
    assert "no label" in output
    assert "indeed" not in output
    assert "No row is in quarantine for rare_label: 20 of 26 rows were kept." in call("--reason", "rare_label").output


def test_a_text_cannot_act_upon_the_terminal(paths):
    output = call().output
    assert r"\x1b[31mred\x1b[0m [bold]not markup[/bold] \u202egnp.exe\x07 [link=http://x.org]" in output
    assert "[red]evil[/red]" in output
    assert not {"\x1b", "\x07", "\u202e"} & set(output)


def test_json(paths):
    told = json.loads(call("--json", "--examples", "1").output)
    assert (told["ingested"], told["kept"], told["quarantined"]) == (26, 20, 6)
    assert {name: of["rows"] for name, of in told["reasons"].items()} == {
        "near_duplicate": 3,
        "missing_label": 2,
        "unknown_label": 1,
    }
    (example,) = told["reasons"]["near_duplicate"]["examples"]
    assert example["kept"]["text"] == movie_reviews()["text"][0]
    assert told["reasons"]["unknown_label"]["examples"][0]["text"] == HOSTILE
    assert json.loads(call("--json", "--reason", "rare_label").output)["reasons"] == {}


READERS = {
    "csv": lambda path: pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""]),
    "jsonl": lambda path: pd.read_json(path, lines=True, dtype="str"),
    "parquet": pd.read_parquet,
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("reason", [None, "missing_label", "rare_label"])
def test_rows_are_written_whole(paths, kind, reason):
    output = paths.root / f"out.{kind.upper()}"
    expected = pd.read_parquet(paths.quarantine)
    expected = expected if reason is None else expected[expected["reason"] == reason].reset_index(drop=True)
    answer = call("--output", str(output), *(["--reason", reason] if reason else []))
    assert answer.output == f"{len(expected)} rows in {output}\n"
    found = READERS[kind](output)
    if kind == "jsonl" and not len(expected):
        assert output.read_text() == ""
        return
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].fillna("").astype(object).tolist() == expected[name].fillna("").astype(object).tolist()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reason", "typo"], "'typo' is no reason of quarantine. There are: empty_text, too_short"),
        (["--output", "rows.xlsx"], "the ending '.xlsx' is not one of .csv, .jsonl, .parquet"),
        (["--output", "data/clean/quarantine.parquet"], "is the quarantine itself"),
        (["--output", "data.csv"], "is a folder"),
        (["--output", "params.yaml/x.csv"], "cannot be written"),
    ],
)
def test_mistakes_are_told(paths, arguments, said):
    (paths.root / "data.csv").mkdir()
    (paths.root / "params.yaml").write_text("")
    answer = call(*arguments)
    assert answer.exit_code == 1
    assert said in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.output


def test_before_the_first_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = call()
    assert answer.exit_code == 1
    assert "`dvc repro` makes it" in answer.stderr


def test_an_empty_quarantine(paths):
    write_table(paths.quarantine, pd.DataFrame(columns=QUARANTINE.names), QUARANTINE)
    assert "Nothing is in quarantine: 20 of 26 rows were kept." in call().output
