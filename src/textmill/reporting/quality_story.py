"""What the page tells of quality: every figure of every model with its interval, classes, and what is confused."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textmill.reporting import plots
from textmill.reporting.facts import Facts
from textmill.reporting.figures import Figure
from textmill.tasks import PRIMARY

_MOST_CLASSES_OF_TABLE = 25  # a larger matrix is a picture
_MOST_CLASSES_OF_PICTURE = 250
_MOST_CONFUSIONS = 20
_TITLES = {
    "f1_macro": "Macro-F1",
    "f1_micro": "Micro-F1",
    "f1_weighted": "F1, weighted by class",
    "f1_samples": "F1, mean of documents",
    "r2": "R²",
    "accuracy": "Accuracy",
    "subset_accuracy": "All labels right",
    "balanced_accuracy": "Balanced accuracy",
    "precision_macro": "Precision, macro",
    "precision_micro": "Precision, micro",
    "precision_weighted": "Precision, weighted",
    "recall_macro": "Recall, macro",
    "recall_micro": "Recall, micro",
    "recall_weighted": "Recall, weighted",
    "matthews": "Matthews correlation",
    "kappa": "Cohen's kappa",
    "top_k": "True label among the {k} most probable",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "mean_average_precision": "Average precision, macro",
    "hamming_loss": "Hamming loss",
    "jaccard": "Jaccard index",
    "explained_variance": "Explained variance",
    "mape": "Mean absolute error, as a share",
    "rmse": "RMSE",
    "mae": "Mean absolute error",
    "median_absolute_error": "Median absolute error",
    "pearson": "Correlation",
    "spearman": "Rank correlation",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "ece_adaptive": "Expected calibration error, bins of equal count",
}
_OF_CLASS = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "threshold": "Threshold",
}


def tell_quality(facts: Facts) -> dict[str, Any]:
    """Everything of the section.

    Returns:
        names: the models, the best first. figures: rows of the table of all figures. classes, class_columns: rows per
        class and the titles of their figures by key. matrix: of few classes. picture: of many. confusions: the most
        frequent ones, where there are more than two classes. scale: the range of the score's intervals.
    """
    report = facts.report
    models = sorted(facts.models, key=lambda model: -model["score"])
    confusions = list_confusions(report)
    return {
        "names": [model["name"] for model in models],
        "figures": list(_tell_figures(facts, models)),
        "classes": [{"label": label, **row} for label, row in report.get("per_class", {}).items()],
        "class_columns": _find_columns(report.get("per_class", {})),
        "matrix": _matrix(report),
        "picture": _draw_matrix(report, confusions),
        "confusions": confusions if len(report["labels"]) > 2 else [],
        "scale": span([(m["score_low"], m["score_high"]) for m in models], lowest=0.0 if report["labels"] else None),
    }


def span(
    ranges: Sequence[tuple[float | None, float | None]], *, lowest: float | None = None, zero: bool = False
) -> dict[str, float]:
    """What intervals span, with a little air.

    Args:
        lowest: no figure is below it, so the scale is not either.
        zero: whether zero must be on the scale.
    """
    ends = [end for pair in ranges for end in pair if end is not None] + ([0.0] if zero else []) or [0.0, 1.0]
    air = max(0.005, (max(ends) - min(ends)) * 0.08)
    low = min(ends) - air
    return {"low": low if lowest is None else max(lowest, low), "high": max(ends) + air}


def list_confusions(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The wrong cells of the confusion matrix with most documents: actual, predicted, count, share of the row."""
    labels, counts = report["labels"], report.get("confusion", [])
    cells = [
        {"actual": labels[i], "predicted": labels[j], "count": count, "share": count / max(sum(row), 1)}
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(cells, key=lambda cell: (-cell["count"], -cell["share"]))[:_MOST_CONFUSIONS]


def _tell_figures(facts: Facts, models: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row per figure: title, and of each model value, low and high (None where it has no interval)."""
    primary = PRIMARY[facts.task]
    keys = [primary, *(key for key in facts.report["intervals"] if key in facts.chosen and key != primary)]
    for key in [*keys, *(key for key in ("ece", "ece_adaptive") if key in facts.chosen and key not in keys)]:
        cells = []
        for model in models:
            low, high = interval_of(facts.reports[model["name"]], key)
            cells.append({"value": model.get(key), "low": low, "high": high})
        yield {"title": title_of(facts.report, key), "cells": cells}


def title_of(report: Mapping[str, Any], key: str) -> str:
    """A figure for people."""
    title = _TITLES.get(key, key.replace("_", " ").capitalize())
    return title.format(k=report["settings"]["top_k"])


def interval_of(report: Mapping[str, Any], key: str) -> tuple[float | None, float | None]:
    """Low and high of a figure of a report; None where it has no interval."""
    calibration = report.get("adaptive_calibration", {})
    if key == "ece":
        calibration = calibration.get("equal_width", {})
    if key in ("ece", "ece_adaptive"):
        return calibration.get("error_low"), calibration.get("error_high")
    interval = report["intervals"].get(key, {})
    return interval.get("low"), interval.get("high")


def _find_columns(per_class: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    first: Mapping[str, Any] = next(iter(per_class.values()), {})
    return {key: title for key, title in _OF_CLASS.items() if key in first}


def _matrix(report: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Rows of the confusion matrix, each cell with its share of the row; None for too many classes to be read, and
    where there is not one label a document."""
    labels = report["labels"]
    if "confusion" not in report or len(labels) > _MOST_CLASSES_OF_TABLE:
        return None
    return [
        {
            "label": label,
            "cells": [{"count": n, "share": n / max(sum(row), 1), "hit": i == j} for j, n in enumerate(row)],
        }
        for i, (label, row) in enumerate(zip(labels, report["confusion"], strict=True))
    ]


def _draw_matrix(report: Mapping[str, Any], confusions: Sequence[Mapping[str, Any]]) -> Figure | None:
    labels = report["labels"]
    if "confusion" not in report or not _MOST_CLASSES_OF_TABLE < len(labels) <= _MOST_CLASSES_OF_PICTURE:
        return None
    return plots.confusion(labels, report["confusion"], confusions)
