"""Raw tables for the clean stage, and the stage run on them in this process."""

import pandas as pd

import pipeline.clean as stage
from tests.stage.stages import write_params
from textmill.artifacts import CORRECTIONS, RAW, read_json, read_table, with_slices, write_table
from textmill.config import load_params
from textmill.paths import Paths


def write_raw(folder, rows, corrections=(), **params):
    """A raw table with ids and origins of its own, and params.yaml."""
    paths = Paths(folder, folder)
    empty = dict.fromkeys(("split", "group", "time"))
    table = pd.DataFrame({**empty, **rows} if isinstance(rows, dict) else rows)
    for name in empty:
        table[name] = table.get(name)
    numbers = range(1, len(table) + 1)
    table = table.assign(id=[f"{n:016x}" for n in numbers], origin=[f"own.csv:{n}" for n in numbers])
    write_table(paths.raw_documents, table, with_slices(RAW, table.columns))
    write_table(paths.corrections, pd.DataFrame(list(corrections), columns=CORRECTIONS.names), CORRECTIONS)
    write_params(folder, **{"labels": "null", **params})
    return paths


def clean(paths):
    """Run the stage; the tables by number of the row, and the summary."""
    stage.run(load_params(paths.params), paths)
    tables = [read_table(path) for path in (paths.clean_documents, paths.quarantine)]
    kept, gone = (table.set_index(table["id"].map(lambda name: int(name, 16))) for table in tables)
    return kept, gone, read_json(paths.clean_summary)
