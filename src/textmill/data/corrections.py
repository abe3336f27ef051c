"""Label corrections: a CSV that is written for a spreadsheet and read back, whatever the spreadsheet did to it.

rank,id,text,label,suggested,confidence,self_confidence,corrected
1,3f0c9a5e7d214b68,"Smart, funny and moving",negative,positive,0.97,0.02,positive

A spreadsheet computes what begins like a formula, and retypes what looks like a number, a date or a truth value
(an id of digits loses its last ones). Such values are written after an apostrophe, which makes them text; reading
takes it off again. (https://owasp.org/www-community/attacks/CSV_Injection)
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as short
from typing import Any

import pandas as pd

from textmill.artifacts import CORRECTIONS, atomic
from textmill.errors import UserError

REVIEW_COLUMNS = ("rank", "id", "text", "label", "suggested", "confidence", "self_confidence", "corrected")
MAX_TEXT = 1000  # characters of a text in the CSV
_GUARD = "'"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_RETYPED = re.compile(
    rf"""{_GUARD}*(?:
        [=+\-@\t\r\n].*                              # a formula
        | true | false
        | (?!(?:0|[1-9]\d{{0,14}})\Z) [\d.,][\d.,:/\ -]*   # a number or date; short whole numbers come back as they are
        | \d+ e \d+
        | \d+ \W? {_MONTH} .* | {_MONTH} \W? \d+ .*
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_DELIMITERS = (",", ";", "\t")
_MAX_FIELD = 2**31 - 1  # the csv module's own limit of 131,072 characters is less than a long text
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class UnusableCorrections(UserError):
    """The CSV with label corrections is missing, broken, or contradicts itself."""


def guard(value: str) -> str:
    """The value with an apostrophe before it if a spreadsheet would compute or retype it."""
    return _GUARD + value if _RETYPED.fullmatch(value) else value


def unguard(value: str) -> str:
    """What `guard` was given."""
    return value[1:] if value.startswith(_GUARD) and _RETYPED.fullmatch(value) else value


def write_review(path: Path, issues: pd.DataFrame, kept: pd.DataFrame | None = None) -> None:
    """Write doubtful labels for a person to correct: UTF-8 with the mark that spreadsheets want, texts cut short.

    Args:
        issues: the columns of REVIEW_COLUMNS; `corrected` is empty or None where there is nothing yet.
        kept: earlier decisions (id, label, corrected) that stay in the file, above the others.
    """
    rows = pd.concat([issues.iloc[:0] if kept is None else kept, issues])
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(REVIEW_COLUMNS)
        for row in rows.reindex(columns=list(REVIEW_COLUMNS)).itertuples(index=False):
            writer.writerow(map(_cell, REVIEW_COLUMNS, row))


def _cell(column: str, value: Any) -> str:
    if pd.isna(value):
        return ""
    if column == "rank":
        return str(int(value))
    if column in ("confidence", "self_confidence"):
        return f"{value:.4f}"
    return guard(_shorten(value) if column == "text" else value)


def read_corrections(path: Path) -> pd.DataFrame:
    """The labels that the CSV of `textmill labels review` replaces.

    A blank `corrected`, or one that equals the label, leaves the label as it is and is not returned. Other columns
    than id, label and corrected are not looked at, and no value is ever computed.

    Returns:
        id, label (as it was when it was reviewed) and corrected, in the order of the file, each id once.

    Raises:
        UnusableCorrections: see read_decisions.
    """
    decisions = read_decisions(path)
    return decisions[decisions["corrected"] != decisions["label"]].reset_index(drop=True)


def read_decisions(path: Path) -> pd.DataFrame:
    """The same with the labels that were found right, where `corrected` repeats the label.

    Raises:
        UnusableCorrections: the file cannot be read, is not UTF-8 or no CSV, lacks a column, gives a correction
            without its id or label, or corrects one document in two ways.
    """
    found: dict[str, tuple[int, str, str]] = {}
    known: set[str] = set()
    for line, row in _rows(path):
        identifier, label, corrected = (row[name] for name in CORRECTIONS.names)
        known.update(filter(None, (label, row.get("suggested", ""))))
        if not corrected:
            continue
        for name in ("id", "label"):
            if not row[name]:
                raise UnusableCorrections(
                    f"{path}, line {line}: corrected is {short(corrected)}, but {name} is empty. Write it as "
                    "`textmill labels review` had it, or empty corrected."
                )
        first, _, other = found.setdefault(identifier, (line, label, corrected))
        if other != corrected:
            raise UnusableCorrections(
                f"{path}: document {identifier} is corrected to {short(other)} in line {first}, and to "
                f"{short(corrected)} in line {line}. Remove one of them."
            )
    rows = [(identifier, label, _as_spelt(corrected, known)) for identifier, (_, label, corrected) in found.items()]
    return pd.DataFrame(rows, columns=CORRECTIONS.names, dtype="str")


def _as_spelt(corrected: str, known: set[str]) -> str:
    """A truth value as the labels spell it: a spreadsheet makes TRUE of a true that is typed in."""
    if corrected in known or corrected.lower() not in ("true", "false"):
        return corrected
    spellings = [label for label in known if label.lower() == corrected.lower()]
    return spellings[0] if len(spellings) == 1 else corrected


def _shorten(text: str) -> str:
    """One line of at most MAX_TEXT characters."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Every row that is not blank, with the number of its first line; values trimmed, without their guard."""
    lines = _lines(path)
    header = next(lines, "")
    csv.field_size_limit(_MAX_FIELD)
    delimiter = max(_DELIMITERS, key=header.count)
    columns = _columns(path, next(csv.reader([header], delimiter=delimiter), []))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 2
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                if len(fields) != len(columns):
                    raise UnusableCorrections(
                        f"{path}, the row that begins at line {start}, has {len(fields)} fields, but the first line "
                        f"names {len(columns)} ({', '.join(columns)}). Put a field with {delimiter!r} in double quotes."
                    )
                yield start, {name: unguard(field.strip()) for name, field in zip(columns, fields, strict=True)}
            start = reader.line_num + 2
    except csv.Error as error:
        raise UnusableCorrections(
            f"{path}, the row that begins at line {start}, is broken: {error}. A field with quotes or line breaks "
            "must stand in double quotes, each quote inside it doubled."
        ) from None


def _columns(path: Path, header: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    if missing := [name for name in CORRECTIONS.names if name not in columns]:
        raise UnusableCorrections(
            f"{path}, line 1, lacks the column(s) {', '.join(missing)}; it names {short(', '.join(columns))}. "
            "`textmill labels review` writes a CSV that has them, with commas, semicolons or tabs between the columns."
        )
    if repeated := [name for name in CORRECTIONS.names if columns.count(name) > 1]:
        raise UnusableCorrections(f"{path}, line 1, names a column twice: {', '.join(repeated)}. Rename one of them.")
    return columns


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1 and line.startswith(_UTF16):
                    raise UnusableCorrections(f"{path} is UTF-16. Save it as CSV in UTF-8.")
                yield _decode(path, number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
    except OSError as error:
        raise UnusableCorrections(
            f"data.label_corrections: {path} cannot be read ({error.strerror}). `textmill labels review` writes such a "
            "file; null in params.yaml corrects nothing."
        ) from None


def _decode(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        seen = line[max(0, error.start - 20) : error.end + 20].decode("ascii", "backslashreplace")
        raise UnusableCorrections(
            f"{path}, line {number}, is not UTF-8 (near {seen!r}). Save it as CSV in UTF-8: in Excel, "
            "'CSV UTF-8'; in LibreOffice, 'Unicode (UTF-8)' as character set."
        ) from None
