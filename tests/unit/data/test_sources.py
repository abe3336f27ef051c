"""Every layout gives the same table, and nothing vanishes."""

import json
import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tiny_sources import ROWS, WRITERS, read, write_delimited, write_folder, write_parquet
from textmill.artifacts import RAW, read_table, with_slices, write_table
from textmill.data.sources import SOURCES, Columns, Place, open_source
from textmill.data.sources.errors import (
    EmptySource,
    MissingColumn,
    UnknownLayout,
    UnreadableSource,
    UnusableLabels,
    UnusableQuery,
)

TABLES = ["delimited", "jsonl", "parquet"]


@pytest.mark.parametrize("layout", SOURCES)
def test_layouts_agree(layout, tmp_path):
    path = WRITERS[layout](tmp_path)
    table, record = read(path)
    assert record["layout"] == layout
    assert sorted(zip(table["text"], table["label"], strict=True)) == sorted(ROWS)
    assert record["rows_in_source"] == record["num_documents"] == 4
    assert record["labels"] == {"0": 1, "1": 3}
    assert table["id"].is_unique  # though two texts are the same
    again, _ = read(path, batch_size=3)
    assert list(again["id"]) == list(table["id"])
    assert list(again["origin"]) == list(table["origin"])
    assert write_table(tmp_path / "out.parquet", table, RAW) == 4
    assert list(read_table(tmp_path / "out.parquet").columns) == RAW.names
    assert table[["split", "group", "time"]].isna().all(axis=None)


def test_ids_do_not_depend_on_the_layout(tmp_path):
    tables = [read(WRITERS[layout](tmp_path))[0] for layout in TABLES]
    assert all(list(table["id"]) == list(tables[0]["id"]) for table in tables)


@pytest.mark.parametrize("layout", TABLES)
def test_columns_by_position(layout, tmp_path):
    table, record = read(WRITERS[layout](tmp_path), text=0, label=1)
    assert list(zip(table["text"], table["label"], strict=True)) == ROWS
    assert (record["text"], record["label"]) == ("text", "label")
    with pytest.raises(MissingColumn, match=r"data\.label is 2, a position from 0, but data\.source has 2 columns"):
        read(WRITERS[layout](tmp_path), label=2)


def test_a_position_that_is_also_a_name_is_told(tmp_path):
    (tmp_path / "s.csv").write_text("text,2024\na,x\nb,y\n")
    with pytest.raises(MissingColumn, match="for the column named '2024', write it in quotes"):
        read(tmp_path / "s.csv", label=2024)
    assert list(read(tmp_path / "s.csv", label="2024")[0]["label"]) == ["x", "y"]


def test_group_time_and_slices_are_kept_as_text(tmp_path):
    table = {
        "text": ["a", "b", "c"],
        "label": [True, False, None],
        "author": [7, None, 9],
        "day": pa.array([0, 1, None], pa.date32()),
        "stars": [1.0, 2.5, None],
        "in print": [True, None, False],
    }
    pq.write_table(pa.table(table), tmp_path / "s.parquet")
    columns = {"group": "author", "time": 3, "slices": ("stars", 5, "stars")}
    documents, record = read(tmp_path / "s.parquet", batch_size=10, **columns)
    assert list(documents["label"]) == ["true", "false", None]
    assert list(documents["group"]) == ["7", None, "9"]
    assert list(documents["time"]) == ["1970-01-01", "1970-01-02", None]
    assert list(documents["slice_stars"]) == ["1", "2.5", None]
    assert list(documents["slice_in print"]) == ["true", None, "false"]
    assert (record["group"], record["time"], record["slices"]) == ("author", "day", ["stars", "in print"])
    schema = with_slices(RAW, documents.columns)
    write_table(tmp_path / "out.parquet", documents, schema)
    assert list(read_table(tmp_path / "out.parquet").columns) == [*RAW.names, "slice_stars", "slice_in print"]


def test_where_picks_rows(tmp_path):
    table, record = read(write_delimited(tmp_path), where="label == '1'")
    assert list(table["label"]) == ["1", "1", "1"]
    assert (record["rows_in_source"], record["rows_matching_where"]) == (4, 3)
    table, _ = read(write_parquet(tmp_path), where="label < 1")
    assert list(table["label"]) == ["0"]


def test_index_is_the_number_of_the_row(tmp_path):
    for name in ("a.csv", "b.csv"):
        write_delimited(tmp_path, name=name)
    table, _ = read(tmp_path, where="index in (0, 3, 5)", batch_size=3)
    assert list(table["origin"]) == ["a.csv:2", "a.csv:6", "b.csv:3"]


@pytest.mark.parametrize("where", ["lable == '1'", "label ==", "text", "label + 1", "@pd", "stars > 3"])
def test_bad_query_names_key_and_columns(where, tmp_path):
    with pytest.raises(UnusableQuery, match=r"data\.where .*columns text, label") as caught:
        read(write_delimited(tmp_path), where=where)
    assert where in str(caught.value)


def test_query_that_matches_nothing(tmp_path):
    with pytest.raises(EmptySource, match="matches none of the 4 rows"):
        read(write_delimited(tmp_path), where="label == '7'")


