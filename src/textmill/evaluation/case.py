"""What the parts of an evaluation are given, and what they give back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
from numpy.typing import NDArray

from textmill.runtime import Classifier

EvaluatedSplit = Literal["validation", "test"]


@dataclass(frozen=True)
class Settings:
    """`params.evaluate`, and the seed of all that is drawn. The nested ones are as in params.yaml."""

    num_resamples: int
    confidence: float
    top_k: int
    calibration_bins: int
    max_risk: float
    coverage: float
    slices: dict[str, Any]
    robustness: dict[str, Any]
    checks: list[dict[str, Any]]
    shift: dict[str, Any]
    latency_documents: int
    latency_threads: int
    throughput_batch: int
    batch_sizes: list[int]
    startup_processes: int
    seed: int


@dataclass(frozen=True)
class Case:
    """One model's answers on one split.

    Attributes:
        documents: id, cluster, text, label, and the columns of data.slices.
        truth: labels as positions in `classifier.labels` [N]; 1 where a document has a label [N, C] (multi_label);
            numbers [N] (regression).
        outputs: probabilities [N, C], or numbers [N]; of documents sent alone.
        bundle: the folder that the classifier was loaded from.
        fitted: report.json of the same model on validation, where thresholds were set; None on validation itself.
    """

    split: EvaluatedSplit
    classifier: Classifier
    documents: pd.DataFrame
    truth: NDArray[Any]
    outputs: NDArray[Any]
    bundle: Path
    settings: Settings
    fitted: dict[str, Any] | None


class Findings(NamedTuple):
    """What a part found.

    Attributes:
        metrics: flat figures for `dvc metrics` and MLflow.
        details: what report.json holds under the part's name, as JSON.
    """

    metrics: dict[str, float]
    details: dict[str, Any]
