"""A pass over one source, or over one for each split: documents in the shape that every later stage reads."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from textmill.artifacts import SLICE
from textmill.data.sources.columns import Columns, FoundColumns, has_columns, resolve_columns
from textmill.data.sources.errors import EmptySource, UnknownSplit, UnreadableSource
from textmill.data.sources.files import ORIGIN, SPLIT, Options, Place
from textmill.data.sources.ids import Ids
from textmill.data.sources.labels import check_labels, name_labels
from textmill.data.sources.query import pick
from textmill.data.sources.split_names import named_by_split, splits_of_values
from textmill.data.sources.values import as_text, as_texts
from textmill.tasks import Task

BATCH_SIZE = 4096


class Source(Protocol):
    """One layout, opened on a place.

    Attributes:
        columns: the source's own columns, in order; distinct.
        complete: whether `columns` is all of them; otherwise a pass over `batches` makes it so.
        num_files: files that are read.
        re_encoded: file and encoding of those that are not UTF-8; complete after a pass.
        ignored: names of files that are not read.
        notes: more for the record.
    """

    columns: list[str]
    complete: bool
    num_files: int
    ignored: list[str]

    def __init__(self, place: Place, options: Options) -> None: ...

    @property
    def re_encoded(self) -> list[dict[str, str]]: ...

    @property
    def notes(self) -> dict[str, Any]: ...

    @staticmethod
    def fits(place: Place) -> bool:
        """Whether the place has this layout."""
        ...

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        """The rows in order, with the source's columns, ORIGIN, and SPLIT where the layout knows it."""
        ...


@dataclass
class Part:
    """A source and what it is to a reading."""

    split: str | None  # given in params.yaml
    place: Place
    layout: str
    source: Source
    num_rows: int = 0

    @property
    def key(self) -> str:
        """How messages call it."""
        return "data.source" if self.split is None else f"data.source ({self.split})"


