"""Reads any supported layout into one table of documents, batch by batch.

A source is a class of one layout, with `fits(path)`, which says whether a path has that layout, and
`batches(batch_size)`, which yields tables of the source's own columns plus ORIGIN (file and row).
It keeps `columns`, `num_files`, `re_encoded` (files that are not UTF-8) and `ignored` (files it did
not read) for the record. A new layout is one file here and one line in SOURCES.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from textmill.data.sources.errors import EmptySource, MissingColumn, UnknownLayout, UnreadableSource, UnusableQuery
from textmill.data.sources.files import ORIGIN, check_names
from textmill.data.sources.values import as_text

SOURCES = {
    "folder_per_class": "textmill.data.sources.folder_per_class:FolderPerClass",
    "delimited": "textmill.data.sources.delimited:Delimited",
    "jsonl": "textmill.data.sources.jsonl:JsonLines",
    "parquet": "textmill.data.sources.parquet:Parquet",
}
BATCH_SIZE = 4096


class Source(Protocol):
    """One layout, opened on a path."""

    columns: list[str]
    num_files: int
    re_encoded: list[dict[str, str]]
    ignored: list[str]

    def __init__(self, path: Path) -> None: ...

    @staticmethod
    def fits(path: Path) -> bool:
        """Whether the path has this layout."""
        ...

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        """The rows in order, with the source's columns and ORIGIN."""
        ...


@dataclass
class Reading:
    """A pass over a source, and what it counted on the way."""

    layout: str
    source: Source
    text: str
    label: str
    where: str | None
    num_rows: int = 0
    num_matching: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    occurrences: Counter[bytes] = field(default_factory=Counter)

    def documents(self, batch_size: int = BATCH_SIZE) -> Iterator[pd.DataFrame]:
        """Yield the rows that `where` picks, with columns id, text, label and origin.

        Raises:
            EmptySource: there is no row, or none that `where` picks.
            MissingColumn: text or label is not a column.
            UnusableQuery: `where` cannot be evaluated.
            UnreadableSource: a row is broken.
        """
        for batch in self.source.batches(batch_size):
            self._check_columns()
            batch.index = pd.RangeIndex(self.num_rows, self.num_rows + len(batch))
            self.num_rows += len(batch)
            if self.where is not None:
                batch = batch[_matches(batch, self.where, self.source.columns)]
            self.num_matching += len(batch)
            documents = pd.DataFrame(
                {
                    "text": _as_texts(batch, self.text),
                    "label": _as_texts(batch, self.label),
                    "origin": batch[ORIGIN].to_list(),
                }
            )
            documents["id"] = [self._identify(text) for text in documents["text"]]
            self.labels.update("(missing)" if label is None else label for label in documents["label"])
            yield documents
        if self.num_rows == 0:
            raise EmptySource(
                "data.source holds no documents: the file or folder is empty. It needs at least a few "
                "documents of each of two classes."
            )
        if self.num_matching == 0:
            raise EmptySource(
                f"data.where ({self.where}) matches none of the {self.num_rows} rows of data.source. "
                "Correct it, or set it to null to take all rows."
            )

    def record(self) -> dict[str, Any]:
        """What source.json says beside the provenance; complete once `documents` is exhausted."""
        return {
            "layout": self.layout,
            "num_files": self.source.num_files,
            "columns": self.source.columns,
            "text": self.text,
            "label": self.label,
            "where": self.where,
            "rows_in_source": self.num_rows,
            "rows_matching_where": self.num_matching,
            "num_documents": self.num_matching,
            "re_encoded": self.source.re_encoded,
            "ignored": self.source.ignored,
            "labels": dict(sorted(self.labels.items())),
        }

    def _check_columns(self) -> None:
        for key, column in (("data.text", self.text), ("data.label", self.label)):
            if column not in self.source.columns:
                raise MissingColumn(
                    f"{key} names the column {column!r}, which data.source does not have. "
                    f"Its columns: {', '.join(self.source.columns)}. Set {key} to one of them."
                )

    def _identify(self, text: str | None) -> str:
        """Hash of the text and of how often it came before: distinct ids, the same at each reading."""
        content = b"\xff" if text is None else text.encode()
        key = blake2b(content, digest_size=8).digest()
        self.occurrences[key] += 1
        return blake2b(content + b"\0%d" % self.occurrences[key], digest_size=8).hexdigest()


def open_source(path: Path, text: str, label: str, where: str | None) -> Reading:
    """Recognise the layout of `path` and get ready to read it.

    Raises: UnknownLayout, EmptySource, UnreadableSource.
    """
    found = find_layouts(path)
    if len(found) == 1:
        ((layout, source),) = found.items()
        return Reading(layout, source(path), text, label, where)
    if path.is_dir() and not any(path.iterdir()):
        raise EmptySource(f"data.source ({path}) is an empty folder. Put the documents there, or correct data.source.")
    if found:
        raise UnknownLayout(
            f"data.source ({path}) has several layouts at once: {', '.join(found)}. Only one would be read: name a "
            "file or folder in it as data.source, or move the others out."
        )
    raise UnknownLayout(
        f"data.source ({path}) has no layout that is known here. Allowed: a folder with a folder of text files "
        "per class, or a file (or a folder of files) ending in .csv, .tsv, .jsonl, .ndjson or .parquet."
    )


def find_layouts(path: Path) -> dict[str, type[Source]]:
    """The layouts that `path` has, by name: one, if it is a proper source.

    Raises: UnreadableSource: a name is not UTF-8.
    """
    check_names(path)
    found = {}
    for layout, import_string in SOURCES.items():
        module, name = import_string.split(":")
        source: type[Source] = getattr(import_module(module), name)
        if source.fits(path):
            found[layout] = source
    return found


def _as_texts(batch: pd.DataFrame, column: str) -> "pd.Series[Any]":
    texts: list[str | None] = []
    for value, origin in zip(batch[column], batch[ORIGIN], strict=True):
        try:
            texts.append(as_text(value))
        except UnreadableSource as error:
            raise UnreadableSource(f"data.source, {origin}, column {column!r}: {error}. Mend the row.") from None
    return pd.Series(texts, dtype=object)


def _matches(batch: pd.DataFrame, where: str, columns: list[str]) -> "pd.Series[bool]":
    try:
        # No local or global names: the query sees the columns and nothing else.
        mask = batch.eval(where, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # pandas raises whatever the expression raises
        raise UnusableQuery(_explain_query(where, columns, str(error))) from None
    if not (isinstance(mask, pd.Series) and pd.api.types.is_bool_dtype(mask)):
        raise UnusableQuery(_explain_query(where, columns, "it does not say true or false for each row"))
    return mask.fillna(False).astype(bool)


def _explain_query(where: str, columns: list[str], fault: str) -> str:
    return (
        f"data.where ({where}) cannot be used: {fault}. It must be a pandas query that is true or false for each "
        f"row, over the columns {', '.join(columns)}. In CSV and TSV every column is text: write stars == '5', or "
        "stars.astype('float') > 3."
    )
