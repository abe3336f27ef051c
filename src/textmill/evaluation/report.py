"""All figures of one model on one split, and the folder they are written to."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.artifacts import atomic, sha256, size_mb, write_json
from textmill.errors import UserError
from textmill.evaluation.calibration import Reliability, reliability
from textmill.evaluation.latency import hardware, predict_one_by_one, throughput
from textmill.evaluation.quality import Quality, assess
from textmill.runtime import Classifier


class UnknownLabels(UserError):
    """A split has a label that the model was not taught."""


@dataclass(frozen=True)
class Settings:
    """`params.evaluate`, and the seed of the resampling."""

    num_resamples: int
    confidence: float
    calibration_bins: int
    latency_documents: int
    latency_threads: int
    throughput_batch: int
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """What the stage writes.

    Attributes:
        metrics: flat figures, for `dvc metrics` and MLflow.
        report: the rest, as JSON.
        predictions: id, cluster, label, predicted, and p0, p1, ... in the order of the model's labels.
        calibration: confidence (centre of the bin), accuracy, count; a row per bin that is not empty.
    """

    metrics: dict[str, float]
    report: dict[str, Any]
    predictions: pd.DataFrame
    calibration: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write metrics.json, report.json, predictions.parquet, confusion.csv and calibration.csv, or nothing."""
        with atomic(folder) as temporary:
            temporary.mkdir()
            write_json(temporary / "metrics.json", self.metrics)
            write_json(temporary / "report.json", self.report)
            self.predictions.to_parquet(temporary / "predictions.parquet", index=False)
            confusion = self.predictions[["label", "predicted"]].rename(columns={"label": "actual"})
            confusion.to_csv(temporary / "confusion.csv", index=False)
            self.calibration.to_csv(temporary / "calibration.csv", index=False)


def evaluate(
    bundle: Path, documents: pd.DataFrame, settings: Settings, progress: Callable[[int], None] | None = None
) -> Evaluation:
    """Run a bundle over a split through the runtime that serves it.

    Every document is sent alone: a batch would change the answers of dynamically quantised models a little,
    and callers of a served model mostly send one. The same pass is timed, so this costs the number of
    documents times the latency: 4 s for 1,280 reviews at 3 ms, but 12 minutes for 25,000 at 30 ms.

    Args:
        documents: id, cluster, text, label.
        settings: the first `latency_documents` give latency and throughput.
        progress: called with the number of documents just finished.

    Raises: InvalidBundle; UnknownLabels.
    """
    classifier = Classifier.load(bundle, threads=settings.latency_threads)
    labels_N = label_indices(documents, classifier.labels)
    texts = documents["text"].tolist()
    probabilities_NC, milliseconds_N = predict_one_by_one(classifier, texts, progress)
    quality = assess(
        labels_N,
        probabilities_NC,
        classifier.labels,
        confidence=settings.confidence,
        num_resamples=settings.num_resamples,
        seed=settings.seed,
    )
    bins = reliability(probabilities_NC, labels_N, settings.calibration_bins)
    p50, p95 = np.percentile(milliseconds_N[: settings.latency_documents], [50, 95])
    metrics = {
        "num_documents": len(documents),
        **_with_intervals(quality),
        "ece": bins.error,
        "size_mb": size_mb(bundle),
        "latency_p50_ms": float(p50),
        "latency_p95_ms": float(p95),
        "throughput_per_s": throughput(classifier, texts[: settings.latency_documents], settings.throughput_batch),
    }
    report = {
        **_details(quality, bins),
        "labels": classifier.labels,
        "confidence": settings.confidence,
        "settings": asdict(settings),
        "temperature": classifier.temperature,
        "hardware": hardware(),
        "bundle_sha256": sha256(bundle),
    }
    return Evaluation(metrics, report, _predictions(documents, classifier.labels, probabilities_NC), _bins(bins))


def label_indices(documents: pd.DataFrame, labels: list[str]) -> NDArray[np.int64]:
    """Each document's position in `labels`. Raises: UnknownLabels."""
    indices_N = documents["label"].map({label: i for i, label in enumerate(labels)})
    unknown = sorted(documents["label"][indices_N.isna()].unique())
    if unknown:
        raise UnknownLabels(
            f"{int(indices_N.isna().sum())} documents have a label that the model does not know: {unknown}; it knows "
            f"{labels}. A class must have documents in the train split: give it more, or merge it through clean.labels."
        )
    return np.asarray(indices_N, dtype=np.int64)


def _with_intervals(quality: Quality) -> dict[str, float]:
    """The figures; the two that people quote with their interval beside them."""
    metrics = {}
    for name, value in quality.figures.items():
        metrics[name] = value
        if name in ("accuracy", "f1_macro"):
            metrics[f"{name}_low"], metrics[f"{name}_high"] = quality.intervals[name]
    return metrics


def _details(quality: Quality, bins: Reliability) -> dict[str, Any]:
    return {
        "per_class": quality.per_class,
        "confusion": quality.confusion.tolist(),
        "intervals": {name: {"low": low, "high": high} for name, (low, high) in quality.intervals.items()},
        "calibration": _bins(bins).to_dict("records"),
    }


def _bins(bins: Reliability) -> pd.DataFrame:
    num_bins = len(bins.count_K)
    table = pd.DataFrame(
        {
            "confidence": ((np.arange(num_bins) + 0.5) / num_bins).round(6),
            "accuracy": bins.accuracy_K,
            "count": bins.count_K,
            "mean_confidence": bins.confidence_K,
        }
    )
    return table[table["count"] > 0].reset_index(drop=True)


def _predictions(documents: pd.DataFrame, labels: list[str], probabilities_NC: NDArray[np.float32]) -> pd.DataFrame:
    table = documents[["id", "cluster", "label"]].reset_index(drop=True)
    table["predicted"] = [labels[i] for i in probabilities_NC.argmax(axis=1)]
    for i in range(len(labels)):
        table[f"p{i}"] = probabilities_NC[:, i]
    return table
