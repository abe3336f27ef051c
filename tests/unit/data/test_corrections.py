"""Corrections survive a spreadsheet; a file that is not what it should be is told by line and value."""

import csv
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.artifacts import CORRECTIONS
from textmill.data.corrections import (
    MAX_TEXT,
    REVIEW_COLUMNS,
    UnusableCorrections,
    guard,
    read_corrections,
    read_decisions,
    unguard,
    write_review,
)

HEADER = "id,label,corrected\n"
# Labels and ids that a spreadsheet computes or retypes when it opens a CSV.
TOUCHY = ["=1+1", "+1", "-1", "@sum", "true", "FALSE", "007", "1.0", "1e5", "1-2", "3/4", "12:30", "2024-05-31", "50,5"]
TOUCHY += ["1234567890123456", "1234567890123e45", "MARCH1", "1-Jan", "\tx", "'=1+1", "''-1"]
PLAIN = [
    "positive",
    "0",
    "1",
    "42",
    "sci.space",
    "20ng",
    "it's",
    "'tis",
    "true story",
    "ä;b",
    "maybe",
    "3f0c9a5e7d214b68",
]


def issues(labels, corrected):
    count = len(labels)
    return pd.DataFrame(
        {
            "rank": range(1, count + 1),
            "id": [f"{number:016x}" for number in range(count)],
            "text": 'Smart, "funny"\nand moving',
            "label": labels,
            "suggested": labels[::-1],
            "confidence": 0.97,
            "self_confidence": 0.02,
            "corrected": corrected,
        }
    )


def retype(value):
    """What a spreadsheet makes of a cell of a CSV: formulas are computed, numbers lose digits, dates change."""
    if re.match(r"[=+\-@]", value):
        return "#NAME?"
    if re.fullmatch(r"\d+(e\d+|[.,]\d+)?", value, re.IGNORECASE):
        number = float(value.replace(",", "."))
        return str(int(number)) if number.is_integer() and number < 1e11 else f"{number:.5E}"
    if value.lower() in ("true", "false"):
        return value.upper()
    return "02. Jan" if re.search(r"^\d+[-/:]|(?i:^(jan|mar)\D*\d)", value) else value


def through_a_spreadsheet(path):
    """Saves the file as a spreadsheet of a country with decimal commas does: semicolons, everything quoted."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [[retype(field) for field in row] for row in csv.reader(file)]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL).writerows([*rows, [""] * len(rows[0])])


@pytest.mark.parametrize("value", TOUCHY)
def test_touchy_values_are_guarded(value):
    assert guard(value) == f"'{value}"
    assert unguard(guard(value)) == value


@pytest.mark.parametrize("value", PLAIN)
def test_plain_values_are_left_alone(value):
    assert guard(value) == unguard(value) == value


@given(st.one_of(st.text(), st.from_regex(r"'{0,3}[=+\-@\d.e ]{0,5}", fullmatch=True)))
def test_a_guard_is_always_taken_off_again(value):
    assert unguard(guard(value)) == value
    assert guard(value)[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])).map(str.strip).filter(bool), min_size=2, unique=True))
def test_any_label_comes_back(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("any") / "review.csv"
    write_review(path, issues(labels, labels[1:] + labels[:1]))
    found = read_corrections(path)
    assert found["label"].tolist() == labels
    assert found["corrected"].tolist() == labels[1:] + labels[:1]


def test_a_spreadsheet_does_no_harm(tmp_path):
    labels = TOUCHY + PLAIN
    table = issues(labels, labels[1:] + labels[:1])
    table["id"] = [f"{number:016d}" for number in range(len(labels))]  # ids of digits alone
    write_review(tmp_path / "review.csv", table)
    expected = read_corrections(tmp_path / "review.csv")
    through_a_spreadsheet(tmp_path / "review.csv")
    found = read_corrections(tmp_path / "review.csv")
    pd.testing.assert_frame_equal(found, expected)
    kept = [label.strip() for label in labels]  # cleaned labels are trimmed
    assert found["label"].str.strip().tolist() == kept
    assert found["id"].tolist() == table["id"].tolist()
    assert found.columns.tolist() == CORRECTIONS.names


def test_what_is_written_is_for_people(tmp_path):
    table = issues(["p", "n", "p"], ["n", None, ""])
    table["text"] = ["=HYPERLINK(1)", "word " * 1000, "two\r\nlines"]
    write_review(tmp_path / "review.csv", table)
    assert (tmp_path / "review.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # or Excel reads it as cp1252
    found = pd.read_csv(tmp_path / "review.csv", dtype=str, keep_default_na=False)
    assert tuple(found) == REVIEW_COLUMNS
    assert found["text"][0] == "'=HYPERLINK(1)"
    assert len(found["text"][1]) == MAX_TEXT
    assert found["text"][1].endswith("…")
    assert found["text"][2] == "two lines"
    assert found.loc[0, ["rank", "confidence", "self_confidence"]].tolist() == ["1", "0.9700", "0.0200"]
    assert found["corrected"].tolist() == ["n", "", ""]


def test_earlier_decisions_are_kept_above(tmp_path):
    kept = pd.DataFrame({"id": ["a"], "label": ["-1"], "corrected": ["+1"]})
    write_review(tmp_path / "review.csv", issues(["p"], [None]), kept)
    found = pd.read_csv(tmp_path / "review.csv", dtype=str, keep_default_na=False)
    assert found["id"].tolist() == ["a", "'0000000000000000"]
    assert found["rank"].tolist() == ["", "1"]
    pd.testing.assert_frame_equal(read_corrections(tmp_path / "review.csv"), kept.astype("str"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADER + "a,p,n\nb,p,\nc,p,p\n", [("a", "p", "n")]),  # blank, and found right
        ("corrected;x;Label ;ID\n n ;;p;a\n;;;\n", [("a", "p", "n")]),  # any order, more columns, blank rows
        ("id\tlabel\tcorrected\na\tp\tn\n", [("a", "p", "n")]),
        (HEADER + "a,p,n\na,p,n\na,p,\n", [("a", "p", "n")]),  # the same twice
        ('id,label,corrected,text\na,p,n,"two\nlines, and ""quotes"""\n', [("a", "p", "n")]),
        (HEADER + "a,true,FALSE\nb,false,true\n", [("a", "true", "false"), ("b", "false", "true")]),
        (HEADER + "a,true,TRUE\n", []),
        (HEADER + "a,TRUE,true\nb,true,FALSE\n", [("a", "TRUE", "true"), ("b", "true", "FALSE")]),  # two spellings
        (HEADER, []),
    ],
)
def test_reading(tmp_path, text, expected):
    (tmp_path / "review.csv").write_text(text, encoding="utf-8")
    found = read_corrections(tmp_path / "review.csv")
    assert list(found.itertuples(index=False, name=None)) == expected
    assert (found.dtypes == "str").all()


