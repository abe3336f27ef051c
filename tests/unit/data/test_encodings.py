"""Bytes that are not UTF-8 are read as what they most likely are, and none is lost."""

# ruff: noqa: RUF001 - texts in other scripts are the point

import pytest

from textmill.data.sources import open_source


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
