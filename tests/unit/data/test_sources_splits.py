"""Splits that the data say: a source for each, a column, or the names of a data set's files."""

import pandas as pd
import pytest

from tests.tiny_sources import ROWS, read, write_jsonl, write_parquet
from textmill.assets import AssetNotFound
from textmill.data.sources import Columns, Options, locate, open_source
from textmill.data.sources.errors import EmptySource, MissingColumn, UnknownSplit
from textmill.data.sources.split_names import named_by_split, split_of_file


def test_a_source_for_each_split_and_layouts_may_differ(tmp_path):
    table, record = read({"train": write_parquet(tmp_path), "test": write_jsonl(tmp_path)})
    assert list(table["split"]) == ["train"] * 4 + ["test"] * 4
    assert list(table["text"]) == [text for text, _ in ROWS] * 2
    assert table["id"].is_unique  # though test holds the documents of train
    assert record["given_splits"] == {"train": 4, "test": 4}
    assert (record["layout"], record["num_files"]) == ("parquet, jsonl", 2)
    assert [(part["split"], part["num_rows"]) for part in record["parts"]] == [("train", 4), ("test", 4)]


def test_each_source_needs_its_columns_and_rows(tmp_path):
    train = write_parquet(tmp_path)
    (tmp_path / "test.csv").write_text("text,stars\na,1\n")
    with pytest.raises(MissingColumn, match=r"'label', which data\.source \(test\) does not have.*text, stars"):
        read({"train": train, "test": tmp_path / "test.csv"})
    (tmp_path / "test.csv").write_text("text,label\n")
    with pytest.raises(EmptySource, match=r"data\.source \(test\) holds no documents"):
        read({"train": train, "test": tmp_path / "test.csv"})


def test_slices_by_position_must_be_the_same_columns(tmp_path):
    (tmp_path / "a.csv").write_text("text,label,stars\na,1,5\n")
    (tmp_path / "b.csv").write_text("text,label,author\na,1,me\n")
    sources = {"train": tmp_path / "a.csv", "test": tmp_path / "b.csv"}
    with pytest.raises(UnknownSplit, match=r"author in data\.source \(test\), but stars in the source before"):
        read(sources, slices=(2,))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["train", "TEST", "Validation", " test "], ["train", "test", "validation", "test"]),
        (["Training", "dev", "val", "valid"], ["train", "validation", "validation", "validation"]),
    ],
)
def test_a_split_column(values, expected, tmp_path):
    pd.DataFrame({"text": list("abcd"), "label": 1, "part": values}).to_csv(tmp_path / "s.csv", index=False)
    table, record = read(tmp_path / "s.csv", split="part")
    assert list(table["split"]) == expected
    assert sum(record["given_splits"].values()) == 4
    assert (record["split"], read(tmp_path / "s.csv", split=2)[1]["split"]) == ("part", "part")


@pytest.mark.parametrize(("value", "shown"), [("holdout", "'holdout'"), ("", "''"), ("0", "'0'")])
def test_another_value_of_a_split_column_is_told_with_its_row(value, shown, tmp_path):
    (tmp_path / "s.csv").write_text(f"text,label,part\na,1,train\nb,0,{value}\nc,0,test\n")
    with pytest.raises(UnknownSplit, match=rf"s\.csv:3: the split column 'part' holds {shown}\. Allowed: train, "):
        read(tmp_path / "s.csv", split="part")
    table, _ = read(tmp_path / "s.csv", split="part", where="part in ('train', 'test')")
    assert list(table["split"]) == ["train", "test"]


def test_a_missing_value_of_a_split_column_is_told(tmp_path):
    pd.DataFrame({"text": ["a"], "label": [1], "part": [None]}).to_json(
        tmp_path / "s.jsonl", orient="records", lines=True
    )
    with pytest.raises(UnknownSplit, match=r"s\.jsonl:1: the split column 'part' holds None"):
        read(tmp_path / "s.jsonl", split="part")


def test_splits_without_train_are_told(tmp_path):
    (tmp_path / "s.csv").write_text("text,label,part\na,1,test\nb,0,dev\n")
    with pytest.raises(UnknownSplit, match=r"none is of train: \{'test': 1, 'validation': 1\}"):
        read(tmp_path / "s.csv", split="part", batch_size=10)


def test_a_split_said_twice_is_told(tmp_path):
    (tmp_path / "s.csv").write_text("text,label,part\na,1,test\n")
    with pytest.raises(UnknownSplit, match=r"said twice: by data\.split \(part\) and by data\.source by its mapping"):
        read({"train": tmp_path / "s.csv", "test": tmp_path / "s.csv"}, split="part")


def test_a_dataset_dict_says_its_splits(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
    part = datasets.Dataset.from_dict(rows)
    datasets.DatasetDict({"train": part, "test": part, "extra": part}).save_to_disk(str(tmp_path / "saved"))
    table, record = read(tmp_path / "saved")
    assert record["given_splits"] == {"train": 4, "test": 4}
    assert record["ignored"] == ["extra/"]
    assert table["split"].notna().all()
    with pytest.raises(UnknownSplit, match=r"said twice: by data\.source by its mapping and by 2 file\(s\) of .*saved"):
        read({"train": tmp_path / "saved", "test": tmp_path / "saved" / "test"})
    assert len(read({"train": tmp_path / "saved" / "train", "test": tmp_path / "saved" / "test"})[0]) == 8


def test_globs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, name in (("2023", "part-1.csv"), ("2023", "part-2.csv"), ("2024", "part-1.csv"), ("2024", "other.csv")):
        (tmp_path / "in" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / folder / name).write_text(f"text,label\n{folder} {name},1\n")
    for pattern, expected in (
        ("in/2023/part-*.csv", ["part-1.csv:2", "part-2.csv:2"]),
        ("in/*/part-*.csv", ["2023/part-1.csv:2", "2023/part-2.csv:2", "2024/part-1.csv:2"]),
        (f"{tmp_path}/in/**/part-1.csv", ["2023/part-1.csv:2", "2024/part-1.csv:2"]),
    ):
        reading = open_source(locate({None: pattern}), Columns("text", "label"), options=Options())
        assert [origin for batch in reading.documents() for origin in batch["origin"]] == expected


def test_a_model_is_no_source():
    with pytest.raises(AssetNotFound, match=r"is a model of the Hub\. A data set is hf://datasets/"):
        locate({None: "hf://owner/name@main"})


def test_a_local_folder_is_one_source_whatever_its_files_are_called(tmp_path):
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("text,label\na,1\n")
    assert list(locate({None: str(tmp_path)})) == [None]
    table, record = read(tmp_path)
    assert len(table) == 2
    assert record["given_splits"] is None
    assert record["named_by_split"] == ["test.csv", "train.csv"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00001.parquet", "train"),
        ("test.csv", "test"),
        ("data/dev.jsonl", "validation"),
        ("default/train/0000.parquet", "train"),
        ("default/partial-train/0000.parquet", "train"),
        ("reviews_VALID_2.tsv.gz", "validation"),
        ("unsupervised-00000-of-00001.parquet", None),
        ("latest.csv", None),
        ("contest/trainers.csv", None),
        ("train_test.csv", None),
    ],
)
def test_the_split_in_a_file_name(name, split):
    assert split_of_file(name) == split


def test_named_by_split_needs_train_and_another():
    assert named_by_split(["train.csv", "test.csv"])
    assert not named_by_split(["train.csv", "train-2.csv"])
    assert not named_by_split(["test.csv", "part.csv"])
