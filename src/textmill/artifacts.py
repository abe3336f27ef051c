"""Atomic reading and writing of tables, JSON files and folders, and their content hashes."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.errors import UserError

RAW = pa.schema(
    [
        ("id", pa.string()),  # hash of the text as found, see data/sources
        ("text", pa.string()),  # null where the source has none
        ("label", pa.string()),  # null where the source has none
        ("origin", pa.string()),  # file and row in the source, for people
        ("split", pa.string()),  # train, validation or test where the source says so, else null
        ("group", pa.string()),  # value of data.group; equal values never part
        ("time", pa.string()),  # value of data.time, as found
    ]
)
DOCUMENTS = pa.schema([*RAW, ("cluster", pa.string())])  # documents of one cluster never part
QUARANTINE = pa.schema([*RAW, ("reason", pa.string()), ("kept_id", pa.string())])
CORRECTIONS = pa.schema([("id", pa.string()), ("label", pa.string()), ("corrected", pa.string())])
FOLDS = pa.schema([("id", pa.string()), ("fold", pa.int32())])  # fold in which a train document is held out
SLICE = "slice_"  # prefix of the columns that data.slices names; they follow the fixed ones in every table


class MissingArtifact(UserError):
    """A file that an earlier stage writes is not there, or cannot be read."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`, a file or a folder, and rename it on success.

    A stage that is killed leaves no half artefact. (A folder cannot be replaced in one step: killed between the two,
    it is gone, and DVC's cache has the old one.)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.writing")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            _remove(path)
        temporary.replace(path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON that any reader takes: no NaN, UTF-8, two spaces, a newline at the end."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Raises: MissingArtifact."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise _missing(path, error) from None


def write_table(path: Path, batches: pd.DataFrame | Iterable[pd.DataFrame], schema: pa.Schema) -> int:
    """Write a table in one go or batch by batch, with exactly the columns of `schema`; return its rows."""
    num_rows = 0
    with atomic(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for batch in [batches] if isinstance(batches, pd.DataFrame) else batches:
            writer.write_table(pa.Table.from_pandas(batch, schema=schema, preserve_index=False))
            num_rows += len(batch)
    return num_rows


def with_slices(schema: pa.Schema, columns: Iterable[str]) -> pa.Schema:
    """The schema with the slice columns among `columns`, all of them text."""
    return pa.schema([*schema, *(pa.field(name, pa.string()) for name in columns if name.startswith(SLICE))])


def column_names(path: Path) -> list[str]:
    """Raises: MissingArtifact."""
    return list(read_schema(path).names)


def read_schema(path: Path) -> pa.Schema:
    """Names and types of a table's columns. Raises: MissingArtifact."""
    try:
        return pq.read_schema(path)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise _missing(path, error) from None


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Raises: MissingArtifact."""
    try:
        return pd.read_parquet(path, columns=columns)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise _missing(path, error) from None


def iter_table(path: Path, batch_size: int = 8192, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """Stream a table in batches of at most `batch_size` rows. Raises: MissingArtifact."""
    for batch in iter_record_batches(path, batch_size, columns):
        yield batch.to_pandas()


def iter_record_batches(
    path: Path, batch_size: int = 8192, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The same in Arrow, which makes no Python object of a text. Raises: MissingArtifact."""
    try:
        with pq.ParquetFile(path) as file:
            # A row group at a time: a reader of all of them holds the bytes of each until the end.
            for group in range(file.num_row_groups):
                yield from file.iter_batches(batch_size, row_groups=[group], columns=columns)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise _missing(path, error) from None


def sha256(path: Path) -> str:
    """Content hash of a file, or of a folder's files with their relative names."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file_path in sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(f"{file_path.relative_to(path).as_posix()}\0{sha256(file_path)}\n".encode())
    return digest.hexdigest()


def size_mb(path: Path) -> float:
    """Size of a file or of all files in a folder, in MB (1e6 bytes)."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files) / 1e6


def _missing(path: Path, error: Exception) -> MissingArtifact:
    what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
    return MissingArtifact(
        f"{path} {what}. `dvc repro` makes it; after a stage that failed, `dvc checkout` brings the "
        "previous outputs back from DVC's cache."
    )
