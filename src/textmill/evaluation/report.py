"""All figures of one model on one split, and the folder they are written to."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.artifacts import atomic, read_json, sha256, size_mb, write_json
from textmill.evaluation.answers import read_label_sets, read_labels, read_values, write_answers
from textmill.evaluation.calibration import label_reliability, reliability
from textmill.evaluation.case import Case, EvaluatedSplit, Settings
from textmill.evaluation.examination import SETTINGS_OF_TEST, examine
from textmill.evaluation.latency import hardware, predict_one_by_one, throughput
from textmill.evaluation.multi_label import assess_labels
from textmill.evaluation.plot_tables import plot_tables
from textmill.evaluation.quality import Quality, assess
from textmill.evaluation.regression import assess_values, compare_bins
from textmill.runtime import Classifier
from textmill.tasks import NO_LABEL, PRIMARY, split_labels


@dataclass(frozen=True)
class Evaluation:
    """What the stage writes.

    Attributes:
        metrics: flat figures, for `dvc metrics` and MLflow; `score` is the task's primary one. Of a recipe that was
            skipped the reason, and nothing else.
        report: the rest, as JSON.
        predictions: id, cluster, label, predicted, and p0, p1, ... in the order of the model's labels (none for
            regression).
        confusion: actual and predicted. One label a document: of each document. Any number: of each label that a
            document has or gets, `(none)` opposite to one that is missed or wrong. Regression: the numbers.
        calibration: confidence, accuracy, count and mean_confidence of each bin that is not empty: of the predicted
            label, of all labels, or of the numbers (`regression.compare_bins`).
    """

    metrics: dict[str, Any]
    report: dict[str, Any]
    predictions: pd.DataFrame
    confusion: pd.DataFrame
    calibration: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write metrics.json, report.json, predictions.parquet, the two tables as CSV and plots/, or nothing."""
        with atomic(folder) as temporary:
            temporary.mkdir()
            write_json(temporary / "metrics.json", self.metrics)
            write_json(temporary / "report.json", self.report)
            self.predictions.to_parquet(temporary / "predictions.parquet", index=False)
            self.confusion.to_csv(temporary / "confusion.csv", index=False)
            self.calibration.to_csv(temporary / "calibration.csv", index=False)
            (temporary / "plots").mkdir()
            for name, table in plot_tables(self.report).items():
                table.to_csv(temporary / "plots" / f"{name}.csv", index=False)


def read_skipped(model: Path) -> str | None:
    """Why compress made nothing of a recipe, from skipped.json in its model folder; None if it did."""
    path = model / "skipped.json"
    return str(read_json(path)["reason"]) if path.exists() else None


def skip(reason: str) -> Evaluation:
    """The evaluation of a recipe that does not apply to the family."""
    said = {"skipped": reason}
    predictions = pd.DataFrame(columns=["id", "cluster", "label", "predicted"], dtype=str)
    calibration = pd.DataFrame(columns=["confidence", "accuracy", "count", "mean_confidence"])
    return Evaluation(said, said, predictions, pd.DataFrame(columns=["actual", "predicted"]), calibration)


