"""Settings of an evaluation, and the case that its parts are given, on real documents and a real bundle."""

from pathlib import Path
from typing import Any

import pandas as pd

from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from textmill.config import load_params
from textmill.evaluation.case import Case, EvaluatedSplit, Settings
from textmill.evaluation.latency import predict_one_by_one
from textmill.evaluation.report import read_truth
from textmill.runtime import Classifier

REPOSITORY = Path(__file__).parents[1]


def settings(**changes: Any) -> Settings:
    """Those of the repository's params.yaml with few resamples and documents; a nested one is changed key by key."""
    few: dict[str, Any] = {"num_resamples": 200, "latency_documents": 20, "throughput_batch": 8, "batch_sizes": [1, 8]}
    few["startup_processes"] = 0
    values = load_params(REPOSITORY / "params.yaml").evaluate.model_dump() | few
    values["robustness"]["documents"] = values["shift"]["documents"] = 40
    for key, value in changes.items():
        values[key] = values[key] | value if isinstance(value, dict) else value
    return Settings(**{"seed": 0, **values})


def make_case(
    folder: Path,
    *,
    task: str = "single_label",
    split: EvaluatedSplit = "test",
    fitted: dict[str, Any] | None = None,
    noise: float = 0.3,
    num_documents: int = 300,
    columns: dict[str, Any] | None = None,
    **changes: Any,
) -> Case:
    """A tiny bundle, made in `folder`, and its answers to documents that it has not seen.

    Args:
        columns: further columns of the documents, as of data.slices.
        changes: of the settings.
    """
    documents = documents_of(task)
    if not (folder / "bundle").exists():
        tiny_bundle(folder / "bundle", documents[:2000], task=task, noise=noise)
    classifier = Classifier.load(folder / "bundle", threads=1)
    start = {"validation": 2000, "test": 3000}[split]
    test: pd.DataFrame = documents[start : start + num_documents].reset_index(drop=True).assign(**(columns or {}))
    outputs, _ = predict_one_by_one(classifier, test["text"].tolist())
    truth, bundle = read_truth(classifier, test), folder / "bundle"
    return Case(split, classifier, test, truth, outputs, bundle, settings(**changes), fitted)
