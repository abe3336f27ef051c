"""Parquet: one file, or the files of a folder, with the same columns."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import ORIGIN, check_same_columns, find_files, find_others

SUFFIXES = (".parquet", ".pq")


class Parquet:
    """Columns keep their types for `data.where`; text and label become strings after it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = find_files(path, SUFFIXES)
        self.num_files = len(self.files)
        self.re_encoded: list[dict[str, str]] = []  # Parquet's text is UTF-8 by definition
        self.ignored = find_others(path, self.files)
        self.columns: list[str] = []

    @staticmethod
    def fits(path: Path) -> bool:
        return bool(find_files(path, SUFFIXES))

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        for file in self.files:
            try:
                yield from self._read(file, batch_size)
            except pa.ArrowInvalid as error:
                raise UnreadableSource(f"{file} is not a readable Parquet file: {error}. Write it anew.") from None

    def _read(self, file: Path, batch_size: int) -> Iterator[pd.DataFrame]:
        with pq.ParquetFile(file) as parquet:
            names = list(parquet.schema_arrow.names)
            if self.columns:
                check_same_columns(self.files[0], self.columns, file, names)
            self.columns = names
            row = 1
            for batch in parquet.iter_batches(batch_size):
                # Dictionary-encoded text and nullable integers keep their values only with Arrow's own types.
                table = batch.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
                yield table.assign(**{ORIGIN: [f"{file.name}:{number}" for number in range(row, row + len(table))]})
                row += len(table)
