"""Train, validation and test, given, stratified or by time; clusters and groups never part. Folds of train.

Reads: data/clean/documents.parquet.
Writes: data/splits/train.parquet, validation.parquet, test.parquet, folds.parquet (id and fold of train).
Params: seed, split, task.
"""

import pandas as pd

from pipeline import Params, Paths, main
from textmill.artifacts import FOLDS, read_table, write_table
from textmill.data.splitting import assign_folds, assign_splits, write_splits
from textmill.paths import SPLITS

KEYS = ["id", "label", "split", "group", "time", "cluster"]  # all that must be held: no texts


def run(params: Params, paths: Paths) -> None:
    settings = params.split
    shares = {name: getattr(settings, name) for name in SPLITS}
    keys = read_table(paths.clean_documents, KEYS)
    splits = assign_splits(keys, shares, params.seed, settings.method, params.task)
    in_train = (splits == "train").to_numpy()
    of_train = keys.loc[in_train, ["label", "group", "cluster"]]
    folds = assign_folds(of_train, settings.num_folds, params.seed, params.task)
    counts = write_splits(paths.clean_documents, splits, {name: paths.split(name) for name in SPLITS})
    write_table(paths.folds, pd.DataFrame({"id": keys["id"][in_train], "fold": folds}), FOLDS)
    shown = ", ".join(f"{count} {name} ({count / len(keys):.1%})" for name, count in counts.items())
    print(f"split: {shown}; {settings.num_folds} folds of train")


if __name__ == "__main__":
    main(run)
