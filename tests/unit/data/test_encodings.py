"""Bytes that are not UTF-8 are read as what they most likely are, and none is lost."""

# ruff: noqa: RUF001 - texts in other scripts are the point

import codecs

import pytest

from textmill.data.sources import open_source
from textmill.data.sources.errors import UnreadableSource


def read(path):
    reading = open_source(path, "text", "label", None)
    return next(reading.documents()), reading.record()


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
