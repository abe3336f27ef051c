"""Parquet: any type of column, and files that are damaged."""

import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tiny_sources import read, write_parquet
from textmill.data.sources import Columns, Place, open_source
from textmill.data.sources.errors import UnreadableSource


def write(folder, **columns):
    pq.write_table(pa.table(columns), folder / "s.parquet")
    return folder / "s.parquet"


def test_nulls_and_integers_with_gaps(tmp_path):
    table, _ = read(write(tmp_path, text=["a", None], label=pa.array([1, None])))
    assert list(table["label"]) == ["1", None]
    assert list(table["text"]) == ["a", None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["x", None, "x"]).dictionary_encode(), ["x", None, "x"]),
        (pa.array(["x", None, "y"], pa.large_string()), ["x", None, "y"]),
        (pa.array([b"x", None, "ü".encode()]), ["x", None, "ü"]),
        (pa.array([True, None, False]), ["true", None, "false"]),
        (pa.array([1, None, 250], pa.uint8()), ["1", None, "250"]),
        (pa.array([1.0, None, 2.5]), ["1", None, "2.5"]),
        (pa.array([decimal.Decimal("1.00"), None, decimal.Decimal("2.50")]), ["1", None, "2.50"]),
        (pa.array([datetime.date(2024, 2, 29), None, datetime.date(1969, 1, 1)]), ["2024-02-29", None, "1969-01-01"]),
        (
            pa.array([datetime.datetime(2024, 2, 29, 12), None, datetime.datetime(2024, 3, 1)]),
            ["2024-02-29 12:00:00", None, "2024-03-01 00:00:00"],
        ),
        (pa.array([None, None, None], pa.null()), [None, None, None]),
    ],
)
def test_columns_of_any_type_as_text(values, expected, tmp_path):
    table, _ = read(write(tmp_path, text=["a", "b", "c"], label=values), batch_size=10)
    assert list(table["label"]) == expected
    table, _ = read(write(tmp_path, text=values, label=["a", "b", "c"]), batch_size=1)
    assert list(table["text"]) == expected


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            pa.array([["a"], ["b"]]),
            r"s\.parquet:1, column 'text': a text or label must be one value, found ndarray|list",
        ),
        (pa.array([{"x": 1}, {"x": 2}]), r"s\.parquet:1, column 'text'.*dict"),
        (pa.array([b"fine", b"\xff\xfe"]), r"s\.parquet:2, column 'text': bytes that are no text in UTF-8"),
    ],
)
def test_columns_that_are_no_text_are_told(values, said, tmp_path):
    with pytest.raises(UnreadableSource, match=said):
        read(write(tmp_path, text=values, label=["a", "b"]), batch_size=10)


def test_text_that_is_not_utf8_is_told(tmp_path):
    broken = pa.StringArray.from_buffers(2, pa.array(["fine", "xx"]).buffers()[1], pa.py_buffer(b"fine\xff\xfe"))
    with pytest.raises(UnreadableSource, match=r"among the rows 1 to 2.*UTF8"):
        read(write(tmp_path, text=broken, label=["a", "b"]))


def test_duplicate_column_names_are_told(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["text", "label", "text"])
    pq.write_table(table, tmp_path / "s.parquet")
    with pytest.raises(UnreadableSource, match="names a column twice: text"):
        read(tmp_path / "s.parquet")


@pytest.mark.parametrize("keep", [0, 4, 40, -1, -9, -60])
def test_truncated_files_are_told(keep, tmp_path):
    path = write_parquet(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UnreadableSource, match=r"s\.parquet is not a readable Parquet file, or was cut off"):
        read(path)


def test_damaged_pages_are_told(tmp_path):
    path = write_parquet(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 60 + content[64:])
    with pytest.raises(UnreadableSource, match=r"s\.parquet"):
        read(path)


def test_a_page_that_repeats_a_long_text_does_not_fill_the_memory(tmp_path):
    """One text of a megabyte, a million times: 50 KB on disk, a terabyte as texts."""
    indices = pa.array([0] * 1_000_000, pa.int32())
    path = write(tmp_path, text=pa.DictionaryArray.from_arrays(indices, ["x" * 1_000_000]), label=["a"] * 1_000_000)
    assert path.stat().st_size < 60_000
    reading = open_source(Place.of(path), Columns("text", "label"))
    with pytest.raises(UnreadableSource, match="over 1000 times its size on disk"):
        for batch in reading.documents():
            assert 0 < len(batch) <= 33  # megabytes


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_row_groups_that_repeat_and_others_come_out_alike(kind, tmp_path):
    """A row group of few texts is read by its dictionary, one of many texts is not."""
    texts = ["same"] * 50 + [f"{number} " + "different " * 20 for number in range(50)] + [None] * 50 + ["same"] * 50
    table = pa.table({"text": pa.array(texts, pa.string()).cast(kind), "label": ["a", "b"] * 100})
    pq.write_table(table, tmp_path / "s.parquet", row_group_size=50)
    for batch_size in (7, 70, 1000):
        found, _ = read(tmp_path / "s.parquet", batch_size=batch_size)
        assert list(found["text"]) == texts


def test_compressed_parquet_is_told(tmp_path):
    write_parquet(tmp_path).rename(tmp_path / "s.parquet.gz")
    with pytest.raises(UnreadableSource, match="compressed in itself"):
        read(tmp_path / "s.parquet.gz")