def evaluate(
    bundle: Path,
    documents: pd.DataFrame,
    settings: Settings,
    *,
    split: EvaluatedSplit,
    fitted: dict[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Run a bundle over a split through the runtime that serves it.

    Every document is sent alone: a batch would change the answers of dynamically quantised models a little,
    and callers of a served model mostly send one. The same pass is timed, so this costs the number of
    documents times the latency: 4 s for 1,280 reviews at 3 ms, but 12 minutes for 25,000 at 30 ms.

    Args:
        documents: id, cluster, text, label, and the columns of data.slices.
        settings: the first `latency_documents` give latency and throughput.
        fitted: report.json of the same bundle on validation, for the test split.
        progress: called with the number of documents just finished.

    Raises: InvalidBundle; UnknownLabels.
    """
    classifier = Classifier.load(bundle, threads=settings.latency_threads)
    texts = documents["text"].tolist()
    truth = read_truth(classifier, documents)
    outputs, milliseconds_N = predict_one_by_one(classifier, texts, progress)
    quality, error, calibration = _assess(classifier, truth, outputs, settings)
    examined, details = examine(Case(split, classifier, documents, truth, outputs, bundle, settings, fitted))
    speed = _speed(classifier, texts, milliseconds_N, settings)
    metrics = {
        "num_documents": len(documents),
        **_with_score(quality, PRIMARY[classifier.task]),
        **({} if error is None else {"ece": error}),
        "size_mb": size_mb(bundle),
        **speed,
        **examined,
    }
    report = {
        **quality.details,
        **details,
        "intervals": {name: {"low": low, "high": high} for name, (low, high) in quality.intervals.items()},
        "calibration": calibration.to_dict("records"),
        "task": classifier.task,
        "family": classifier.manifest["family"],
        "labels": classifier.labels,
        "confidence": settings.confidence,
        "settings": _settings_used(settings, split),
        "temperature": classifier.temperature,
        "hardware": hardware(),
        "bundle_sha256": sha256(bundle),
    }
    predictions = _predictions(classifier, documents, outputs)
    return Evaluation(metrics, report, predictions, _confusion(classifier.task, predictions), calibration)


def _speed(
    classifier: Classifier, texts: list[str], milliseconds_N: NDArray[np.float64], settings: Settings
) -> dict[str, float]:
    """Latency of the first `latency_documents`, and throughput."""
    p50, p95, p99 = np.percentile(milliseconds_N[: settings.latency_documents], [50, 95, 99])
    return {
        "latency_p50_ms": float(p50),
        "latency_p95_ms": float(p95),
        "latency_p99_ms": float(p99),
        "throughput_per_s": throughput(classifier, texts[: settings.latency_documents], settings.throughput_batch),
    }


def _settings_used(settings: Settings, split: EvaluatedSplit) -> dict[str, Any]:
    used = asdict(settings).items()
    return {name: value for name, value in used if split == "test" or name not in SETTINGS_OF_TEST}


def _predictions(classifier: Classifier, documents: pd.DataFrame, outputs: NDArray[Any]) -> pd.DataFrame:
    predictions = documents[["id", "cluster", "label"]].reset_index(drop=True)
    predictions["predicted"] = write_answers(classifier, outputs)
    return predictions.assign(**{f"p{i}": outputs[:, i] for i in range(len(classifier.labels))})


def read_truth(classifier: Classifier, documents: pd.DataFrame) -> NDArray[Any]:
    """What is true, in the form of `Case.truth`. Raises: UnknownLabels."""
    if classifier.task == "regression":
        return read_values(documents)
    read = read_label_sets if classifier.task == "multi_label" else read_labels
    return read(documents, classifier.labels)


def _assess(
    classifier: Classifier, truth: NDArray[Any], outputs: NDArray[Any], settings: Settings
) -> tuple[Quality, float | None, pd.DataFrame]:
    """The task's figures, the calibration error where there are probabilities, and the calibration table."""
    resampling: dict[str, Any] = {
        "confidence": settings.confidence,
        "num_resamples": settings.num_resamples,
        "seed": settings.seed,
    }
    if classifier.task == "regression":
        table = compare_bins(truth, outputs, settings.calibration_bins)
        return assess_values(truth, outputs, **resampling), None, table
    if classifier.task == "multi_label":
        assert classifier.thresholds is not None
        thresholds = classifier.thresholds.tolist()
        quality = assess_labels(truth, outputs, thresholds, classifier.labels, **resampling)
        bins = label_reliability(outputs, truth, settings.calibration_bins)
    else:
        quality = assess(truth, outputs, classifier.labels, top_k=settings.top_k, **resampling)
        bins = reliability(outputs, truth, settings.calibration_bins)
    return quality, bins.error, bins.table()


def _with_score(quality: Quality, primary: str) -> dict[str, float]:
    """`score` and the figures; those that people quote with their interval beside them."""
    metrics: dict[str, float] = {}
    for name, value in {"score": quality.figures[primary], **quality.figures}.items():
        metrics[name] = value
        if name in ("score", primary, "accuracy", "subset_accuracy", "rmse", "mae"):
            interval = quality.intervals[primary if name == "score" else name]
            metrics[f"{name}_low"], metrics[f"{name}_high"] = interval
    return metrics


def _confusion(task: str, predictions: pd.DataFrame) -> pd.DataFrame:
    pairs = predictions[["label", "predicted"]].rename(columns={"label": "actual"})
    if task != "multi_label":
        return pairs
    rows = [
        (label if label in actual else NO_LABEL, label if label in predicted else NO_LABEL)
        for actual, predicted in ((set(split_labels(a)), set(split_labels(p))) for a, p in pairs.to_numpy())
        for label in sorted(actual | predicted)
    ]
    return pd.DataFrame(rows, columns=["actual", "predicted"])
