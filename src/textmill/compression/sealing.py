"""Bundles: a graph and a tokenizer with the manifest that fits them to the validation split."""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textmill.artifacts import atomic
from textmill.bundle import read_manifest, write_bundle
from textmill.compression.evidence import measure_bytes, write_evidence
from textmill.evaluation.temperature import fit_binary_temperature, fit_temperature
from textmill.evaluation.thresholds import NEUTRAL, fit_thresholds
from textmill.runtime import Classifier
from textmill.tasks import Task
from textmill.training.dataset import TrainingData

# What the manifest says of the model itself, wherever it came from.
_ADOPTED = (
    "family",
    "task",
    "labels",
    "thresholds",
    "target",
    "max_length",
    "long_documents",
    "pad_id",
    "temperature",
    "engine",
)


def adopt_bundle(parent: Path, target: Path, lineage: dict[str, Any]) -> None:
    """Make the model folder `target` of a recipe without steps from a parent that is a bundle only: the TF-IDF model.

    The graph and the tokenizer are the same bytes; the manifest says where they came from.
    """
    manifest, started = read_manifest(parent / "bundle"), time.monotonic()
    with atomic(target) as folder:
        (folder / "bundle").mkdir(parents=True)
        for name in manifest["files"]:
            shutil.copyfile(parent / "bundle" / name, folder / "bundle" / name)
        kept = {key: manifest[key] for key in _ADOPTED}
        write_bundle(folder / "bundle", **kept, recipe=[], parent=parent.name, lineage=lineage)
        figures = {"parity": None, "agreement": None, "bytes": measure_bytes(folder / "bundle")}
        write_evidence(folder, figures, parent=parent.name, seconds=time.monotonic() - started, steps=[])


def seal(bundle: Path, data: TrainingData, *, task: Task, labels: list[str], **description: Any) -> NDArray[np.float32]:
    """Write bundle.json, with the temperature and thresholds that fit the validation split.

    Returns:
        The bundle's logits on that split [N, C], each document alone.
    """
    thresholds = [NEUTRAL] * len(labels) if task == "multi_label" else None
    fixed = {"task": task, "labels": labels, **description}
    write_bundle(bundle, temperature=1.0, thresholds=thresholds, **fixed)
    validation = data.validation
    documents = [validation[i] for i in range(len(validation))]
    logits_NC = Classifier.load(bundle).logits_of_ids(documents, batch_size=1)  # each alone, as it is served
    temperature, thresholds = _calibrate(task, logits_NC, np.asarray(validation.labels))
    write_bundle(bundle, temperature=temperature, thresholds=thresholds, **fixed)
    return logits_NC


def _calibrate(task: Task, logits_NC: NDArray[np.float32], labels: NDArray[Any]) -> tuple[float, list[float] | None]:
    """Temperature, and for several labels a document thresholds."""
    if task == "regression":
        return 1.0, None
    if task == "single_label":
        return fit_temperature(logits_NC, labels), None
    temperature = fit_binary_temperature(logits_NC, labels)
    return temperature, fit_thresholds(expit(logits_NC / np.float32(temperature)), labels)
