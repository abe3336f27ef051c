"""Reads the quarantine: counts, examples, and rows for other programs. Streams: texts are not held."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from textmill.artifacts import QUARANTINE, atomic, column_names, iter_table, read_table, with_slices, write_table
from textmill.data.quarantine.reasons import REASONS
from textmill.errors import UserError

OUTPUTS = (".csv", ".jsonl", ".parquet")
MAX_TEXT = 1000  # characters of an example
_BATCH = 1024


class UnknownReason(UserError):
    """A reason that no row goes to quarantine for."""


class UnusableOutput(UserError):
    """An output file of an unknown kind, or one that would be overwritten or cannot be written."""


def check_reason(reason: str | None) -> None:
    """Raises: UnknownReason."""
    if reason is not None and reason not in REASONS:
        raise UnknownReason(f"{reason!r} is no reason of quarantine. There are: {', '.join(REASONS)}.")


def count_reasons(path: Path) -> dict[str, int]:
    """Rows of each reason, the commonest first. Raises: MissingArtifact."""
    return dict(Counter(read_table(path, ["reason"])["reason"]).most_common())


def find_examples(quarantine: Path, clean: Path, reason: str | None, num_each: int) -> dict[str, list[dict[str, Any]]]:
    """The first rows of each reason, or of one.

    Returns:
        By reason: id, origin, label, text (its first MAX_TEXT characters), and where another document stays in place
        of the row, its id, origin, label and text as `kept`.

    Raises: MissingArtifact.
    """
    examples: dict[str, list[dict[str, Any]]] = {}
    kept: dict[str, list[dict[str, Any]]] = {}  # examples by the id of what is kept for them
    for batch in iter_table(quarantine, _BATCH) if num_each else ():
        batch = batch if reason is None else batch[batch["reason"] == reason]
        for name, rows in batch.groupby("reason"):
            found = examples.setdefault(str(name), [])
            for row in rows.head(num_each - len(found)).itertuples():
                found.append(_tell(row))
                if isinstance(row.kept_id, str):
                    kept.setdefault(row.kept_id, []).append(found[-1])
    for batch in iter_table(clean, _BATCH) if kept else ():
        for row in batch[batch["id"].isin(list(kept))].itertuples():
            for example in kept.pop(str(row.id)):
                example["kept"] = _tell(row)
        if not kept:
            break
    return examples


def _tell(row: Any) -> dict[str, Any]:
    texts = {name: getattr(row, name) for name in ("id", "origin", "label", "text")}
    return {name: value[:MAX_TEXT] if isinstance(value, str) else None for name, value in texts.items()}


def write_rows(quarantine: Path, output: Path, reason: str | None) -> int:
    """Write the rows, or those of one reason, as CSV, JSONL or Parquet by the file's ending; return how many.

    Raises: MissingArtifact, UnusableOutput.
    """
    suffix = output.suffix.lower()
    if suffix not in OUTPUTS:
        raise UnusableOutput(f"--output {output}: the ending {output.suffix!r} is not one of {', '.join(OUTPUTS)}.")
    if output.is_dir():
        raise UnusableOutput(f"--output {output} is a folder. Name a file in it.")
    if output.resolve() == quarantine.resolve():
        raise UnusableOutput(f"--output {output} is the quarantine itself. Name another file.")
    schema = with_slices(QUARANTINE, column_names(quarantine))
    try:
        if suffix == ".parquet":
            return write_table(output, _rows(quarantine, reason), schema)
        return _write_text(output, _rows(quarantine, reason), schema.names, suffix)
    except OSError as error:
        raise UnusableOutput(f"--output {output} cannot be written ({error.strerror}). Name another file.") from None


def _rows(quarantine: Path, reason: str | None) -> Iterator[pd.DataFrame]:
    for batch in iter_table(quarantine, _BATCH):
        yield batch if reason is None else batch[batch["reason"] == reason]


def _write_text(output: Path, batches: Iterator[pd.DataFrame], columns: list[str], suffix: str) -> int:
    num_rows = 0
    with atomic(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if suffix == ".csv":
            pd.DataFrame(columns=columns).to_csv(file, index=False, lineterminator="\r\n")
        for batch in batches:
            num_rows += len(batch)
            if suffix == ".csv":
                batch[columns].to_csv(file, index=False, header=False, lineterminator="\r\n")
            elif len(batch):
                batch[columns].to_json(file, orient="records", lines=True, force_ascii=False)
    return num_rows
