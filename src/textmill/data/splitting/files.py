"""Parts a table into one file per split, in one pass over its texts."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.artifacts import atomic, iter_record_batches, read_schema


def write_splits(documents: Path, splits: "pd.Series[str]", targets: Mapping[str, Path]) -> dict[str, int]:
    """Write each document to the file of its split, with all its columns; return the rows of each file.

    Rows stay in Arrow, which spares making a Python object of every text.

    Args:
        documents: a Parquet table.
        splits: the split of each of its rows, in their order.
        targets: the file of each split.

    Raises: MissingArtifact.
    """
    counts = dict.fromkeys(targets, 0)
    with ExitStack() as stack:
        schema = read_schema(documents).remove_metadata()
        writers = {}
        for name, target in targets.items():
            temporary = stack.enter_context(atomic(target))
            writers[name] = stack.enter_context(pq.ParquetWriter(temporary, schema, compression="zstd"))
        start = 0
        for batch in iter_record_batches(documents):
            names = splits.iloc[start : start + batch.num_rows]
            start += batch.num_rows
            for name, writer in writers.items():
                chosen = np.asarray(names == name)
                counts[name] += int(chosen.sum())
                writer.write_batch(batch.filter(pa.array(chosen)))
    assert sum(counts.values()) == len(splits)
    return counts
