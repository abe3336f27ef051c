"""Predict every row of a file, batch by batch: what is held in memory does not grow with the file."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.artifacts import atomic
from textmill.data.sources import Options, Place, Source, open_layout
from textmill.data.sources.encodings import TextFile
from textmill.data.sources.errors import MissingColumn, UnreadableSource
from textmill.data.sources.files import ORIGIN, SPLIT, in_batches, plain_suffix
from textmill.data.sources.values import as_text
from textmill.errors import UserError
from textmill.runtime import Classifier
from textmill.tasks import join_labels

INPUTS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".txt")
OUTPUTS = (".parquet", ".csv", ".jsonl")
_BATCH = 512


class UnusableFile(UserError):
    """An input or output file of an unknown kind, or one that would be overwritten."""


class TextLines:
    """A text a line, in UTF-8 or another encoding that is detected; an empty line is a row too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns = ["text"]

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        for batch in in_batches(TextFile(self.path).lines(), batch_size, len):
            yield pd.DataFrame({"text": [line.rstrip("\r\n") for line in batch]}, dtype="str")


def predict_file(
    classifier: Classifier, source: Path, output: Path, text_column: str, progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Write the rows of `source`, in order, with the answers to `output`: see `added_columns`.

    Each text is predicted alone, so that a row's answer does not depend on its neighbours. A row without a
    usable text keeps its place: its answer is null and `error` says why.

    Args:
        progress: called with the number of rows just finished, and the rows in all.

    Returns:
        Rows written, and how many of them have an error.

    Raises: UnusableFile, MissingColumn, UnreadableSource.
    """
    _check_paths(source, output)
    opened = _open(source)
    num_rows, mixed = _survey(opened)
    columns = list(opened.columns)
    if text_column not in columns:
        raise MissingColumn(
            f"{source} has no column {text_column!r}; its columns: {', '.join(columns) or 'none'}. "
            "Name the right one with --text-column."
        )
    if taken := sorted(set(columns) & set(added_columns(classifier))):
        raise UnusableFile(f"{source} already has the columns {', '.join(taken)}, which are added here. Rename them.")
    done = num_errors = 0
    # Without rows the output has its columns all the same.
    no_rows = [] if num_rows else [pd.DataFrame(columns=columns, dtype="str")]
    with atomic(output) as temporary, _writer(temporary, output.suffix.lower(), mixed) as write:
        for batch in no_rows or opened.batches(_BATCH):
            answers = [_answer(classifier, value) for value in batch[text_column]]
            num_errors += sum(answer["error"] is not None for answer in answers)
            rows = batch.drop(columns=[ORIGIN, SPLIT], errors="ignore").reset_index(drop=True)
            write(pd.concat([rows, _table(answers, classifier)], axis=1))
            done += len(batch)
            progress(len(batch), num_rows)
    return done, num_errors


def _check_paths(source: Path, output: Path) -> None:
    if not source.is_file():
        raise UnusableFile(f"{source} does not exist. --input takes a file ending in {', '.join(INPUTS)}.")
    if plain_suffix(source) not in INPUTS:
        raise UnusableFile(
            f"--input {source}: the ending {source.suffix!r} is not one of {', '.join(INPUTS)}, plain, .gz or .zst."
        )
    if output.suffix.lower() not in OUTPUTS:
        raise UnusableFile(f"--output {output}: the ending {output.suffix!r} is not one of {', '.join(OUTPUTS)}.")
    if output.is_dir():
        raise UnusableFile(f"--output {output} is a folder. Name a file in it.")
    if output.resolve() == source.resolve():
        raise UnusableFile(f"--output {output} is the input itself. Name another file.")


def _open(path: Path) -> Source | TextLines:
    if plain_suffix(path) == ".txt":
        return TextLines(path)
    _, source = open_layout(Place.of(path), Options(), "--input")
    return source


def _survey(source: Source | TextLines) -> tuple[int, set[str]]:
    """A whole pass, so that a broken row is told before the work.

    Returns:
        The number of rows, and the columns whose values are not of one type: Parquet takes them as text only.
    """
    types = defaultdict(set)
    num_rows = 0
    for batch in source.batches(_BATCH):
        num_rows += len(batch)
        for name, dtype in batch.dtypes.items():
            types[str(name)].add(dtype)
    return num_rows, {name for name, found in types.items() if len(found) > 1 or np.dtype(object) in found}


def _answer(classifier: Classifier, value: Any) -> dict[str, Any]:
    """One row's answer; never raises, whatever the cell holds."""
    try:
        text = as_text(value)
    except UnreadableSource:
        return {"error": f"not a text but a {type(value).__name__}"}
    if text is None or not text.strip():
        return {"error": "no text" if text is None else "empty text"}
    (prediction,) = classifier.predict([text], batch_size=1)
    if classifier.task == "regression":
        return {"predicted": prediction.value, "error": None}
    probabilities = dict(zip(_probability_columns(classifier), prediction.probabilities.values(), strict=True))
    if classifier.task == "multi_label":
        return {"predicted": join_labels(prediction.labels), "error": None, **probabilities}
    label = prediction.label
    return {"predicted": label, "probability": prediction.probabilities[label], "error": None, **probabilities}


def added_columns(classifier: Classifier) -> dict[str, str]:
    """Name and type of the columns that follow the file's own.

    single_label: predicted, its probability, error, and probability_LABEL of each label. multi_label: predicted, the
    labels joined by `|`, error, and probability_LABEL. regression: predicted, a number, and error.
    """
    predicted = "float64" if classifier.task == "regression" else "str"
    own = {"probability": "float64"} if classifier.task == "single_label" else {}
    probabilities = dict.fromkeys(_probability_columns(classifier), "float64")
    return {"predicted": predicted, **own, "error": "str", **probabilities}


def _probability_columns(classifier: Classifier) -> list[str]:
    return [f"probability_{label}" for label in classifier.labels]


def _table(answers: list[dict[str, Any]], classifier: Classifier) -> pd.DataFrame:
    columns = added_columns(classifier)
    return pd.DataFrame(answers, columns=list(columns)).astype(columns)


@contextmanager
def _writer(path: Path, suffix: str, mixed: set[str]) -> Iterator[Callable[[pd.DataFrame], None]]:
    """What appends a table to a file of this kind, batch by batch; the columns `mixed` have values of several types."""
    if suffix == ".parquet":
        with _ParquetAppender(path, mixed) as appender:
            yield appender.write
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if suffix == ".csv":
            # RFC 4180's line ends, because Python's csv puts quotes around just those that it writes itself.
            yield lambda table: table.to_csv(file, index=False, header=file.tell() == 0, lineterminator="\r\n")
        else:
            yield lambda table: file.writelines(_json_lines(table))


class _ParquetAppender:
    """Columns of mixed values become text, as JSON; so the schema is that of the first batch."""

    def __init__(self, path: Path, mixed: set[str]) -> None:
        self.path = path
        self.mixed = mixed
        self.writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_ParquetAppender":
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, table: pd.DataFrame) -> None:
        for name in self.mixed.intersection(table.columns):
            table[name] = pd.Series([_as_json_text(value) for value in table[name]], table.index, "str")
        batch = pa.Table.from_pandas(table, preserve_index=False)
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, batch.schema, compression="zstd")
        self.writer.write_table(batch.cast(self.writer.schema))


def _as_json_text(value: Any) -> str | None:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _json_lines(table: pd.DataFrame) -> Iterator[str]:
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        yield json.dumps(row, ensure_ascii=False, default=str) + "\n"
