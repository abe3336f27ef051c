"""The TF-IDF baseline as a bundle: what the stage `baseline` makes, and `train` where model.family is baseline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from textmill.baseline.export import PAD_ID, READS_ALL, export
from textmill.baseline.tfidf import Counts, Settings, TfidfModel, count_ngrams, fit
from textmill.baseline.truth import Truth
from textmill.bundle import write_bundle
from textmill.evaluation.temperature import fit_binary_temperature, fit_temperature
from textmill.evaluation.thresholds import fit_thresholds
from textmill.tasks import Task

FAMILY = "tfidf"  # in the manifest of the bundle


class Baseline(NamedTuple):
    """What was fitted: the model, the number of n-grams it counts, and its temperature (1 for regression)."""

    model: TfidfModel
    num_features: int
    temperature: float


def write_baseline_bundle(
    folder: Path,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    settings: Mapping[str, Any],
    task: Task,
    lineage: dict[str, Any],
    *,
    parent: str | None,
    recipe: list[dict[str, Any]],
    counts: Counts | None = None,
) -> Baseline:
    """Fit on the train split, calibrate on the validation split, and make `folder` a bundle.

    The same documents and settings give the same bytes.

    Args:
        folder: is made if it is not there.
        train, validation: text and label, as in data/splits.
        settings: model.baseline of params.yaml.
        lineage, parent, recipe: what the manifest says of them.
        counts: of the n-grams of the train texts, where they have been counted already.

    Raises:
        UnfitForBaseline: no train document has a word.
        UnknownLabels: a validation document has a label that no train document has.
    """
    own = Settings(**settings)
    truth = Truth.of_train(train["label"], task)
    counts = counts or count_ngrams(train["text"].tolist(), own)
    model = fit(counts, truth, own.regularisation)
    temperature, thresholds = _calibrate(model, validation)
    folder.mkdir(parents=True, exist_ok=True)
    export(model, folder)
    write_bundle(
        folder,
        family=FAMILY,
        task=task,
        labels=truth.labels,
        thresholds=thresholds,
        target=truth.target,
        max_length=None,
        long_documents=READS_ALL,
        pad_id=PAD_ID,
        temperature=temperature,
        recipe=recipe,
        parent=parent,
        lineage=lineage,
    )
    return Baseline(model, counts.num_features, temperature)


def _calibrate(model: TfidfModel, validation: pd.DataFrame) -> tuple[float, list[float] | None]:
    """Temperature and, for several labels a document, thresholds that fit the validation split."""
    task = model.truth.task
    if task == "regression":
        return 1.0, None
    truth = model.truth.of(validation["label"])
    logits_NC = model.logits(validation["text"].tolist())
    if task == "single_label":
        return fit_temperature(logits_NC, truth.values), None
    temperature = fit_binary_temperature(logits_NC, truth.values)
    # float32, as the runtime answers
    return temperature, fit_thresholds(truth.answers(logits_NC, temperature).astype(np.float32), truth.values)
