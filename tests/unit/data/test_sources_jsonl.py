"""JSON Lines: values of any type, keys that come late, and broken lines told by number."""

import json

import pandas as pd
import pytest

from tests.tiny_sources import read
from textmill.data.sources.errors import MissingColumn, UnreadableSource


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("9" * 5000, "line 2, cannot be read as JSON: .*4300 digits"),
        ("[" * 100_000, "line 2, cannot be read as JSON: .*recursion"),
        ("{broken", "line 2, cannot be read as JSON"),
        ("[1]", "line 2, is a JSON list"),
        ("null", "JSON NoneType"),
        ('{"text": "a", "label": 1, "text": "b"}', "line 2, .*the key 'text' stands twice in one object"),
        ('{"text": "a", "(origin)": 1}', r"line 2, has the key \(origin\)"),
        ('{"text": "a\0"}', "line 2, holds a NUL byte"),
        (json.dumps({f"key {number}": 1 for number in range(10_001)}), "line 2: so far there are 10003 different keys"),
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
        {"text": "nul \0", "label": 12345678901234567890123},
        {"text": "\ud83d\ude00", "label": 2**63},
    ]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table, record = read(tmp_path / "s.jsonl", batch_size=10)
    assert list(table["label"]) == ["true", "1", "x", None, "12345678901234567890123", str(2**63)]
    assert list(table["text"]) == ["a", "b", None, "\ufffd!", "nul \0", "😀"]
    assert record["labels"]["(missing)"] == 1


@pytest.mark.parametrize("value", [["a"], {"a": 1}, ["\ud83d"]])
def test_nested_value_is_told_with_its_row(value, tmp_path):
    (tmp_path / "s.jsonl").write_text(json.dumps({"text": value, "label": 1}) + "\n")
    with pytest.raises(UnreadableSource, match=r"s\.jsonl:1, column 'text'.*(list|dict)") as caught:
        read(tmp_path / "s.jsonl")
    str(caught.value).encode()  # it can be printed


def test_a_column_may_come_late(tmp_path):
    rows = [{"text": f"t{i}", "label": i % 2} for i in range(10)] + [{"text": "late", "label": 0, "stars": 5}]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table, record = read(tmp_path / "s.jsonl", slices=("stars",))
    assert list(table["slice_stars"]) == [None] * 10 + ["5"]
    assert record["rows_in_source"] == 11
    table, _ = read(tmp_path / "s.jsonl", where="stars == 5")
    assert list(table["text"]) == ["late"]
    with pytest.raises(MissingColumn, match=r"data\.group .*'author'.*Its columns: text, label, stars"):
        read(tmp_path / "s.jsonl", group="author")


def test_what_pandas_writes_is_read(tmp_path):
    table = pd.DataFrame({"text": ["ä\u2028b", 'q"', "line\nbreak"], "label": ["x", "y", None]})
    for ascii_only in (True, False):
        table.to_json(tmp_path / "s.jsonl", orient="records", lines=True, force_ascii=ascii_only)
        found, _ = read(tmp_path / "s.jsonl")
        assert list(found["text"]) == list(table["text"])
        assert list(found["label"]) == ["x", "y", None]
