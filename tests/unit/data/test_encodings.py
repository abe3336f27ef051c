"""Bytes that are not UTF-8 are read as what they most likely are, and none is lost."""

# ruff: noqa: RUF001 - texts in other scripts are the point

import codecs

import pytest

from tests.tiny_sources import read as read_small
from textmill.data.sources.encodings import TextFile
from textmill.data.sources.errors import UnreadableSource


def read(path):
    return read_small(path, batch_size=1000)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "The ticket costs £15.8m, said the café owner – “fine”, he added"),
        ("cp1251", "Это очень хороший фильм, я советую всем его посмотреть"),
        ("cp1250", "Zażółć gęślą jaźń, powiedział stary żółw do młodej żaby"),
        ("cp932", "これはとても良い映画でした。もう一度見たいと思います。"),
    ],
)
def test_other_encodings_lose_nothing(encoding, text, tmp_path):
    path = tmp_path / "s.csv"
    path.write_bytes(b"text,label\nplain,0\n" + f"{text},1\n".replace(", ", " ").encode(encoding))
    table, record = read(path)
    assert table["text"][1] == text.replace(", ", " ")
    assert [entry["file"] for entry in record["re_encoded"]] == ["s.csv"]


def test_a_foreign_line_leaves_the_utf8_lines_alone(tmp_path):
    path = tmp_path / "s.csv"
    path.write_bytes("text,label\nGröße 日本,0\n".encode() + "it costs £5 at the café,1\n".encode("cp1252"))
    table, record = read(path)
    assert list(table["text"]) == ["Größe 日本", "it costs £5 at the café"]
    assert record["re_encoded"] == [{"file": "s.csv", "encoding": "cp1252"}]


def test_a_foreign_byte_after_the_mark_of_utf8(tmp_path):
    path = tmp_path / "s.csv"
    content = codecs.BOM_UTF8 + b"text,label\nit costs \xa35 at the caf\xe9,1\n" + "Größe 日本,0\n".encode()
    path.write_bytes(content)
    table, record = read(path)
    assert list(table["text"]) == ["it costs £5 at the café", "Größe 日本"]
    assert record["columns"] == ["text", "label"]
    assert record["re_encoded"] == [{"file": "s.csv", "encoding": "cp1252"}]


def test_utf16_that_was_cut_off_is_told(tmp_path):
    path = tmp_path / "s.csv"
    path.write_bytes("text,label\na,1\n".encode("utf-16")[:-1])
    with pytest.raises(UnreadableSource, match=r"s\.csv begins with the mark of utf-16.*cut off"):
        read(path)


def test_a_foreign_line_far_into_the_file_is_found(tmp_path):
    path = tmp_path / "s.csv"
    plain = b"".join(b"document %d of many,0\n" % number for number in range(100_000))  # more than one block
    path.write_bytes(b"text,label\n" + plain + "Größe,1\nit costs £5 at the café,1\n".encode("cp1252"))
    table, record = read(path)
    assert list(table["text"][-2:]) == ["Größe", "it costs £5 at the café"]
    assert list(table["origin"][-2:]) == ["s.csv:100002", "s.csv:100003"]
    assert record["re_encoded"] == [{"file": "s.csv", "encoding": "cp1252"}]


def test_two_foreign_encodings_lose_no_line(tmp_path):
    path = tmp_path / "s.csv"
    lines = [
        "it costs £5 at the café,0\n".encode("cp1252"),
        "очень хороший фильм,1\n".encode("cp1251"),
        "日本,1\n".encode(),
    ]
    path.write_bytes(b"text,label\n" + b"".join(lines))
    table, record = read(path)
    assert len(table) == 3
    assert table["text"][2] == "日本"
    assert len(record["re_encoded"]) == 1


def test_a_line_that_no_encoding_fits_is_told(tmp_path):
    path = tmp_path / "s.csv"
    japanese = "これはとても良い映画でした。もう一度見たいと思います。,1\n".encode("cp932")
    path.write_bytes(b"text,label\n" + japanese * 20 + b"\x81\xff\xa0 broken,0\n")
    with pytest.raises(UnreadableSource, match=r"s\.csv, line 2, is not UTF-8, and no other encoding fits"):
        read(path)
    path.write_bytes(b"text,label\n" + japanese * 2000 + b"\x81\xff\xa0 broken,0\n")  # detection looks at the first
    with pytest.raises(UnreadableSource, match=r"s\.csv, line 2002, is neither UTF-8 nor cp932"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_lines_end_in_a_line_feed_alone(encoding, tmp_path):
    lines = ["form\ffeed and \u2028 separator\n", "return \r inside\r\n", "\n", "last"]
    for name in (encoding, "utf-8-sig", "utf-8"):
        (tmp_path / "s.txt").write_bytes("".join(lines).encode(name))
        assert list(TextFile(tmp_path / "s.txt").lines()) == lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_nul_is_told_with_its_line(encoding, tmp_path):
    (tmp_path / "s.txt").write_bytes("a\nb\nc\0\n".encode(encoding))
    with pytest.raises(UnreadableSource, match="line 3, holds a NUL byte"):
        list(TextFile(tmp_path / "s.txt").lines())
