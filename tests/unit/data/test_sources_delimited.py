"""CSV and TSV as tools and people write them, and what is wrong with them told by line."""

import csv

import pandas as pd
import pytest

from tests.tiny_sources import ROWS, read, write_delimited
from textmill.data.sources.errors import MissingColumn, UnreadableSource


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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\na,0\nb,1,extra\n", r"line 3, has 3 fields, but the header names 2 \(text, label\)"),
        ("text,label\na,0\nb\n", "line 3, has 1 fields"),
        ('text,label\na,0\n"never closed,1\nc,0\n', "line 3, is broken"),
        ('text,label\n"a" b,0\n', "line 2, is broken"),
        ("text,text\na,b\n", "line 1, names a column twice: text"),
        ("text,(origin)\na,b\n", r"names a column \(origin\), which has a meaning"),
        ("\ntext,label\na,0\n", "line 1, is empty"),
        ("\ufeffsep=,\r\ntext,label\r\na,0\r\n", "line 1, 'sep=,', speaks to Excel alone"),
        ("sep=\t\ntext\tlabel\na\t0\n", "line 1, 'sep=', speaks to Excel alone"),
        ("text,label\ra,0\r", r"line 1, is broken: .*rows end in a line feed"),
        ("text,label\na\0b,0\n", "line 2, holds a NUL byte"),
        ("text,label\n" + "a,0\n" * 500_000 + "a\0b,0\n", "line 500002, holds a NUL byte"),
    ],
)
def test_broken_rows_are_told_by_line(content, said, tmp_path):
    (tmp_path / "s.csv").write_bytes(content.encode())
    with pytest.raises(UnreadableSource, match=said):
        read(tmp_path / "s.csv", batch_size=100_000)


@pytest.mark.parametrize("name", ["s.tsv", "s.tab"])
def test_the_ending_says_tab(name, tmp_path):
    (tmp_path / name).write_text("text\tlabel,with,commas\na,b,c\t1\n")
    table, record = read(tmp_path / name, label="label,with,commas")
    assert list(table["text"]) == ["a,b,c"]
    assert (record["layout"], record["columns"]) == ("delimited", ["text", "label,with,commas"])


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


def test_columns_that_a_spreadsheet_leaves_unnamed_are_named_by_position(tmp_path):
    (tmp_path / "s.csv").write_bytes("text;label;;\r\nfein;1;;\r\n„gut“, sagt er;0;;\r\n".encode("utf-8-sig"))
    table, record = read(tmp_path / "s.csv")
    assert record["columns"] == ["text", "label", "2", "3"]
    assert list(table["text"]) == ["fein", "„gut“, sagt er"]


BARE = [
    ("s.tsv", "\t", ["ham", "spam"], ["Go until jurong point, crazy..", "Free entry; text now!"]),
    ("s.csv", "\t", ["ham", "spam"], ["Go until jurong point, crazy..", "Free entry; text now!"]),
    ("s.csv", ";", ["1", "0"], ["a, b, c", "d"]),
    ("s.csv", "|", ["1", "0"], ["a, b", "d, e"]),
    ("s.csv", ",", ["1", "0"], ["ab", "de"]),
]


@pytest.mark.parametrize(("name", "delimiter", "labels", "texts"), BARE)
def test_bare_lines_without_a_header(name, delimiter, labels, texts, tmp_path):
    (tmp_path / name).write_text("".join(f"{y}{delimiter}{t}\n" for y, t in zip(labels, texts, strict=True)))
    table, record = read(tmp_path / name, text=1, label=0, header=False)
    assert list(table["label"]) == labels
    assert list(table["text"]) == texts
    assert list(table["origin"]) == [f"{name}:1", f"{name}:2"]
    assert (record["columns"], record["header"]) == (["0", "1"], False)


def test_quoted_fields_without_a_header(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "s.csv", header=False, index=False, quoting=csv.QUOTE_ALL)
    table, _ = read(tmp_path / "s.csv", text="0", label="1", header=False)
    assert list(zip(table["text"], table["label"], strict=True)) == ROWS


def test_long_documents_without_a_header(tmp_path):
    (tmp_path / "s.csv").write_text(f'"{"a; b, c " * 50_000}",1\n"short; text, here",0\n')
    table, _ = read(tmp_path / "s.csv", text=0, label=1, header=False)
    assert list(table["text"].str.len()) == [400_000, 17]


def test_lines_that_no_delimiter_cuts_alike_are_told(tmp_path):
    (tmp_path / "s.csv").write_text("a, b\nc\nd, e, f\n")
    with pytest.raises(UnreadableSource, match=r"no delimiter .* the same number of fields"):
        read(tmp_path / "s.csv", text=0, label=1, header=False)


def test_a_first_line_that_is_a_document_points_to_the_header_key(tmp_path):
    (tmp_path / "s.tsv").write_text("Go until jurong point, crazy.. Available only in bugis\tham\nFree entry\tspam\n")
    with pytest.raises(MissingColumn, match=r"looks like a document.*data\.header: false"):
        read(tmp_path / "s.tsv")
    with pytest.raises(MissingColumn, match=r"Its columns: 0, 1\..*data\.header is false"):
        read(tmp_path / "s.tsv", header=False)


def test_quotes_in_a_tab_separated_file_are_characters_where_they_part_nothing(tmp_path):
    lines = ['"Great" he said\tpos', '"never closed\tneg', 'plain 5" disk\tpos', 'ends here"\tneg']
    (tmp_path / "s.tsv").write_text("text\tlabel\n" + "".join(line + "\n" for line in lines))
    table, _ = read(tmp_path / "s.tsv")
    assert list(table["text"]) == [line.split("\t")[0] for line in lines]


def test_quotes_in_a_tab_separated_file_that_a_tool_wrote_hold_fields_together(tmp_path):
    table, _ = read(write_delimited(tmp_path, "\t", name="s.tsv"))
    assert list(zip(table["text"], table["label"], strict=True)) == ROWS
    pd.DataFrame([('"a" b', "x"), ("c\td", "y")], columns=["text", "label"]).to_csv(
        tmp_path / "t.tsv", sep="\t", index=False
    )
    assert list(read(tmp_path / "t.tsv")[0]["text"]) == ['"a" b', "c\td"]


def test_a_line_of_a_million_characters_is_read(tmp_path):
    pd.DataFrame({"text": ["x" * 1_000_000, "y"], "label": [0, 1]}).to_csv(tmp_path / "s.csv", index=False)
    assert list(read(tmp_path / "s.csv")[0]["text"].str.len()) == [1_000_000, 1]


def test_a_document_of_50_mb_is_read(tmp_path):
    (tmp_path / "s.csv").write_text("text,label\n" + '"' + "long words\n" * 4_600_000 + '",1\nshort,0\n')
    table, _ = read(tmp_path / "s.csv")
    assert list(table["text"].str.len()) == [50_600_000, 5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "line", "said"),
    [
        (b'text,label\na,0\n"', b"never closed,1\n", r"line 3, is broken: field larger than field limit"),
        (b"text,label\na,0\n", b"no line end ", r"line 3, is longer than 128 MB"),
    ],
)
def test_a_field_or_line_beyond_all_documents_is_told_before_it_fills_the_memory(before, line, said, tmp_path):
    with (tmp_path / "s.csv").open("wb") as file:
        file.write(before)
        for _ in range(150):
            file.write(line * (1_000_000 // len(line)))
    with pytest.raises(UnreadableSource, match=said):
        read(tmp_path / "s.csv")
