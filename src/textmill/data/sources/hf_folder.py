"""A Hugging Face dataset on disk, as `Dataset.save_to_disk` and `DatasetDict.save_to_disk` write it.

A dataset is a folder with Arrow files, state.json and dataset_info.json; a DatasetDict is a folder of those, one per
split, and dataset_dict.json.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import (
    MAX_BATCH_CHARACTERS,
    ORIGIN,
    SPLIT,
    Options,
    Place,
    check_distinct,
    check_same_columns,
    walk,
)
from textmill.data.sources.split_names import split_of_value

DICT = "dataset_dict.json"
STATE = "state.json"
INFO = "dataset_info.json"


class MissingExtra(UnreadableSource):
    """The source needs a library that is not installed."""


class HfFolder:
    """Memory-mapped, without a network and without anything written into the user's cache.

    Names take the place of ClassLabel's integers, and nothing that of -1, which marks a missing one. Splits other
    than train, validation and test, such as `unsupervised`, are not read, and `ignored` names them.
    """

    complete = True

    def __init__(self, place: Place, options: Options) -> None:
        self.place = place
        list(walk(place, place.root))  # raises for links that lead out
        folders = _find_splits(place)
        self._splits = {name: split for name in folders if name is not None and (split := split_of_value(name))}
        if None not in folders and not self._splits:
            raise UnreadableSource(
                f"{place.root} has the splits {', '.join(map(str, folders))}, none of them train, validation or test. "
                "Name the folder of one of them as data.source."
            )
        others = [f"{name}/" for name in folders if name is not None and name not in self._splits]
        loaded = {name: _load(folders[name]) for name in self._splits or folders}
        self._tables = {name: table for name, table in loaded.items() if table is not None}
        files = [file for name in loaded for file in _data_files(folders[name])]
        self.num_files = len(files)
        self.ignored = others + place.others([*files, *(place.root / name for name in (DICT, STATE, INFO))])
        self.columns = self._check_columns(folders)
        self.re_encoded: list[dict[str, str]] = []  # Arrow's text is UTF-8 by definition
        labels = list(dict.fromkeys(name for _, classes in self._tables.values() for name in classes))
        self.notes: dict[str, Any] = {"class_columns": labels} if labels else {}

    @staticmethod
    def fits(place: Place) -> bool:
        names = {file.name for file in place.files}
        return place.root.is_dir() and (DICT in names or STATE in names)

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        for name, (table, classes) in self._tables.items():
            row = 1
            where = name or self.place.root.resolve().name
            for batch in _record_batches(table, batch_size):
                frame = batch.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
                for column, names in classes.items():
                    frame[column] = _name_classes(frame[column], names, f"{where}:{row}")
                origins = [f"{where}:{number}" for number in range(row, row + len(frame))]
                extra = {ORIGIN: origins} | ({SPLIT: self._splits[name]} if name is not None else {})
                yield frame.assign(**extra)
                row += len(frame)

    def _check_columns(self, folders: dict[str | None, Path]) -> list[str]:
        columns: list[str] = []
        first = self.place.root
        for name, (table, _) in self._tables.items():
            found = list(map(str, table.column_names))
            check_distinct(f"{folders[name]}, its schema", found)
            if columns:
                check_same_columns(first, columns, folders[name], found)
            columns, first = found, folders[name]
        return columns


def _find_splits(place: Place) -> dict[str | None, Path]:
    """The folder of each split, or of the one dataset under None."""
    listing = place.root / DICT
    if not listing.is_file():
        return {None: place.root}
    names = _read_json(listing).get("splits")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UnreadableSource(f"{listing} must list the splits under `splits`. Save the dataset anew.")
    folders = {folder.name: folder for folder in place.folders}
    for name in names:
        if name not in folders:
            raise UnreadableSource(
                f"{listing} names the split {name!r}, but has no such folder beside it. Copy it too."
            )
    return {name: folders[name] for name in names}


def _data_files(folder: Path) -> list[Path]:
    """The Arrow files that state.json names, which must lie beside it."""
    entries = _read_json(folder / STATE).get("_data_files")
    names = [entry.get("filename") if isinstance(entry, dict) else None for entry in entries or []]
    if not isinstance(entries, list) or not all(isinstance(n, str) and n == Path(n).name for n in names):
        raise UnreadableSource(f"{folder / STATE} does not list the dataset's files. Save the dataset anew.")
    files = [folder / str(name) for name in names]
    for file in files:
        if not file.is_file():
            raise UnreadableSource(f"{folder / STATE} names the file {file.name}, which is not there. Copy it too.")
    return files


def _load(folder: Path) -> tuple[pa.Table, dict[str, list[str]]] | None:
    """The memory-mapped table, and the names of the classes of each ClassLabel column; None where there are no rows."""
    if not sum(map(_check_values, _data_files(folder))):
        return None  # the library cannot load what it saved of a dataset without rows
    try:
        # `datasets` reads these once, at import.
        os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from datasets import ClassLabel, Dataset
    except ImportError:
        raise MissingExtra(
            f"{folder} is a Hugging Face dataset folder, and the library that reads it is not installed. Install it "
            "with `pip install 'textmill[hf]'` (in a checkout `pip install -e '.[hf]'`), or save the dataset as "
            "Parquet with `dataset.to_parquet`."
        ) from None
    try:
        dataset = Dataset.load_from_disk(str(folder), keep_in_memory=False)
        features = {name: feature for name, feature in dataset.features.items() if isinstance(feature, ClassLabel)}
        return dataset.data.table, {name: list(map(str, feature.names)) for name, feature in features.items()}
    except Exception as error:  # of a damaged state.json or dataset_info.json the library raises whatever comes up
        raise _damaged(folder, error) from None


def _check_values(file: Path) -> int:
    """Look at every offset and character before anything uses them: damaged ones lead out of the file's memory.

    Returns: the number of rows.

    Raises: UnreadableSource.
    """
    num_rows = 0
    try:
        with pa.memory_map(str(file)) as mapped, pa.ipc.open_stream(mapped) as batches:
            for batch in batches:
                batch.validate(full=True)
                num_rows += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(file, error) from None
    return num_rows


def _record_batches(table: pa.Table, batch_size: int) -> Iterator[pa.RecordBatch]:
    """The table's batches cut to `batch_size` rows, and to fewer where they are large."""
    for batch in table.to_batches():
        fitting = batch.num_rows * MAX_BATCH_CHARACTERS // max(batch.nbytes, 1)
        step = max(1, min(batch_size, fitting))
        for start in range(0, batch.num_rows, step):
            yield batch.slice(start, step)


def _name_classes(indices: "pd.Series[Any]", names: list[str], first: str) -> "pd.Series[Any]":
    found: list[str | None] = []
    for index in indices:
        if pd.isna(index) or index == -1:
            found.append(None)
        elif 0 <= index < len(names):
            found.append(names[int(index)])
        else:
            raise UnreadableSource(
                f"column {indices.name!r}, in the {len(found) + 1}th row from {first}, holds the class {index}, but "
                f"there are {len(names)}: {', '.join(names[:20])}. Save the dataset anew."
            )
    return pd.Series(found, index=indices.index, dtype=object)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, error) from None
    if not isinstance(value, dict):
        raise UnreadableSource(f"{file} holds a {type(value).__name__}, not an object. Save the dataset anew.")
    return value


def _damaged(path: Path, error: Exception) -> UnreadableSource:
    reason = " ".join(str(error).split())[:300]
    return UnreadableSource(
        f"{path} is damaged, or no dataset that `save_to_disk` wrote: {reason}. Copy it again, or save it anew."
    )
