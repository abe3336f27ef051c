"""Ingest as DVC runs it: what it writes for the stages after it, and what it tells."""

import hashlib
import json

import pandas as pd

from tests.stage.stages import fail_stage, run_stages, write_params
from textmill.artifacts import RAW, read_json, read_table
from textmill.paths import Paths

ROWS = pd.DataFrame(
    {
        "text": [f"document {number}" for number in range(12)],
        "label": [True, False] * 6,
        "author": [number // 3 for number in range(12)],
        "stars": [number / 2 for number in range(12)],
    }
)


def write_inputs(folder):
    inputs = folder / "data/inputs"
    inputs.mkdir(parents=True)
    ROWS[:8].to_csv(inputs / "train-1.csv.gz", index=False)
    ROWS[8:10].to_csv(inputs / "train-2.csv.gz", index=False)
    ROWS[10:].to_json(inputs / "test.jsonl", orient="records", lines=True)
    return inputs


SPLITS = "{train: data/inputs/train-*.csv.gz, validation: null, test: data/inputs/test.jsonl}"


def test_everything_that_params_name_arrives(tmp_path):
    inputs = write_inputs(tmp_path)
    write_params(tmp_path, source=SPLITS, where="null", group="author", slices="[stars, 1]")
    answer = run_stages(tmp_path, "ingest")
    assert answer.returncode == 0, answer.stderr
    assert "ingest: 12 documents of 4 labels from 12 rows (delimited, jsonl, 0 files not in UTF-8)" in answer.stdout
    assert "ingest: given splits: train 10, test 2" in answer.stdout
    paths = Paths(tmp_path, tmp_path)
    table = read_table(paths.raw_documents)
    assert list(table.columns) == [*RAW.names, "slice_stars", "slice_label"]
    assert list(table["text"]) == list(ROWS["text"])
    assert list(table["split"]) == ["train"] * 10 + ["test"] * 2
    assert list(table["group"]) == [str(author) for author in ROWS["author"]]
    assert list(table["slice_stars"][-2:]) == ["5", "5.5"]
    assert set(table["label"]) == {"True", "False", "true", "false"}  # as found; clean.labels takes them as one
    source = read_json(paths.source)
    assert source["uri"] == "data/inputs/train-*.csv.gz (train), data/inputs/test.jsonl (test)"
    digest = hashlib.sha256((inputs / "train-2.csv.gz").read_bytes()).hexdigest()
    assert source["sources"]["train"]["files"]["train-2.csv.gz"] == digest
    assert source["given_splits"] == {"train": 10, "test": 2}
    assert source["label_corrections"] is None
    assert list(read_table(paths.corrections).columns) == ["id", "label", "corrected"]


def test_a_missing_label_is_not_counted_as_a_label(tmp_path):
    inputs = write_inputs(tmp_path)
    ROWS.assign(label=["a", "b", None] * 4).to_json(inputs / "all.jsonl", orient="records", lines=True)
    write_params(tmp_path, source="data/inputs/all.jsonl", where="null")
    answer = run_stages(tmp_path, "ingest")
    assert "ingest: 12 documents of 2 labels from 12 rows" in answer.stdout, answer.stderr
    assert read_json(Paths(tmp_path, tmp_path).source)["labels"] == {"(missing)": 4, "a": 4, "b": 4}


def test_corrections_are_passed_on_and_recorded(tmp_path):
    inputs = write_inputs(tmp_path)
    write_params(tmp_path, source=SPLITS, where="null")
    assert run_stages(tmp_path, "ingest").returncode == 0
    paths = Paths(tmp_path, tmp_path)
    identifier = read_table(paths.raw_documents)["id"][3]
    review = inputs / "corrections.csv"
    review.write_text(f"id,text,label,corrected\n{identifier},document 3,negative,positive\n")
    write_params(tmp_path, source=SPLITS, where="null", label_corrections="data/inputs/corrections.csv")
    answer = run_stages(tmp_path, "ingest")
    assert answer.returncode == 0, answer.stderr
    assert read_table(paths.corrections).to_dict("list") == {
        "id": [identifier],
        "label": ["negative"],
        "corrected": ["positive"],
    }
    recorded = read_json(paths.source)["label_corrections"]
    assert recorded == {
        "file": "data/inputs/corrections.csv",
        "sha256": hashlib.sha256(review.read_bytes()).hexdigest(),
        "num": 1,
    }
    before = paths.corrections.read_bytes()
    review.write_text("id,label,corrected\n" + "".join(f"{n:016x},negative,positive\n" for n in range(7)))
    message = fail_stage(tmp_path, "ingest")
    assert "corrects documents that are not in data.source: 0000000000000000, " in message
    assert "0000000000000004 and 2 more" in message
    assert paths.corrections.read_bytes() == before


def test_corrections_beside_the_documents_are_no_documents(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data/inputs" / name).mkdir(parents=True)
        (tmp_path / "data/inputs" / name / "1.txt").write_text(name)
    (tmp_path / "data/inputs/corrections.csv").write_text("id,label,corrected\n")
    write_params(tmp_path, source="data/inputs", where="null", label_corrections="data/inputs/corrections.csv")
    answer = run_stages(tmp_path, "ingest")
    assert answer.returncode == 0, answer.stderr
    assert "ingest: not read: corrections.csv" in answer.stdout


def test_files_named_by_split_in_one_source_are_told(tmp_path):
    inputs = write_inputs(tmp_path)
    (inputs / "test.jsonl").unlink()
    ROWS[10:].to_csv(inputs / "test.csv", index=False)
    write_params(tmp_path, source="data/inputs", where="null")
    answer = run_stages(tmp_path, "ingest")
    assert (
        "the files are named by split (test.csv, train-1.csv.gz, train-2.csv.gz), but are one source" in answer.stdout
    )
    assert read_table(Paths(tmp_path, tmp_path).raw_documents)["split"].isna().all()


def test_lines_without_a_header(tmp_path):
    (tmp_path / "data/inputs").mkdir(parents=True)
    (tmp_path / "data/inputs/sms.txt").write_text("")
    (tmp_path / "data/inputs/sms.tsv").write_text('ham\tGo until "jurong" point, crazy..\nspam\t"Free entry\n')
    write_params(tmp_path, source="data/inputs/sms.tsv", where="null", header="false", text="1", label="0")
    assert run_stages(tmp_path, "ingest").returncode == 0
    table = read_table(Paths(tmp_path, tmp_path).raw_documents)
    assert list(table["text"]) == ['Go until "jurong" point, crazy..', '"Free entry']
    assert json.loads((tmp_path / "data/raw/source.json").read_text())["columns"] == ["0", "1"]


def test_an_empty_class_is_told(tmp_path):
    for name in ("a", "b", "nothing"):
        (tmp_path / "data/inputs" / name).mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / "data/inputs" / name / "1.txt").write_text(name)
    write_params(tmp_path, source="data/inputs", where="null")
    answer = run_stages(tmp_path, "ingest")
    assert "ingest: classes without a document: nothing" in answer.stdout
