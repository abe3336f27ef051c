"""Repair texts, map labels, drop exact and near duplicates; what is removed goes to quarantine with its reason.

Reads: data/raw/documents.parquet, data/raw/corrections.parquet.
Writes: data/clean/documents.parquet, data/clean/quarantine.parquet (the raw rows, reason, kept_id),
    data/clean/summary.json (counts).
Params: clean, data.label_separator, task.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from pipeline import Params, Paths, alone, main

BATCH_BYTES = 4_000_000  # of text
MAX_BATCH_ROWS = 8192
INLINE_BYTES = 30_000_000  # so much text is cleaned before worker processes have started


def run(params: Params, paths: Paths) -> None:
    from textmill.artifacts import (
        DOCUMENTS,
        QUARANTINE,
        column_names,
        iter_table,
        read_table,
        with_slices,
        write_json,
        write_table,
    )
    from textmill.data.cleaning.corrected_labels import Corrections
    from textmill.data.cleaning.labels import RareLabels, make_rules
    from textmill.data.cleaning.rows import RowCleaner
    from textmill.data.cleaning.texts import STEPS, TextRules
    from textmill.data.duplicates.near import NearDuplicateIndex, choose_banding
    from textmill.data.quarantine.verdicts import Verdicts

    clean = params.clean
    near, rare = clean.near_duplicates, RareLabels(**clean.rare_labels.model_dump())
    rules = TextRules(
        frozenset(name for name in STEPS if getattr(clean, name)), clean.min_characters, clean.max_characters
    )
    banding = None if near.action == "ignore" else choose_banding(near.threshold, near.ngram, near.num_hashes)
    columns = column_names(paths.raw_documents)
    labels = make_rules(params.task, clean.labels, clean.label_case, params.data.label_separator)
    corrections = Corrections(read_table(paths.corrections), labels, params.task, rare.merge_into)
    here = Paths(paths.root, paths.root)  # experiments in folders of their own may clean at the same time
    with alone(here, "clean"), _workplace(paths.clean_documents.parent) as folder:
        index = None if banding is None else NearDuplicateIndex(folder, near.threshold)
        verdicts = Verdicts(
            drop_duplicates=clean.exact_duplicates, near=index, near_action=near.action, rare=rare, task=params.task
        )
        cleaner = RowCleaner(rules, banding, labels, corrections, verdicts, index)
        batch_rows, num_workers = _plan(paths.raw_documents)
        cleaned = folder / "cleaned.parquet"  # duplicates are known only after the last row
        raw = _show_progress(iter_table(paths.raw_documents, batch_rows))
        write_table(cleaned, cleaner.clean(raw, num_workers), with_slices(DOCUMENTS, columns))
        settlement = verdicts.settle()
        kept = settlement.keep(iter_table(cleaned, batch_rows))
        gone = settlement.quarantine(iter_table(paths.raw_documents, batch_rows))
        write_table(paths.clean_documents, kept, with_slices(DOCUMENTS, columns))
        write_table(paths.quarantine, gone, with_slices(QUARANTINE, columns))
    summary = settlement.summary(cleaner.repaired, corrections.applied)
    write_json(paths.clean_summary, summary)
    print(f"clean: {_describe(summary)}")


def _describe(summary: dict[str, Any]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary["reasons"].items() if count)
    what, target = f"in {len(summary['labels'])} classes", summary["target"]
    if target is not None:
        what = f"with numbers from {target['min']:g} to {target['max']:g}"
    elif summary["unlabelled"]:
        what += f", {summary['unlabelled']} in none"
    kept = f"{summary['kept']} of {summary['ingested']} documents kept {what}"
    return f"{kept}; quarantined: {reasons or 'none'}"


@contextmanager
def _workplace(parent: Path) -> Iterator[Path]:
    """A folder that is empty, whatever a killed run left, and is gone in the end."""
    folder = parent / ".cleaning"
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        rmtree(folder)


def _plan(table: Path) -> tuple[int, int]:
    """Rows of a batch, so that it is of a like size whatever the length of texts; and how many processes to use."""
    from pyarrow.parquet import read_metadata

    from textmill.data.cleaning.worker_pool import count_cores

    metadata = read_metadata(table)
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    num_bytes = sum(group.total_byte_size for group in groups)
    rows = BATCH_BYTES * metadata.num_rows // max(num_bytes, 1)
    return min(max(rows, 1), MAX_BATCH_ROWS), count_cores() if num_bytes > INLINE_BYTES else 1


def _show_progress(batches: Iterator[Any]) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(batches, "Cleaning batches", console=console, transient=True, disable=not console.is_terminal)


if __name__ == "__main__":
    main(run)
