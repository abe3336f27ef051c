"""Stratified train, validation and test; duplicates never part.

Reads: data/clean/documents.parquet.
Writes: data/splits/train.parquet, validation.parquet, test.parquet.
Params: seed, split.
"""

from pipeline import Params, Paths, main
from textmill.artifacts import DOCUMENTS, iter_table, read_table, write_table
from textmill.data.splitting import SPLITS, assign_splits


def run(params: Params, paths: Paths) -> None:
    keys = read_table(paths.clean_documents, ["id", "cluster", "label"])  # all that must be held: no texts
    split_of = dict(zip(keys["id"], assign_splits(keys, params.split.model_dump(), params.seed), strict=True))
    counts = {}
    for name in SPLITS:
        batches = (batch[batch["id"].map(split_of) == name] for batch in iter_table(paths.clean_documents))
        counts[name] = write_table(paths.split(name), batches, DOCUMENTS)
    print(f"split: {', '.join(f'{count} {name}' for name, count in counts.items())} documents")


if __name__ == "__main__":
    main(run)
