"""Rows of delimited text: which character parts the fields, whether quotes hold them together, and the rows."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from textmill.data.sources.encodings import MAX_LINE_BYTES, TextFile
from textmill.data.sources.errors import UnreadableSource

HEADER_DELIMITERS = (",", ";", "\t", "|")  # the first wins where several cut the header into as many columns
DATA_DELIMITERS = ("\t", ";", "|", ",")  # of lines without a header: the rarest in prose first
NUM_SAMPLE_LINES = 100
NUM_SAMPLE_CHARACTERS = 1_000_000


def read_rows(lines: Iterable[str], file: Path, delimiter: str, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """The line on which each row begins, from 1, and its fields; an empty line is a row without fields.

    Args:
        quoted: a field in double quotes may hold delimiters and line breaks; otherwise a quote is any character.

    Raises: UnreadableSource: the quoting is broken, or a field is longer than any document.
    """
    if not quoted:
        for number, line in enumerate(lines, 1):
            content = line.rstrip("\r\n")
            yield number, content.split(delimiter) if content else []
        return
    hidden = _HiddenReturns(lines)
    reader = _reader(hidden, delimiter)
    start = 1
    try:
        for row in reader:
            yield start, hidden.show(row)
            start = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableSource(
            f"{file}, the row that begins at line {start}, is broken: {error}. A field with quotes, delimiters "
            "or line breaks must stand in double quotes, each quote inside it doubled; rows end in a line feed."
        ) from None
    if hidden.found and reader.line_num == 1:
        raise UnreadableSource(
            f"{file}, line 1, is broken: all of the file is this line, and has carriage returns in it, as old Macs "
            "wrote them. Save the file anew; rows end in a line feed."
        )


class _HiddenReturns:
    """Lines whose carriage returns, but for those that end a line, are NUL, which no text file here has.

    Outside quotes the csv module refuses them, and yet pandas (up to Python 3.12) writes them there.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = lines
        self.found = False

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            if "\r" in line and "\r" in (content := line.removesuffix("\n").removesuffix("\r")):
                self.found = True
                yield content.replace("\r", "\0") + line[len(content) :]
            else:
                yield line

    def show(self, row: list[str]) -> list[str]:
        return [field.replace("\0", "\r") for field in row] if self.found else row


def _reader(lines: Iterable[str], delimiter: str) -> Any:
    csv.field_size_limit(MAX_LINE_BYTES)  # the module's own 131,072 characters are less than a long document
    return csv.reader(lines, delimiter=delimiter, strict=True)


def sample_lines(lines: Iterator[str]) -> list[str]:
    """The first lines, whole, as many as it takes to see what kind of file it is."""
    sample: list[str] = []
    size = 0
    for line in islice(lines, NUM_SAMPLE_LINES):
        sample.append(line)
        size += len(line)
        if size > NUM_SAMPLE_CHARACTERS:
            break
    return sample


def find_header_delimiter(header: str) -> str:
    """The delimiter that cuts the header into the most columns; the comma where there is but one column."""
    csv.field_size_limit(MAX_LINE_BYTES)
    return max(HEADER_DELIMITERS, key=lambda delimiter: _num_fields(header, delimiter))


def find_data_delimiter(sample: list[str], file: Path) -> str:
    """The first of DATA_DELIMITERS that cuts all lines into the same number of fields, and into more than one.

    Raises: UnreadableSource: none does, and the lines are not of one field each either.
    """
    complete = [line for line in sample if line.strip()]
    for delimiter in DATA_DELIMITERS:
        if len(widths := _quoted_widths(sample, delimiter)) == 1 and max(widths) > 1:
            return delimiter
    for delimiter in DATA_DELIMITERS:  # quotes may be characters like any other
        if len(counts := {line.count(delimiter) for line in complete}) == 1 and max(counts) > 0:
            return delimiter
    if any(delimiter in line for delimiter in DATA_DELIMITERS for line in complete):
        raise UnreadableSource(
            f"{file}: no delimiter (tab, semicolon, bar or comma) cuts its first {len(complete)} lines into the same "
            "number of fields each. Put fields with delimiters in double quotes, or mend the lines; if the first line "
            "names the columns, set data.header to true."
        )
    return ","


def is_quoted(text: TextFile, delimiter: str) -> bool:
    """Whether quotes hold fields together; if not, they are characters of the text.

    Only tab-separated files are in doubt, because many tools write them without any quoting. Quotes have no meaning
    where, quotes ignored, all lines have the same number of fields, while read as quoted the file is broken or lines
    run together into fewer rows. It takes a pass over the file, and another if a field does begin with a quote.
    """
    if delimiter != "\t":
        return True
    num_lines = 0
    expected: int | None = None
    in_doubt = False
    for line in text.lines():
        if not line.strip():
            continue
        num_lines += 1
        num_tabs = line.count("\t")
        if expected is None:
            expected = num_tabs
        if num_tabs != expected or num_tabs == 0:
            return True
        in_doubt = in_doubt or line.startswith('"') or '\t"' in line
    if not in_doubt:
        return False
    try:
        return sum(1 for _, row in read_rows(text.lines(), text.path, delimiter) if row) == num_lines
    except UnreadableSource:
        return False


def _num_fields(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader(_HiddenReturns([line]), delimiter=delimiter)))
    except csv.Error:  # whoever reads the row says what is wrong with it
        return 0


def _quoted_widths(sample: list[str], delimiter: str) -> set[int]:
    """Numbers of fields of the rows in the sample, whose last row may be cut off; empty where quotes do not fit."""
    reader = _reader(_HiddenReturns(sample), delimiter)
    widths = set()
    try:
        for row in reader:
            if row:
                widths.add(len(row))
    except csv.Error:
        return widths if reader.line_num == len(sample) and widths else set()
    return widths
