"""Cases for the parts that judge groups of documents: of given answers, or of a bundle's own."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from tests.tiny_case import settings
from textmill.evaluation.case import Case
from textmill.evaluation.latency import predict_one_by_one
from textmill.evaluation.report import read_truth
from textmill.runtime import Classifier
from textmill.tasks import join_labels


def group_case(
    folder: Path,
    truth: np.ndarray,
    answers: np.ndarray,
    *,
    task: str = "single_label",
    num_classes: int = 2,
    texts: list[str] | None = None,
    columns: dict[str, Any] | None = None,
    **changes: Any,
) -> Case:
    """A case with this truth and these answers, both in the form of `Case.truth`.

    Args:
        num_classes: labels a, b, ... of the model, which are also its order.
        columns: of data.slices, without their prefix.
        changes: of the settings.
    """
    names = [f"{chr(97 + i // 26)}{chr(97 + i % 26)}" if num_classes > 26 else chr(97 + i) for i in range(num_classes)]
    model = folder / f"{task}-{num_classes}"
    if not model.exists():
        tiny_bundle(model, _labelled(documents_of(task)[: 4 * num_classes], names, task), task=task)
    documents = documents_of(task)[: len(truth)].reset_index(drop=True)
    documents = documents.assign(**{f"slice_{name}": values for name, values in (columns or {}).items()})
    documents["label"] = _write(truth, names, task)
    documents["text"] = documents["text"] if texts is None else texts
    outputs = answers.astype(np.float64)
    if task != "regression":
        outputs = np.eye(num_classes)[answers] if task == "single_label" else outputs
        outputs = 0.05 + 0.9 * outputs
    return _case(model, documents, outputs, changes)


def bundle_case(bundle: Path, documents: pd.DataFrame, **changes: Any) -> Case:
    """A case of a bundle's answers to documents as of data/splits; `changes` are of the settings."""
    outputs, _ = predict_one_by_one(_load(bundle), documents["text"].tolist())
    return _case(bundle, documents, outputs, changes)


def _case(bundle: Path, documents: pd.DataFrame, outputs: np.ndarray, changes: dict[str, Any]) -> Case:
    return Case(
        split="test",
        classifier=_load(bundle),
        documents=documents,
        truth=read_truth(_load(bundle), documents),
        outputs=outputs,
        bundle=bundle,
        settings=settings(**changes),
        fitted=None,
    )


@cache
def _load(model: Path) -> Classifier:
    return Classifier.load(model, threads=1)


def _labelled(documents: pd.DataFrame, names: list[str], task: str) -> pd.DataFrame:
    if task == "regression":
        return documents
    return documents.assign(label=[names[i % len(names)] for i in range(len(documents))])


def _write(truth: np.ndarray, names: list[str], task: str) -> list[str]:
    """As our tables hold it."""
    if task == "regression":
        return [repr(float(value)) for value in truth]
    if task == "single_label":
        return [names[i] for i in truth]
    return [join_labels(name for name, has in zip(names, row, strict=True) if has) for row in truth]
