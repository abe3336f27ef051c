"""The card of a finished run, and the tables in it, for tests."""

import re
from pathlib import Path
from typing import Any

from pipeline import compare
from tests.tiny_reports import write_data_reports, write_model_reports
from tests.tiny_run import tiny_run
from textmill.artifacts import read_json, write_json
from textmill.config import load_params
from textmill.paths import Paths
from textmill.reporting.card import render_card
from textmill.reporting.facts import gather


def carded_run(folder: Path, task: str) -> Paths:
    """A finished run with all that the card tells of, measured for real."""
    paths = tiny_run(folder, task=task, noise=0.3, examined=True)
    write_data_reports(paths, task=task)
    write_model_reports(paths, task=task)
    compare.run(load_params(paths.params), paths)
    return paths


def card_of(run: Paths) -> str:
    return render_card(gather(load_params(run.params), run), run)


def changed(run: Paths, file: Path, **values: Any) -> str:
    """The card with some keys of a report changed; those that are None are left out."""
    existed = file.exists()
    before = read_json(file) if existed else {}
    try:
        after = {**before, **values}
        write_json(file, {key: value for key, value in after.items() if value is not None or key not in values})
        return card_of(run)
    finally:
        write_json(file, before) if existed else file.unlink()


def report_of(run: Paths) -> Path:
    return run.evaluation("test", "int8") / "report.json"


def tables(card: str) -> list[list[list[str]]]:
    """Cells of the rows of each table, its header first."""
    found: list[list[list[str]]] = []
    previous = ""
    for line in card.splitlines():
        if line.startswith("|"):
            if not previous.startswith("|"):
                found.append([])
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        previous = line
    return found


def table_under(card: str, *header: str) -> list[list[str]]:
    """The rows of the table that begins with these columns."""
    (table,) = (table for table in tables(card) if table[0][: len(header)] == list(header))
    return table[2:]