@dataclass
class Reading:
    """A pass over the parts, and what it counted on the way. `documents` is to be exhausted once.

    The label column is kept as it is found; the task says what is counted in it: classes, the labels between
    separators, or nothing of numbers.
    """

    parts: list[Part]
    wanted: Columns
    where: str | None
    options: Options
    task: Task = "single_label"
    separator: str = ","
    columns: FoundColumns | None = None
    num_rows: int = 0
    num_matching: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    ids: Ids = field(default_factory=Ids)

    @property
    def layout(self) -> str:
        """The layout, or the layouts of the parts."""
        return ", ".join(dict.fromkeys(part.layout for part in self.parts))

    @property
    def slice_columns(self) -> list[str]:
        """The slice columns of the documents, in order; known once the first batch is."""
        return [f"{SLICE}{name}" for name in self.columns.slices] if self.columns else []

    def documents(self, batch_size: int = BATCH_SIZE) -> Iterator[pd.DataFrame]:
        """Yield the rows that `where` picks, with the columns of artifacts.RAW and a text column for each slice.

        Raises:
            EmptySource: there is no row, or none that `where` picks.
            MissingColumn: a column that is wanted is not there.
            UnusableQuery: `where` cannot be evaluated.
            UnusableLabels: the labels are no classes.
            UnknownSplit: a row does not say its split, or none is for training.
            UnreadableSource: a row is broken.
        """
        for part in self.parts:
            self._survey(part)
            for batch in part.source.batches(batch_size):
                self._resolve(part)
                batch.index = pd.RangeIndex(self.num_rows, self.num_rows + len(batch))
                self.num_rows += len(batch)
                part.num_rows += len(batch)
                if self.where is not None:
                    batch = pick(batch, self.where, part.source.columns)
                self.num_matching += len(batch)
                yield self._select(batch, part)
            if part.num_rows == 0:
                raise EmptySource(
                    f"{part.key} holds no documents: the file or folder is empty. It needs at least a few "
                    "documents of each of two classes."
                )
        if self.num_matching == 0:
            raise EmptySource(
                f"data.where ({self.where}) matches none of the {self.num_rows} rows of data.source. "
                "Correct it, or set it to null to take all rows."
            )
        if self.splits and not self.splits["train"]:
            raise UnknownSplit(
                f"data.source says a split of each document, but none is of train: {dict(self.splits)}. "
                "A model learns from those of train."
            )

    def record(self) -> dict[str, Any]:
        """What source.json says beside the provenance; complete once `documents` is exhausted."""
        columns = self.columns or self.wanted
        return {
            "layout": self.layout,
            "num_files": sum(part.source.num_files for part in self.parts),
            "columns": list(dict.fromkeys(name for part in self.parts for name in part.source.columns)),
            "header": self.options.header,
            "text": columns.text,
            "label": columns.label,
            "split": columns.split,
            "group": columns.group,
            "time": columns.time,
            "slices": list(columns.slices),
            "where": self.where,
            "rows_in_source": self.num_rows,
            "rows_matching_where": self.num_matching,
            "num_documents": self.num_matching,
            "given_splits": dict(self.splits) or None,
            "re_encoded": [entry for part in self.parts for entry in part.source.re_encoded],
            "ignored": [name for part in self.parts for name in part.source.ignored],
            "empty_classes": [name for part in self.parts for name in part.source.notes.get("empty_classes", [])],
            "blank_rows": sum(part.source.notes.get("blank_rows", 0) for part in self.parts),  # of Orange's files
            "named_by_split": self._unused_split_names(),
            "parts": [
                {"split": part.split, "layout": part.layout, "num_rows": part.num_rows, **part.source.notes}
                for part in self.parts
            ],
            "labels": dict(sorted(self.labels.items())),
        }

    def _unused_split_names(self) -> list[str]:
        """Files that are named by split and yet are one source, because nobody said that they are splits."""
        names = [part.place.name(file) for part in self.parts for file in part.place.files]
        return names if not self.splits and named_by_split(names) else []

    def _survey(self, part: Part) -> None:
        """A pass of its own where a column that is needed may turn up late."""
        source = part.source
        if source.complete:
            return
        next(source.batches(BATCH_SIZE), None)
        if self.where is not None or not has_columns(self.wanted, source.columns):
            for _ in source.batches(BATCH_SIZE):
                pass

    def _resolve(self, part: Part) -> None:
        header = self.options.header if part.layout == "delimited" else None
        found = resolve_columns(self.wanted, part.source.columns, part.key, header)
        if self.columns is not None and self.columns.slices != found.slices:
            raise UnknownSplit(
                f"data.slices are the columns {', '.join(found.slices)} in {part.key}, but "
                f"{', '.join(self.columns.slices)} in the source before. Name them, instead of giving their positions."
            )
        self.columns = found

    def _select(self, batch: pd.DataFrame, part: Part) -> pd.DataFrame:
        assert self.columns is not None
        columns = self.columns
        texts = _as_texts(batch, columns.text)
        labels = _as_texts(batch, columns.label)
        splits = self._splits(batch, part, columns.split)
        self.labels.update(name_labels(labels, self.task, self.separator))
        check_labels(self.labels, f"{part.key}: data.label ({columns.label})")
        self.splits.update(split for split in splits if split is not None)
        documents = {
            "id": [self.ids.identify(text) for text in texts],
            "text": texts,
            "label": labels,
            "origin": batch[ORIGIN].to_list(),
            "split": splits,
            "group": _as_texts(batch, columns.group),
            "time": _as_texts(batch, columns.time),
        }
        documents |= {f"{SLICE}{name}": _as_texts(batch, name) for name in columns.slices}
        return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in documents.items()})

    def _splits(self, batch: pd.DataFrame, part: Part, column: str | None) -> list[str | None]:
        said = [f"data.split ({column})"] if column is not None else []
        said += ["data.source by its mapping"] if part.split is not None else []
        said += [f"{part.source.num_files} file(s) of {part.place.root}"] if SPLIT in batch else []
        if len(said) > 1:
            raise UnknownSplit(
                f"The split of each document is said twice: by {' and by '.join(said)}. Set data.split to null, or "
                "name the folder or files of one split in data.source."
            )
        if column is None:
            return batch[SPLIT].to_list() if SPLIT in batch else [part.split] * len(batch)
        return list(splits_of_values(_as_texts(batch, column), batch[ORIGIN], column))


def _as_texts(batch: pd.DataFrame, column: str | None) -> list[str | None]:
    """A column as texts, all missing if there is none."""
    if column is None:
        return [None] * len(batch)
    try:
        return as_texts(batch[column])
    except UnreadableSource:
        for value, origin in zip(batch[column], batch[ORIGIN], strict=True):
            try:
                as_text(value)
            except UnreadableSource as error:
                raise UnreadableSource(f"data.source, {origin}, column {column!r}: {error}. Mend the row.") from None
        raise
