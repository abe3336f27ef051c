"""Quality of predicted labels, one a document, with bootstrap intervals.

All these figures but the log loss are functions of how many documents fell into each cell (true label, predicted
label), see `resampling`. Resamples are stratified: a class keeps its number of documents, which the split has fixed as
well.

Shapes: N documents, C classes, M models, K cells that occur, R resamples. Labels are indices into C.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.resampling import Floats, Ints, divide, percentile_intervals, resample_sums


class Tally(NamedTuple):
    """What the figures are computed from, each [..., C]: hits, documents and predictions of a class."""

    hits: NDArray[Any]
    support: NDArray[Any]
    predicted: NDArray[Any]


@dataclass(frozen=True)
class Quality:
    """The figures of one model on one split.

    Attributes:
        figures: by name; those of the task, see the function that makes them.
        intervals: low and high of the figures that have them.
        details: what else the report tells, as JSON.
    """

    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    details: dict[str, Any]


def assess(
    labels_N: Ints,
    probabilities_NC: Floats,
    names: Sequence[str],
    *,
    confidence: float,
    num_resamples: int,
    seed: int,
) -> Quality:
    """Every figure of one model's probabilities, with percentile intervals of the given confidence.

    Returns:
        figures: accuracy, balanced_accuracy, precision_macro, recall_macro, f1_macro, f1_weighted, log_loss; all with
            intervals. details: per_class (of each label precision, recall, f1, support, f1_low and f1_high), and
            confusion, documents [C, C], rows true, columns predicted.
    """
    predicted_N = probabilities_NC.argmax(axis=1)
    confusion_CC = confusion_matrix(labels_N, predicted_N, len(names))
    whole = tally(confusion_CC)
    resampled = bootstrap(labels_N, [predicted_N], len(names), num_resamples=num_resamples, seed=seed)[0]
    losses_N = document_losses(labels_N, probabilities_NC)
    (sums_R1,) = resample_sums(
        [losses_N[:, None]], np.ones(len(losses_N), dtype=np.int64), num_resamples=num_resamples, seed=seed
    )
    figures = {**{name: float(value) for name, value in scores(whole).items()}, "log_loss": float(losses_N.mean())}
    samples = {**scores(resampled), "log_loss": sums_R1[:, 0] / len(losses_N)}
    return Quality(
        figures=figures,
        intervals=percentile_intervals(samples, confidence),
        details={
            "per_class": per_class(names, whole, resampled, confidence),
            "confusion": confusion_CC.tolist(),
        },
    )


def confusion_matrix(labels_N: Ints, predicted_N: Ints, num_classes: int) -> NDArray[np.int64]:
    """Documents [C, C], rows true, columns predicted."""
    cells_N = labels_N.astype(np.int64) * num_classes + predicted_N
    return np.bincount(cells_N, minlength=num_classes**2).reshape(num_classes, num_classes)


def tally(confusion_CC: NDArray[Any]) -> Tally:
    return Tally(np.diagonal(confusion_CC), confusion_CC.sum(axis=1), confusion_CC.sum(axis=0))


def per_class(names: Sequence[str], whole: Tally, resampled: Tally, confidence: float) -> dict[str, dict[str, float]]:
    """The figures of each class, F1 with its interval."""
    precision_C, recall_C, f1_C = class_scores(whole)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low_C, high_C = np.quantile(class_scores(resampled)[2], tails, axis=0)
    return {
        name: {
            "precision": float(precision_C[i]),
            "recall": float(recall_C[i]),
            "f1": float(f1_C[i]),
            "support": int(whole.support[i]),
            "f1_low": float(low_C[i]),
            "f1_high": float(high_C[i]),
        }
        for i, name in enumerate(names)
    }


def class_scores(counts: Tally) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1, each [..., C]; 0 where a class was never predicted or does not occur."""
    return (
        divide(counts.hits, counts.predicted),
        divide(counts.hits, counts.support),
        divide(2 * counts.hits, counts.support + counts.predicted),
    )


def macro_scores(counts: Tally) -> dict[str, Floats]:
    """Macro averages, each [...], over the classes that occur or were predicted."""
    num_met = ((counts.support > 0) | (counts.predicted > 0)).sum(axis=-1)
    names = ("precision_macro", "recall_macro", "f1_macro")
    return {
        name: divide(values.sum(axis=-1), num_met) for name, values in zip(names, class_scores(counts), strict=True)
    }


def scores(counts: Tally) -> dict[str, Floats]:
    """The figures over all classes, each [...].

    Macro averages are over the classes that occur or were predicted, balanced accuracy over those that
    occur: scikit-learn's definitions.
    """
    _, recall, f1 = class_scores(counts)
    num_documents = counts.support.sum(axis=-1)
    return {
        "accuracy": counts.hits.sum(axis=-1) / num_documents,
        "balanced_accuracy": recall.mean(axis=-1, where=counts.support > 0),
        **macro_scores(counts),
        "f1_weighted": (f1 * counts.support).sum(axis=-1) / num_documents,
    }


def bootstrap(
    labels_N: Ints, predicted_MN: Sequence[Ints], num_classes: int, *, num_resamples: int, seed: int
) -> list[Tally]:
    """Tallies [R, C] of each of M models on the same resamples of the documents."""
    cells_KX, counts_K = np.unique(np.column_stack([labels_N, *predicted_MN]), axis=0, return_counts=True)
    one_hot_CC = np.eye(num_classes)
    true_KC = one_hot_CC[cells_KX[:, 0]]
    guess_MKC = [one_hot_CC[column_K] for column_K in cells_KX.T[1:]]
    terms = [np.hstack([true_KC * guess_KC, true_KC, guess_KC]) for guess_KC in guess_MKC]
    sums = resample_sums(terms, counts_K, num_resamples=num_resamples, seed=seed, strata_K=cells_KX[:, 0])
    return [Tally(*np.split(sums_RS, 3, axis=1)) for sums_RS in sums]


def document_losses(labels_N: Ints, probabilities_NC: Floats) -> NDArray[np.float64]:
    """Minus log probability of the true label [N], in nats; float32's rounding step is the least probability."""
    chosen_N = probabilities_NC[np.arange(len(labels_N)), labels_N].astype(np.float64)
    return -np.log(np.maximum(chosen_N, np.finfo(np.float32).eps))
