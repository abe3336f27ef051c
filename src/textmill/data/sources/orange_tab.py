"""Orange's `.tab`: three header lines (names, types, flags), then tab-separated rows.

Category	Text
d	string
class
earn	champion products ch approves stock split
"""

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from textmill.data.sources.csv_rows import read_rows
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

SUFFIX = ".tab"
STRINGS = {"s", "string", "text"}
TYPES = {*STRINGS, "c", "n", "continuous", "numeric", "d", "discrete", "categorical", "t", "time"}
VALUE_LIST = re.compile(r"\S+(\s\S+)+")  # a discrete column that lists its values
FLAG = re.compile(r"class|c|ignore|i|meta|m|weight|w|[A-Za-z_]\S*=.*")
MISSING = {"", "?", ".", "~", "NA", "nan"}  # in columns other than strings


class OrangeTab:
    """Orange's own rules: a row without a single value is a blank line, and `?` and the like are missing values."""

    complete = True

    def __init__(self, place: Place, options: Options) -> None:
        self.place = place
        self.files = [file for file in place.find((SUFFIX,)) if is_orange(file)]
        self.num_files = len(self.files)
        self.ignored = place.others(self.files)
        self.notes: dict[str, Any] = {}
        self._texts = {file: TextFile(file) for file in self.files}
        self.columns, self._is_string = self._read_headers()

    @staticmethod
    def fits(place: Place) -> bool:
        return any(is_orange(file) for file in place.find((SUFFIX,)))

    @property
    def re_encoded(self) -> list[dict[str, str]]:
        """The files that are not UTF-8; complete after a pass."""
        return list_re_encoded(self.place, self._texts.values())

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        self.notes.pop("blank_rows", None)
        for file in self.files:
            rows = self._rows(file)
            for batch in in_batches(rows, batch_size, lambda row: sum(len(value or "") for value in row)):
                yield pd.DataFrame(batch, columns=[*self.columns, ORIGIN], dtype=object)

    def _read_headers(self) -> tuple[list[str], list[bool]]:
        """The columns of all files, and which of them hold strings, by the first file."""
        columns: list[str] = []
        is_string: list[bool] = []
        for file in self.files:
            names, types, flags = _header(file)
            found = _name_columns(names)
            check_distinct(f"{file}, line 1", found)
            if columns:
                check_same_columns(self.files[0], columns, file, found)
                continue
            columns, is_string = found, [kind.strip() in STRINGS for kind in types]
            flagged = [name for name, flag in zip(found, flags, strict=False) if {*flag.split()} & {"class", "c"}]
            if flagged:
                self.notes["class_columns"] = flagged
        return columns, is_string

    def _rows(self, file: Path) -> Iterator[list[str | None]]:
        rows = read_rows(self._texts[file].lines(), file, "\t")
        for line, row in islice(rows, 3, None):
            if not any(row):
                if row:  # and not an empty line, as most of these files have below the header
                    self.notes["blank_rows"] = self.notes.get("blank_rows", 0) + 1
                continue
            if len(row) != len(self.columns):
                raise UnreadableSource(
                    f"{file}, the row that begins at line {line}, has {len(row)} fields, but the header names "
                    f"{len(self.columns)} ({', '.join(self.columns)}). Mend the row."
                )
            values = [
                value if is_string or value.strip() not in MISSING else None
                for value, is_string in zip(row, self._is_string, strict=True)
            ]
            yield [*values, f"{self.place.name(file)}:{line}"]


def is_orange(file: Path) -> bool:
    """Whether a file is a `.tab`, plain or compressed, whose first three lines are Orange's."""
    if plain_suffix(file) != SUFFIX:
        return False
    try:
        names, types, flags = _header(file)
    except (UnreadableSource, ValueError, csv.Error):  # whoever reads the file says what is wrong with it
        return False
    if len(types) > len(names) or len(flags) > len(names):
        return False
    kinds = [kind.strip() for kind in types]
    # A list of values may be any text of several words: some column must name its type.
    return (
        any(kind in TYPES for kind in kinds)
        and all(not kind or kind in TYPES or VALUE_LIST.fullmatch(kind) for kind in kinds)
        and all(FLAG.fullmatch(flag) for cell in flags for flag in re.split(r"(?<!\\) ", cell.strip()) if flag)
    )


def _header(file: Path) -> tuple[list[str], list[str], list[str]]:
    """Names, types and flags, the types as many as the names. Raises: ValueError: there are not three lines."""
    lines = [row for _, row in islice(read_rows(TextFile(file).lines(), file, "\t"), 3)]
    names, types, flags = lines
    return names, types + [""] * (len(names) - len(types)), flags


def _name_columns(names: list[str]) -> list[str]:
    """Columns without a name are `Feature 1`, `Feature 2` and so on, as Orange calls them."""
    number = 0
    columns = []
    for name in names:
        if not name.strip():
            number += 1
        columns.append(name.strip() or f"Feature {number}")
    return columns
