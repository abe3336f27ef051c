"""One model's figures on a test split, as `report.evaluate` wrote them, wherever they were kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from textmill.artifacts import read_json, read_table
from textmill.errors import UserError
from textmill.tasks import Task

FILES = ("metrics.json", "report.json", "predictions.parquet")
_KEYS = ("task", "family", "labels", "intervals", "settings", "temperature", "hardware", "bundle_sha256")


class NotMeasured(UserError):
    """What was named has no figures on a test split."""


@dataclass(frozen=True)
class Measured:
    """What one model did on a test split.

    Attributes:
        title: what the user called it, and what it is.
        answers: label and predicted by id.
        settings: how it was made, by name; None where nobody wrote it down.
        origin: where it comes from, in words.
    """

    title: str
    metrics: dict[str, Any]
    report: dict[str, Any]
    answers: pd.DataFrame
    settings: dict[str, str] | None = None
    origin: dict[str, str] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        task: Task = self.report["task"]
        return task


def read_measured(
    folder: Path, title: str, *, settings: Mapping[str, str] | None = None, origin: Mapping[str, str] | None = None
) -> Measured:
    """Read the folder of one model's figures on one split.

    Raises: NotMeasured: of a recipe that was skipped, or where a file is not there; MissingArtifact.
    """
    if missing := [name for name in FILES if not (folder / name).exists()]:
        raise NotMeasured(
            f"{title} has no figures on a test split: {', '.join(missing)} is not in {folder}. `dvc repro` measures "
            "the models of params.yaml."
        )
    metrics = read_json(folder / "metrics.json")
    if "skipped" in metrics:
        raise NotMeasured(f"{title} was skipped, so there is nothing to compare: {metrics['skipped']}")
    report = read_json(folder / "report.json")
    if unsaid := [key for key in _KEYS if key not in report]:
        raise NotMeasured(
            f"The report.json of {title} is of an older textmill and does not say {', '.join(unsaid)}. Measure the "
            "model again with this one: `dvc repro` does so."
        )
    answers = read_table(folder / "predictions.parquet", ["id", "label", "predicted"]).set_index("id")
    return Measured(
        title=title,
        metrics=metrics,
        report=report,
        answers=answers,
        settings=None if settings is None else dict(settings),
        origin=dict(origin or {}),
    )
