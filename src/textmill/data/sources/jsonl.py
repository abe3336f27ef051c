"""JSON Lines: an object a line, for example {"text": "Smart, funny and moving", "label": 1}."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from textmill.data.sources.encodings import UTF8, decode_lines, detect_encoding
from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import ORIGIN, find_files, find_others

SUFFIXES = (".jsonl", ".ndjson")


class JsonLines:
    """Objects may leave keys out; the columns are the keys of all of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = find_files(path, SUFFIXES)
        self.num_files = len(self.files)
        self.ignored = find_others(path, self.files)
        self.encodings = {file: detect_encoding(file) for file in self.files}
        self.re_encoded: list[dict[str, str]] = [
            {"file": file.name, "encoding": name} for file, name in self.encodings.items() if name != UTF8
        ]
        # A pass of its own, so that a query can name a column that the first batch happens to lack.
        keys: dict[str, None] = {}
        for _, row in self._rows():
            keys.update(dict.fromkeys(row))
        self.columns = list(keys)

    @staticmethod
    def fits(path: Path) -> bool:
        return bool(find_files(path, SUFFIXES))

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        rows = self._rows()
        while batch := list(islice(rows, batch_size)):
            # Column by column as objects: pandas would turn integers with gaps into floats.
            table = {name: pd.Series([row.get(name) for _, row in batch], dtype=object) for name in self.columns}
            yield pd.DataFrame({**table, ORIGIN: [origin for origin, _ in batch]}).infer_objects()

    def _rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for file in self.files:
            for number, line in enumerate(decode_lines(file, self.encodings[file]), 1):
                if line.strip():
                    yield f"{file.name}:{number}", _parse(file, number, line)


def _parse(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # no JSON, a number of thousands of digits, or nested too deeply
        raise UnreadableSource(
            f"{file}, line {number}, cannot be read as JSON: {error}. Each line must be one object."
        ) from None
    if not isinstance(row, dict):
        raise UnreadableSource(
            f"{file}, line {number}, is a JSON {type(row).__name__}, not an object. Each line must be one object."
        )
    return {_whole(key): _whole(value) for key, value in row.items()}


def _whole(value: Any) -> Any:
    r"""Half of a surrogate pair, as JSON may have it ("\ud83d"), cannot be written as UTF-8: it becomes U+FFFD."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value