@pytest.mark.parametrize("layout", TABLES)
@pytest.mark.parametrize("key", ["label", "group", "slices"])
def test_missing_column_lists_the_others(layout, key, tmp_path):
    wanted = {key: ("stars",) if key == "slices" else "stars"}
    with pytest.raises(MissingColumn, match=rf"data\.{key} .*'stars'.*Its columns: text, label") as caught:
        read(WRITERS[layout](tmp_path), **wanted)
    assert "header" not in str(caught.value)


def test_empty_sources(tmp_path):
    (tmp_path / "s.csv").write_text("")
    (tmp_path / "h.csv").write_text("text,label\n")
    (tmp_path / "s.jsonl").write_text("\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "classes" / "a").mkdir(parents=True)
    pq.write_table(pa.table({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}), tmp_path / "s.pq")
    for name in ("s.csv", "h.csv", "s.jsonl", "folder", "classes", "s.pq"):
        with pytest.raises(EmptySource, match="empty"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            [f"{number / 7.3:.5f}" for number in range(1, 80)],
            r"data\.label \(label\) holds measured numbers \('0.13699'",
        ),
        ([f"text number {number}" for number in range(20_100)], "more than 20000 different values"),
    ],
)
def test_labels_that_are_no_classes_are_told(labels, said, tmp_path):
    pd.DataFrame({"text": [f"t{i}" for i in range(len(labels))], "label": labels}).to_csv(tmp_path / "s.csv")
    with pytest.raises(UnusableLabels, match=said):
        read(tmp_path / "s.csv", batch_size=4096)


@pytest.mark.parametrize("labels", [[i / 2 for i in range(49)], [float(i) for i in range(80)], list(range(400))])
def test_numbers_may_be_classes(labels, tmp_path):
    pd.DataFrame({"text": [f"t{i}" for i in range(len(labels))], "label": labels}).to_parquet(tmp_path / "s.parquet")
    table, _ = read(tmp_path / "s.parquet", batch_size=4096)
    assert list(table["label"]) == [f"{label:g}" for label in labels]


def test_folder_of_files_is_one_source(tmp_path):
    for name in ("a.csv", "b.csv"):
        write_delimited(tmp_path, name=name)
    (tmp_path / "README.md").write_text("about")
    table, record = read(tmp_path)
    assert len(table) == 8
    assert (record["num_files"], record["ignored"]) == (2, ["README.md"])
    (tmp_path / "c.csv").write_text("text,stars\na,1\n")
    with pytest.raises(
        UnreadableSource, match=r"c\.csv has the columns text, stars, but a\.csv beside it has text, label"
    ):
        read(tmp_path)


@pytest.mark.parametrize("beside", ["folder_per_class", "jsonl", "parquet", "orange_tab"])
def test_two_layouts_in_one_folder_are_told(beside, tmp_path):
    write_delimited(tmp_path)
    WRITERS[beside](tmp_path)
    with pytest.raises(UnknownLayout, match=r"several layouts at once: .*delimited") as caught:
        read(tmp_path)
    assert beside in str(caught.value)


@pytest.mark.parametrize("name", [b"caf\xe9/1.txt", b"sports/caf\xe9.txt"])
def test_a_name_that_is_not_utf8_is_told(name, tmp_path):
    write_folder(tmp_path)
    file = tmp_path / "s" / os.fsdecode(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text("Text.")
    with pytest.raises(UnreadableSource, match=r"caf\\udce9.*is not UTF-8.*Rename it") as caught:
        read(tmp_path / "s")
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("name", "hint"), [("s.xlsx", "Save a spreadsheet as CSV"), ("s.json", "jq -c"), ("s.zip", "Unpack the archive")]
)
def test_unknown_layout(name, hint, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UnknownLayout, match=rf"{name}.*Allowed: .*\.csv.*{hint}"):
        open_source(Place.of(tmp_path / name), Columns("text", "label"))


def test_long_documents_come_in_small_batches(tmp_path):
    pd.DataFrame({"text": ["x" * 9_000_000] * 10, "label": list("ab") * 5}).to_json(
        tmp_path / "s.jsonl", orient="records", lines=True
    )
    reading = open_source(Place.of(tmp_path / "s.jsonl"), Columns("text", "label"))
    assert max(batch["text"].str.len().sum() for batch in reading.documents()) <= 41_000_000


def test_what_is_counted_of_the_labels_is_that_of_the_task(tmp_path):
    rows = [{"text": f"text {n}", "label": label} for n, label in enumerate(["a, b", "b", "", None])]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def read(task):
        reading = open_source(Place.of(tmp_path / "s.jsonl"), Columns("text", "label"), task=task, separator=",")
        (table,) = reading.documents()
        return reading.record()["labels"], table["label"].tolist()

    assert read("single_label") == ({"": 1, "(missing)": 1, "a, b": 1, "b": 1}, ["a, b", "b", "", None])
    assert read("multi_label") == ({"a": 1, "b": 2}, ["a, b", "b", "", None])  # as found


def test_measured_numbers_are_a_target_and_no_classes(tmp_path):
    rows = [{"text": f"text {n}", "label": (n + 0.5) / 7} for n in range(200)]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    place, columns = Place.of(tmp_path / "s.jsonl"), Columns("text", "label")
    with pytest.raises(UnusableLabels, match=r"holds measured numbers .*set task: regression"):
        list(open_source(place, columns).documents())
    reading = open_source(place, columns, task="regression")
    assert sum(map(len, reading.documents())) == 200
    assert reading.record()["labels"] == {}
