"""Tables of report.json that `dvc plots` draws: DVC draws tables, and would mix all lists of one JSON file."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

COLUMNS = {  # low and high are what the template `interval` of .dvc/plots draws beside the figure
    "per_class": ["label", "f1", "low", "high", "precision", "recall", "support"],
    "slices": ["slice", "difference", "low", "high", "score", "num_documents", "p_adjusted"],
    "robustness": ["perturbation", "drop", "low", "high", "num_changed"],
    "risk_coverage": ["coverage", "risk", "threshold"],
    "throughput": ["batch_size", "documents_per_s"],
}


def plot_tables(report: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """A table for each of COLUMNS; without rows where the task or the split has no such part."""
    of_labels = (report.get("per_class") or {}).items()
    rows = {
        "per_class": [_bounded({"label": label, **row}, "f1") for label, row in of_labels],
        "slices": [
            _bounded({**row, "slice": f"{row['column']}: {row['value']}"}, "difference")
            for row in _rows(report, "slices", "rows")
        ],
        "robustness": [_bounded(row, "drop") for row in _rows(report, "robustness", "rows")],
        "risk_coverage": _rows(report, "selective", "curve"),
        "throughput": _rows(report, "efficiency", "throughput"),
    }
    return {name: pd.DataFrame(rows[name], columns=columns) for name, columns in COLUMNS.items()}


def _bounded(row: Mapping[str, Any], figure: str) -> dict[str, Any]:
    return {**row, "low": row[f"{figure}_low"], "high": row[f"{figure}_high"]}


def _rows(report: Mapping[str, Any], part: str, key: str) -> list[dict[str, Any]]:
    return list((report.get(part) or {}).get(key) or [])
