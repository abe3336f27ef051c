"""Splits on disk: every row once, with all its columns."""

import pandas as pd
import pyarrow as pa

from textmill.artifacts import DOCUMENTS, SLICE, read_table, with_slices, write_table
from textmill.data.splitting import write_splits
from textmill.paths import SPLITS


def test_rows_and_columns_are_parted_whole(tmp_path):
    count = 20_000  # several batches
    table = pd.DataFrame({name: [f"{name} {row}" for row in range(count)] for name in DOCUMENTS.names})
    table[["group", "time"]] = None
    table[f"{SLICE}language"] = ["en", None] * (count // 2)
    schema = with_slices(DOCUMENTS, table.columns)
    write_table(tmp_path / "documents.parquet", table, schema)
    splits = pd.Series(pd.Categorical([SPLITS[row % 7 % 3] for row in range(count)], SPLITS))
    targets = {name: tmp_path / f"{name}.parquet" for name in SPLITS}
    counts = write_splits(tmp_path / "documents.parquet", splits, targets)
    assert counts == splits.value_counts().to_dict()
    for name, target in targets.items():
        pd.testing.assert_frame_equal(read_table(target), table[splits == name].reset_index(drop=True).astype("str"))
        assert pa.parquet.read_schema(target).equals(schema)
