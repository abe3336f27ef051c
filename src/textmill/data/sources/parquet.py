"""Parquet: one file, or the files of a folder, with the same columns."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textmill.data.sources.compression import ALWAYS_ALLOWED_BYTES, BUFFER_BYTES, MAX_RATIO
from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import (
    COMPRESSIONS,
    MAX_BATCH_CHARACTERS,
    ORIGIN,
    Options,
    Place,
    check_distinct,
    check_same_columns,
    unreadable,
)

SUFFIXES = (".parquet", ".pq")
MAX_ROWS = 256  # read at once, because 4096 long texts might be one text that is repeated
REPEATING_BYTES = 64  # stored for each row: a column with less repeats its texts, or has short ones
MAX_REPETITION = 1000  # values in memory by bytes on disk; repetition is what Parquet is good at
ALWAYS_ALLOWED_VALUES = 1_000_000_000


class Parquet:
    """Columns keep their types for `data.where`; text and label become strings after it."""

    complete = True

    def __init__(self, place: Place, options: Options) -> None:
        self.place = place
        self.files = place.find(SUFFIXES)
        self.num_files = len(self.files)
        self.re_encoded: list[dict[str, str]] = []  # Parquet's text is UTF-8 by definition
        self.ignored = place.others(self.files)
        self.notes: dict[str, object] = {}
        self.columns: list[str] = []
        for file in self.files:
            names = _read_names(file)
            check_distinct(f"{file}, its schema", names)
            if self.columns:
                check_same_columns(self.files[0], self.columns, file, names)
            self.columns = names

    @staticmethod
    def fits(place: Place) -> bool:
        return bool(place.find(SUFFIXES))

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        for file in self.files:
            name = self.place.name(file)
            row = 1
            try:
                for batch in _read(file, batch_size):
                    # Nullable integers keep their values only with Arrow's own types.
                    table = batch.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
                    yield table.assign(**{ORIGIN: [f"{name}:{number}" for number in range(row, row + len(table))]})
                    row += len(table)
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a column's name is damaged
                raise _damaged(file, error) from None


def _read(file: Path, batch_size: int) -> Iterator[pa.RecordBatch]:
    """Batches of at most `batch_size` rows and, unless a single row is longer, MAX_BATCH_CHARACTERS."""
    row = 1
    num_bytes = 0
    size_on_disk = file.stat().st_size
    for batch in _join(_read_pieces(file, batch_size, size_on_disk), batch_size):
        num_bytes += batch.nbytes
        _check_size(file, num_bytes, size_on_disk, MAX_REPETITION, ALWAYS_ALLOWED_VALUES)
        _check_texts(batch, file, row)
        yield batch
        row += batch.num_rows


def _read_pieces(file: Path, batch_size: int, size_on_disk: int) -> Iterator[pa.RecordBatch]:
    """Pieces of few rows, row group by row group."""
    repeating: list[str] = []
    parquet = _open(file)
    # Row groups that are read in different ways must come out alike.
    types = [kind.value_type if _is_repeated_text(kind) else kind for kind in parquet.schema_arrow.types]
    try:
        for number in range(parquet.num_row_groups):
            group = parquet.metadata.row_group(number)
            _check_size(file, group.total_byte_size, size_on_disk, MAX_RATIO, ALWAYS_ALLOWED_BYTES)
            # A damaged column raises here; in `group.column` pyarrow 25 would let it end the process.
            next(parquet.iter_batches(1, row_groups=[number]), None)
            if repeating != (repeating := _repeating_columns(group)):
                parquet.close()
                parquet = _open(file, repeating)
            rows = max(1, min(MAX_ROWS, batch_size, _fitting_rows(group)))
            for batch in parquet.iter_batches(rows, row_groups=[number]):
                yield from _cut(batch, types)
    finally:
        parquet.close()


def _repeating_columns(group: Any) -> list[str]:
    """Text columns that hold few values often: read as they are stored, they cannot fill the memory."""
    columns = [group.column(number) for number in range(group.num_columns)]
    return [
        column.path_in_schema
        for column in columns
        if column.physical_type == "BYTE_ARRAY"
        and column.has_dictionary_page
        and column.total_uncompressed_size < REPEATING_BYTES * column.num_values
    ]


def _fitting_rows(group: Any) -> int:
    return int(MAX_BATCH_CHARACTERS * group.num_rows / max(group.total_byte_size, 1))


def _cut(batch: pa.RecordBatch, types: list[pa.DataType]) -> Iterator[pa.RecordBatch]:
    """A batch in pieces that fit into memory once each row has its own copy of a repeated text, cast to `types`."""
    repeated = [column for column in batch.columns if _is_repeated_text(column.type)]
    if not repeated:
        yield batch
        return
    sizes = np.full(batch.num_rows, batch.nbytes / max(batch.num_rows, 1))
    for column in repeated:
        lengths = pc.binary_length(column.dictionary).take(column.indices)
        sizes += lengths.fill_null(0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(sizes) // MAX_BATCH_CHARACTERS
    starts = [0, *(np.flatnonzero(np.diff(ends)) + 1).tolist(), batch.num_rows]
    for start, end in pairwise(starts):
        piece = batch.slice(start, end - start)
        columns = [
            column.cast(kind) if _is_repeated_text(column.type) else column
            for column, kind in zip(piece.columns, types, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, names=piece.schema.names)


def _is_repeated_text(kind: pa.DataType) -> bool:
    if not pa.types.is_dictionary(kind):
        return False
    of = kind.value_type
    return bool(pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_binary(of))


def _join(pieces: Iterator[pa.RecordBatch], batch_size: int) -> Iterator[pa.RecordBatch]:
    """Small batches together, up to `batch_size` rows or MAX_BATCH_CHARACTERS bytes."""
    joined: list[pa.RecordBatch] = []
    num_rows = num_bytes = 0
    for piece in pieces:
        if joined and (num_rows + piece.num_rows > batch_size or num_bytes + piece.nbytes > MAX_BATCH_CHARACTERS):
            yield pa.concat_batches(joined)
            joined, num_rows, num_bytes = [], 0, 0
        joined.append(piece)
        num_rows += piece.num_rows
        num_bytes += piece.nbytes
    if joined:
        yield pa.concat_batches(joined)


def _check_size(file: Path, num_bytes: int, size_on_disk: int, ratio: int, allowed: int) -> None:
    """Raises: UnreadableSource: the content is out of proportion to the file."""
    if num_bytes > max(allowed, ratio * size_on_disk):
        raise UnreadableSource(
            f"{file} holds more than {num_bytes / 1e6:.0f} MB, over {ratio} times its size on disk: reading stopped, "
            "because documents do not shrink like that. Look at what its columns repeat."
        )


def _read_names(file: Path) -> list[str]:
    with _open(file) as parquet:
        try:
            return [str(name) for name in parquet.schema_arrow.names]
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise _damaged(file, error) from None


def _open(file: Path, repeating: list[str] | None = None) -> pq.ParquetFile:
    if file.suffix.lower() in COMPRESSIONS:
        raise UnreadableSource(f"{file}: Parquet is compressed in itself and read in any order. Decompress the file.")
    try:
        # Buffered, a column of a row group is read page by page, and not as a whole.
        return pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False, read_dictionary=repeating)
    except (pa.ArrowException, OSError, UnicodeDecodeError, KeyError) as error:  # the last two: names are damaged
        raise _damaged(file, error) from None


def _check_texts(batch: pa.RecordBatch, file: Path, row: int) -> None:
    """Parquet's text is UTF-8, but no reader makes sure. Raises: UnreadableSource."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UnreadableSource(
            f"{file}, among the rows {row} to {row + batch.num_rows - 1}: {error}. Write the file anew."
        ) from None


def _damaged(file: Path, error: Exception) -> UnreadableSource:
    if isinstance(error, OSError) and error.errno:  # without a number it is Arrow's own, about the content
        return unreadable(file, error)
    return UnreadableSource(f"{file} is not a readable Parquet file, or was cut off: {error}. Write it anew.")
