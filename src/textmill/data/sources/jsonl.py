"""JSON Lines: an object a line, for example {"text": "Smart, funny and moving", "label": 1}."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from textmill.data.sources.encodings import TextFile, list_re_encoded
from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import ORIGIN, SPLIT, Options, Place, in_batches

SUFFIXES = (".jsonl", ".ndjson")
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
MAX_KEYS = 10_000  # more are data in the place of names


class JsonLines:
    """Objects may leave keys out; the columns are the keys of all of them, and all are known after a pass."""

    def __init__(self, place: Place, options: Options) -> None:
        self.place = place
        files = place.find(SUFFIXES)
        self.num_files = len(files)
        self.ignored = place.others(files)
        self.notes: dict[str, object] = {}
        self.columns: list[str] = []
        self.complete = False
        self._known: set[str] = set()
        self._texts = {file: TextFile(file) for file in files}

    @staticmethod
    def fits(place: Place) -> bool:
        return bool(place.find(SUFFIXES))

    @property
    def re_encoded(self) -> list[dict[str, str]]:
        """The files that are not UTF-8; complete after a pass."""
        return list_re_encoded(self.place, self._texts.values())

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        for batch in in_batches(self._rows(), batch_size, self._num_characters):
            # Column by column as objects: pandas would turn integers with gaps into floats.
            table = {name: pd.Series([row.get(name) for _, row, _ in batch], dtype=object) for name in self.columns}
            yield pd.DataFrame({**table, ORIGIN: [origin for origin, _, _ in batch]}).infer_objects()
        self.complete = True

    def _rows(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        """Where each object stands, the object, and the length of its line."""
        for file, text in self._texts.items():
            name = self.place.name(file)
            for number, line in enumerate(text.lines(), 1):
                if line.isspace():
                    continue
                row = _parse(file, number, line)
                if not row.keys() <= self._known:
                    self._add_columns(row, f"{file}, line {number}")
                yield f"{name}:{number}", row, len(line)

    def _add_columns(self, row: dict[str, Any], where: str) -> None:
        for key in row:
            if key not in self._known:
                self._known.add(key)
                self.columns.append(key)
        if taken := self._known & {ORIGIN, SPLIT}:
            raise UnreadableSource(
                f"{where}, has the key {taken.pop()}, which has a meaning of its own here. Rename it."
            )
        if len(self.columns) > MAX_KEYS:
            raise UnreadableSource(
                f"{where}: so far there are {len(self.columns)} different keys, among them {self.columns[-1][:40]!r}. "
                f"An object is one document, its keys name columns, and more than {MAX_KEYS} are no names."
            )

    def _num_characters(self, row: tuple[str, dict[str, Any], int]) -> int:
        return row[2] + 8 * len(self.columns)


def _parse(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:  # no JSON, a number of thousands of digits, or nested too deeply
        raise UnreadableSource(
            f"{file}, line {number}, cannot be read as JSON: {error}. Each line must be one object."
        ) from None
    if not isinstance(row, dict):
        raise UnreadableSource(
            f"{file}, line {number}, is a JSON {type(row).__name__}, not an object. Each line must be one object."
        )
    return {_whole(key): _whole(value) for key, value in row.items()} if SURROGATE.search(line) else row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!a} stands twice in one object")
    return row


def _whole(value: Any) -> Any:
    r"""Half of a surrogate pair, as JSON may have it ("\ud83d"), cannot be written as UTF-8: it becomes U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
