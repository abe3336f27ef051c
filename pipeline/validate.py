"""The data contract: Great Expectations suites over raw, clean and splits; a breach stops the pipeline.

Reads: data/raw/documents.parquet, data/clean/documents.parquet and quarantine.parquet, data/splits/*.parquet.
Writes: data/validation/report.json, data/validation/data_docs (pages of Great Expectations).
Params: clean, contract.
"""

import pandas as pd

from pipeline import Params, Paths, main
from textmill.artifacts import atomic, iter_table, read_table, write_json
from textmill.data.contract import build_suites, build_tables, check, validate
from textmill.data.splitting import SPLITS


def run(params: Params, paths: Paths) -> None:
    tables = build_tables(
        raw_ids=read_table(paths.raw_documents, ["id"])["id"],
        quarantined_ids=read_table(paths.quarantine, ["id"])["id"],
        clean=pd.concat(
            batch[["id", "label"]].assign(num_characters=batch["text"].str.len())
            for batch in iter_table(paths.clean_documents)
        ),
        splits={name: read_table(paths.split(name), ["id", "label", "cluster"]) for name in SPLITS},
    )
    suites = build_suites(
        labels=sorted(set(params.clean.labels.values())) if params.clean.labels else None,
        min_characters=params.clean.min_characters,
        max_characters=params.clean.max_characters,
        **params.contract.model_dump(),
    )
    with atomic(paths.data_docs) as folder:
        folder.mkdir()
        report = validate(tables, suites, folder)
    write_json(paths.validation_report, report)
    check(report)
    print(f"validate: {report['num_expectations']} expectations met by {len(tables.clean)} documents")


if __name__ == "__main__":
    main(run)
