"""The same four documents in each layout, and one call to read a source whole."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.data.sources import Columns, Options, Place, open_source

ROWS = [("Smart, funny", "1"), ('Two\nlines and a "quote"', "0"), ("Größe & Ærø 日本", "1"), ("Smart, funny", "1")]

as_a_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def read(
    paths: Path | list[Path] | Mapping[str | None, Path],
    text: str | int = "text",
    label: str | int = "label",
    where: str | None = None,
    batch_size: int = 2,
    header: bool = True,
    **columns: Any,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The documents of a place, or of one for each split, and the record."""
    places = {split: Place.of(path) for split, path in paths.items()} if isinstance(paths, Mapping) else Place.of(paths)
    reading = open_source(places, Columns(text, label, **columns), where, Options(header))
    batches = list(reading.documents(batch_size))
    return pd.concat(batches, ignore_index=True), reading.record()


def write_folder(folder: Path) -> Path:
    for number, (text, label) in enumerate(ROWS):
        (folder / "s" / label).mkdir(parents=True, exist_ok=True)
        (folder / "s" / label / f"{number}.txt").write_text(text)
    return folder / "s"


def write_delimited(folder: Path, delimiter: str = ",", encoding: str = "utf-8", name: str = "s.csv") -> Path:
    path = folder / name
    pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(path, index=False, sep=delimiter, encoding=encoding)
    return path


def write_jsonl(folder: Path) -> Path:
    path = folder / "s.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": int(y)}) + "\n" for t, y in ROWS))
    return path


def write_parquet(folder: Path) -> Path:
    path = folder / "s.parquet"
    table = {"text": [t for t, _ in ROWS], "label": pa.array([int(y) for _, y in ROWS], pa.int8())}
    pq.write_table(pa.table(table), path, row_group_size=3)
    return path


def write_orange(folder: Path) -> Path:
    path = folder / "s.tab"
    frame = pd.DataFrame([("string", "d"), ("meta", "class"), *ROWS], columns=["text", "label"])
    frame.to_csv(path, sep="\t", index=False)
    return path


def write_dataset(folder: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({"text": [t for t, _ in ROWS], "label": [int(y) for _, y in ROWS]})
    dataset.save_to_disk(str(folder / "s"))
    return folder / "s"


WRITERS = {
    "folder_per_class": write_folder,
    "hf_folder": write_dataset,
    "delimited": write_delimited,
    "orange_tab": write_orange,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}
