"""CSV and TSV with a header line: one row a document, every column text.

text,label
"Smart, funny and moving",1
"""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd

from textmill.data.sources.encodings import UTF8, decode_lines, detect_encoding
from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import ORIGIN, check_same_columns, find_files, find_others

TABBED = (".tsv", ".tab")
SUFFIXES = (".csv", *TABBED)
DELIMITERS = (",", ";", "\t", "|")
MAX_FIELD = 2**31 - 1  # the csv module's own limit of 131,072 characters is less than a long document


class Delimited:
    """Delimiter, encoding and byte order mark are detected; fields may hold line breaks inside quotes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = find_files(path, SUFFIXES)
        self.num_files = len(self.files)
        self.columns: list[str] = []
        self.re_encoded: list[dict[str, str]] = []
        self.ignored = find_others(path, self.files)

    @staticmethod
    def fits(path: Path) -> bool:
        return bool(find_files(path, SUFFIXES))

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        for file in self.files:
            rows = self._rows(file)
            while batch := list(islice(rows, batch_size)):
                yield pd.DataFrame(batch, columns=[*self.columns, ORIGIN], dtype="str")

    def _rows(self, file: Path) -> Iterator[list[str]]:
        encoding = detect_encoding(file)
        if encoding != UTF8:
            self.re_encoded.append({"file": file.name, "encoding": encoding})
        header = next(decode_lines(file, encoding), "")
        if not header.strip():
            if next((line for line in decode_lines(file, encoding) if line.strip()), None) is None:
                return  # an empty file has no rows; Reading says so if there is nothing else
            raise UnreadableSource(f"{file}, line 1, is empty. The first line must name the columns.")
        csv.field_size_limit(MAX_FIELD)
        start = 1
        try:
            delimiter = "\t" if file.suffix.lower() in TABBED else _find_delimiter(header)
            reader = csv.reader(decode_lines(file, encoding), delimiter=delimiter, strict=True)
            self._read_header(file, next(reader))
            start = reader.line_num + 1
            for row in reader:
                if not row and len(self.columns) == 1:
                    row = [""]  # how one empty field is written
                if row:
                    _check_width(file, start, row, self.columns)
                    yield [*row, f"{file.name}:{start}"]
                start = reader.line_num + 1
        except csv.Error as error:
            raise UnreadableSource(
                f"{file}, the row that begins at line {start}, is broken: {error}. A field with quotes, delimiters "
                "or line breaks must stand in double quotes, each quote inside it doubled; rows end in a line feed."
            ) from None

    def _read_header(self, file: Path, names: list[str]) -> None:
        names = [name.strip() for name in names]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise UnreadableSource(f"{file}, line 1, names a column twice: {', '.join(repeated)}. Rename one of them.")
        if self.columns:
            check_same_columns(self.files[0], self.columns, file, names)
        self.columns = names


def _find_delimiter(header: str) -> str:
    """The delimiter that cuts the header into the most columns; the comma where there is but one column."""
    return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader([header], delimiter=delimiter))))


def _check_width(file: Path, line: int, row: list[str], columns: list[str]) -> None:
    if len(row) != len(columns):
        raise UnreadableSource(
            f"{file}, the row that begins at line {line}, has {len(row)} fields, but the header names {len(columns)} "
            f"({', '.join(columns)}). Put fields with delimiters in double quotes, or mend the row."
        )
