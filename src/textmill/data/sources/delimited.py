"""CSV and TSV, with or without a header line: one row a document, every column text.

text,label
"Smart, funny and moving",1
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from textmill.data.sources.csv_rows import (
    find_data_delimiter,
    find_header_delimiter,
    is_quoted,
    read_rows,
    sample_lines,
)
from textmill.data.sources.encodings import TextFile, list_re_encoded
from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import (
    ORIGIN,
    Options,
    Place,
    check_distinct,
    check_same_columns,
    in_batches,
    plain_suffix,
)
from textmill.data.sources.orange_tab import is_orange

TABBED = (".tsv", ".tab")
SUFFIXES = (".csv", *TABBED)
EXCEL_HINT = re.compile(r'"?sep=(.|\\t)?"?', re.IGNORECASE)  # a first line that names the delimiter
FIELD_COST = 64  # characters that a field counts for beside its own: a row of a million empty fields is large, too


@dataclass
class _Table:
    """One file and how it is cut into rows."""

    text: TextFile
    delimiter: str
    quoted: bool

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        return read_rows(self.text.lines(), self.text.path, self.delimiter, self.quoted)


class Delimited:
    """Delimiter, quoting, encoding and byte order mark are detected; fields may hold line breaks inside quotes.

    Without a header line the columns are named by their positions, "0", "1" and so on; so is a column whose name in
    the header is empty, as spreadsheets leave it.
    """

    complete = True

    def __init__(self, place: Place, options: Options) -> None:
        self.place = place
        self.header = options.header
        files = _find(place)
        self.num_files = len(files)
        self.ignored = place.others(files)
        self.notes: dict[str, object] = {}
        self.columns: list[str] = []
        self._first_file = place.root  # the one that the columns are of
        self._tables = [table for file in files if (table := self._open(file)) is not None]

    @staticmethod
    def fits(place: Place) -> bool:
        return bool(_find(place))

    @property
    def re_encoded(self) -> list[dict[str, str]]:
        """The files that are not UTF-8; complete after a pass."""
        return list_re_encoded(self.place, (table.text for table in self._tables))

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        columns = [*self.columns, ORIGIN]
        for table in self._tables:
            for batch in in_batches(self._rows(table), batch_size, _num_characters):
                yield pd.DataFrame(batch, columns=columns, dtype="str")

    def _open(self, file: Path) -> _Table | None:
        """The file's way of parting rows, None if it has none; its columns must be those of the files before."""
        text = TextFile(file)
        sample = sample_lines(text.lines())
        if not any(line.strip() for line in sample):
            if any(line.strip() for line in text.lines()):
                raise UnreadableSource(f"{file} begins with {len(sample)} empty lines. Remove them.")
            return None
        if EXCEL_HINT.fullmatch(sample[0].strip()):
            raise UnreadableSource(f"{file}, line 1, {sample[0].strip()!r}, speaks to Excel alone. Remove this line.")
        if self.header and not sample[0].strip():
            raise UnreadableSource(f"{file}, line 1, is empty. The first line must name the columns.")
        if plain_suffix(file) in TABBED:
            delimiter = "\t"
        else:
            delimiter = find_header_delimiter(sample[0]) if self.header else find_data_delimiter(sample, file)
        table = _Table(text, delimiter, is_quoted(text, delimiter))
        _, first = next((line, row) for line, row in table.rows() if row)
        found = [name.strip() or str(position) for position, name in enumerate(first)]
        if not self.header:
            found = [str(position) for position in range(len(first))]
        check_distinct(f"{file}, line 1", found)
        if self.columns:
            check_same_columns(self._first_file, self.columns, file, found)
        else:
            self.columns, self._first_file = found, file
        return table

    def _rows(self, table: _Table) -> Iterator[list[str]]:
        rows = table.rows()
        if self.header:
            next(rows)
        name = self.place.name(table.text.path)
        width = len(self.columns)
        for line, row in rows:
            if len(row) != width:
                if row:
                    raise self._uneven(table.text.path, line, row)
                if width > 1:
                    continue  # an empty line
                row = [""]  # how one empty field is written
            row.append(f"{name}:{line}")
            yield row

    def _uneven(self, file: Path, line: int, row: list[str]) -> UnreadableSource:
        named = f"the header names {len(self.columns)} ({', '.join(self.columns)})"
        return UnreadableSource(
            f"{file}, the row that begins at line {line}, has {len(row)} fields, but "
            f"{named if self.header else f'the first has {len(self.columns)}'}. Put fields with delimiters in double "
            "quotes, or mend the row."
        )


def _find(place: Place) -> list[Path]:
    """Orange's own `.tab` files are another layout."""
    return [file for file in place.find(SUFFIXES) if not is_orange(file)]


def _num_characters(row: list[str]) -> int:
    return sum(map(len, row)) + FIELD_COST * len(row)
