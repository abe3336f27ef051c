"""What a column of a source holds, counted batch by batch with bounded memory."""

import datetime
import decimal
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

MAX_DISTINCT = 100_000  # of one column; beyond it, its distinct values are no longer counted
MAX_DISTINCT_ALL = 2_000_000  # of all columns together, for tables with hundreds of them
MAX_VALUES = 2000  # distinct values that are kept with their counts: a column with more is no label
SAMPLED_ROWS = 200  # of each batch, whose words and types are looked at
EXAMPLE_CHARACTERS = 200

INTEGER = re.compile(r"[+-]?\d{1,18}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
BOOLEANS = {"true", "false"}
DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})( \d{1,2}:\d{2}.*)?"
)


@dataclass
class ColumnProfile:
    """Counts of one column.

    Attributes:
        num_missing: rows where it is null or blank.
        num_characters: of all values together.
        kinds: how many sampled values look like text, integer, number, boolean, date, nested.
        num_words, num_sampled: words of the sampled values, and how many these are.
    """

    name: str
    max_distinct: int = MAX_DISTINCT
    num_rows: int = 0
    num_missing: int = 0
    num_characters: int = 0
    num_words: int = 0
    num_sampled: int = 0
    example: str | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    _hashes: set[int] | None = field(default_factory=set)
    _counts: Counter[str] | None = field(default_factory=Counter)

    def update(self, values: "pd.Series[Any]") -> None:
        """Count the values of one batch."""
        present = [value for value, absent in zip(values, values.isna(), strict=True) if not absent]
        texts = [value if isinstance(value, str) else _written(value) for value in present]
        kept = [number for number, text in enumerate(texts) if text and not text.isspace()]
        if len(kept) < len(texts):
            texts, present = [texts[i] for i in kept], [present[i] for i in kept]
        self.num_rows += len(values)
        self.num_missing += len(values) - len(texts)
        self.num_characters += sum(map(len, texts))
        if texts and self.example is None:
            self.example = " ".join(texts[0][: 4 * EXAMPLE_CHARACTERS].split())[:EXAMPLE_CHARACTERS]
        for value, text in zip(present[:SAMPLED_ROWS], texts, strict=False):
            self.kinds[_kind_of(value)] += 1
            self.num_words += len(text.split())
            self.num_sampled += 1
        self._count(texts)

    def _count(self, texts: list[str]) -> None:
        if self._hashes is not None:
            self._hashes.update(map(hash, texts))
            if len(self._hashes) > self.max_distinct:
                self._hashes = None
        if self._counts is not None:
            self._counts.update(texts)
            if len(self._counts) > MAX_VALUES:
                self._counts = None

    @property
    def kind(self) -> str:
        """What its values are: text, integer, number, boolean, date, nested; `empty` where there are none."""
        if not self.kinds:
            return "empty"
        found = set(self.kinds)
        if found == {"integer", "number"}:
            return "number"
        return found.pop() if len(found) == 1 else "nested" if "nested" in found else "text"

    @property
    def num_present(self) -> int:
        return self.num_rows - self.num_missing

    @property
    def num_distinct(self) -> int | None:
        """Distinct values; None where there are more than were counted."""
        return None if self._hashes is None else len(self._hashes)

    @property
    def distinct_share(self) -> float:
        """Distinct values for each value there is; 1 where they are too many to count."""
        return 1.0 if self.num_distinct is None else self.num_distinct / max(self.num_present, 1)

    @property
    def values(self) -> dict[str, int] | None:
        """The values with their counts, the commonest first; None where they are many."""
        return None if self._counts is None else dict(self._counts.most_common())

    @property
    def mean_characters(self) -> float:
        return self.num_characters / max(self.num_present, 1)

    @property
    def mean_words(self) -> float:
        return self.num_words / max(self.num_sampled, 1)


def profile_columns(names: Iterable[str]) -> dict[str, ColumnProfile]:
    """A profile for each column, of which all together stay within MAX_DISTINCT_ALL."""
    columns = list(names)
    limit = min(MAX_DISTINCT, MAX_DISTINCT_ALL // max(len(columns), 1))
    return {name: ColumnProfile(name, limit) for name in columns}


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return kind_of_text(value.strip())
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, (int, np.integer)):
        return "integer"
    if isinstance(value, (float, np.floating, decimal.Decimal)):
        return "number"
    if isinstance(value, (datetime.date, datetime.datetime, np.datetime64)):
        return "date"
    return "text" if isinstance(value, bytes) else "nested"


def kind_of_text(text: str) -> str:
    if len(text) > 40:
        return "text"
    if INTEGER.fullmatch(text):
        return "integer"
    if NUMBER.fullmatch(text):
        return "number"
    if text.lower() in BOOLEANS:
        return "boolean"
    return "date" if DATE.fullmatch(text) else "text"


def _written(value: Any) -> str:
    """A value that is no text, as ingest would write it where it can."""
    from textmill.data.sources.errors import UnreadableSource
    from textmill.data.sources.values import as_text

    try:
        return as_text(value) or ""
    except UnreadableSource:
        return str(value)