def test_labels_found_right_are_decisions(tmp_path):
    (tmp_path / "review.csv").write_text(HEADER + "a,p,n\nb,p,\nc,p,p\n")
    assert read_decisions(tmp_path / "review.csv")["id"].tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1, lacks the column\(s\) id, label, corrected"),
        (b"id,text,label\n", r"line 1, lacks the column\(s\) corrected; it names 'id, text, label'"),
        (b"id,label,label,corrected\n", r"line 1, names a column twice: label"),
        (b"id,label,corrected\na,p,n\na,p,q\n", r"document a is corrected to 'n' in line 2, and to 'q' in line 3"),
        (b"id,label,corrected\n\n,p,n\n", r"line 3: corrected is 'n', but id is empty"),
        (b"id,label,corrected\na,,n\n", r"line 2: corrected is 'n', but label is empty"),
        (b"id,label,corrected\na,p,n\nb,p\n", r"begins at line 3, has 2 fields, but the first line names 3"),
        (b'id,label,corrected\na,p,"n\n', r"begins at line 2, is broken: unexpected end of data"),
        (b'id,label,corrected\na,p,"n" x\n', r"begins at line 2, is broken: ',' expected"),
        ("id,label,corrected\na,café,n\n".encode("cp1252"), r"line 2, is not UTF-8 \(near 'a,caf\\\\xe9,n"),
        ("id,label,corrected\n".encode("utf-16"), r"is UTF-16. Save it as CSV in UTF-8"),
    ],
)
def test_a_broken_file_is_told(tmp_path, content, message):
    (tmp_path / "review.csv").write_bytes(content)
    with pytest.raises(UnusableCorrections, match=message):
        read_corrections(tmp_path / "review.csv")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UnusableCorrections, match=r"data\.label_corrections: .*no\.csv cannot be read \(No such file"):
        read_corrections(tmp_path / "no.csv")
    with pytest.raises(UnusableCorrections, match=r"cannot be read \(Is a directory"):
        read_corrections(tmp_path)


@given(st.binary(max_size=300).map(lambda rest: b"id,label,corrected\n" + rest))
def test_any_bytes_are_read_or_told(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "review.csv"
    path.write_bytes(content)
    try:
        found = read_corrections(path)
    except UnusableCorrections:
        return
    assert found["id"].is_unique
    assert (found["corrected"] != found["label"]).all()
