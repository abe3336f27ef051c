"""Repair texts, map labels, drop duplicates; what is removed goes to quarantine with its reason.

Reads: data/raw/documents.parquet.
Writes: data/clean/documents.parquet (id, text, label, origin, cluster), data/clean/quarantine.parquet (the raw
    rows, reason, kept_id), data/clean/summary.json (counts).
Params: clean.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from pipeline import Params, Paths, main
from textmill.artifacts import DOCUMENTS, QUARANTINE, iter_table, write_json, write_table
from textmill.data.cleaning import clean_rows
from textmill.data.quarantine import Verdicts


def run(params: Params, paths: Paths) -> None:
    from rich.console import Console
    from rich.progress import track

    settings = params.clean.model_dump()
    verdicts, repaired = Verdicts(), Counter[str]()
    console = Console(stderr=True)

    def clean_all() -> Iterator[pd.DataFrame]:
        batches = iter_table(paths.raw_documents)
        for raw in track(batches, "Cleaning batches", console=console, transient=True, disable=not console.is_terminal):
            cleaned, changed = clean_rows(raw, **settings)
            verdicts.add(cleaned)
            repaired.update(changed)
            yield cleaned

    paths.clean_documents.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=paths.clean_documents.parent) as folder:
        cleaned = Path(folder) / "cleaned.parquet"  # duplicates are known only after the last row
        write_table(cleaned, clean_all(), DOCUMENTS)
        verdicts.settle()
        write_table(paths.clean_documents, verdicts.keep(iter_table(cleaned)), DOCUMENTS)
    write_table(paths.quarantine, verdicts.quarantine(iter_table(paths.raw_documents)), QUARANTINE)
    summary = verdicts.summary(repaired)
    write_json(paths.clean_summary, summary)
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary["reasons"].items() if count)
    print(
        f"clean: {summary['kept']} of {summary['ingested']} documents kept in {len(summary['labels'])} classes; "
        f"quarantined: {reasons or 'none'}"
    )


if __name__ == "__main__":
    main(run)
