"""Quality of predicted labels, one a document, with bootstrap intervals.

Resamples are stratified: a class keeps its number of documents, which the split has fixed as well. All figures of a
resample come from sums over its documents (see `resampling`): how many fell into each cell (true label, predicted
label), losses, and the influences that stand for figures of order (see `ranking`).

Shapes: N documents, C classes, R resamples, S sums. Labels are indices into C.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.confusion import Tally, class_scores, confusion_matrix, scores, tally
from textmill.evaluation.ranking import Ranking, macro_rankings, rank, resampled_rankings, true_ranks
from textmill.evaluation.resampling import Floats, Ints, percentile_intervals, resample_columns, widen

RANKINGS = ("roc_auc", "average_precision", "mean_average_precision")


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
    top_k: int,
    confidence: float,
    num_resamples: int,
    seed: int,
) -> Quality:
    """Every figure of one model's probabilities, with percentile intervals of the given confidence.

    Returns:
        figures: those of `confusion.scores`, the means of `document_terms`, and the macro averages roc_auc and
            average_precision, which are left out where all documents have one label; all with intervals. details:
            per_class, see there, and confusion, documents [C, C], rows true, columns predicted.
    """
    predicted_N = probabilities_NC.argmax(axis=1)
    confusion_CC = confusion_matrix(labels_N, predicted_N, len(names))
    counts = tally(confusion_CC)
    one_hot_CC = np.eye(len(names), dtype=np.float32)
    true_NC, guess_NC = one_hot_CC[labels_N], one_hot_CC[predicted_N]
    rankings = rank(true_NC > 0, probabilities_NC)
    means = document_terms(labels_N, probabilities_NC, top_k)
    influences = {name: ranking.influence_NC for name, ranking in rankings.items()}
    sums = resample_columns(
        {"hits": true_NC * guess_NC, "predicted": guess_NC, **influences, **means},
        num_resamples=num_resamples,
        seed=seed,
        strata_N=labels_N,
    )
    resampled = Tally(sums["hits"], counts.support, sums["predicted"])
    figures = {
        **{name: float(value) for name, value in scores(counts).items()},
        **{name: float(terms_N.mean()) for name, terms_N in means.items()},
        **macro_rankings(rankings),
    }
    samples = {
        **scores(resampled),
        **{name: sums[name] / len(labels_N) for name in means},
        **resampled_rankings(rankings, sums),
    }
    details = {
        "per_class": per_class(names, counts, resampled, rankings, sums, confidence),
        "confusion": confusion_CC.tolist(),
    }
    shares = [*scores(counts), "top_k"]
    intervals = widen_shares(percentile_intervals(samples, confidence), figures, shares, len(labels_N), confidence)
    return Quality(figures, intervals, details)


def widen_shares(
    intervals: Mapping[str, tuple[float, float]],
    figures: Mapping[str, float],
    shares: Collection[str],
    num_documents: int,
    confidence: float,
) -> dict[str, tuple[float, float]]:
    """The intervals, no tighter than N documents allow (`resampling.widen`): those of `shares`, and of a ranking that
    no document changes, such as one without a fault.
    """
    wide = dict(intervals)
    for name, bounds in intervals.items():
        if name in shares or (name in RANKINGS and bounds[0] == bounds[1]):
            low, high, figure, count = map(np.asarray, (*bounds, figures[name], num_documents))
            low, high = widen(low, high, figure, count, confidence)
            wide[name] = float(low), float(high)
    return wide


def per_class(
    names: Sequence[str],
    whole: Tally,
    resampled: Tally,
    rankings: dict[str, Ranking],
    sums: Mapping[str, Floats],
    confidence: float,
) -> dict[str, dict[str, float | None]]:
    """Support, precision, recall, f1, roc_auc and average_precision of each class, all but the first with _low, _high.

    Those of a ranking are None for a class that no document, or every document, is in. Intervals are no tighter than
    the number of documents allows, see `resampling.widen`; those of a ranking where it has no fault.
    """
    columns = dict(zip(("precision", "recall", "f1"), class_scores(whole), strict=True))
    samples = dict(zip(columns, class_scores(resampled), strict=True))
    for name, ranking in rankings.items():
        columns[name], samples[name] = ranking.figure_C, ranking.resampled(sums[name])
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    for name, values_RC in samples.items():
        low_C, high_C = np.quantile(np.ascontiguousarray(values_RC.T), tails, axis=1)
        count_C = whole.predicted if name == "precision" else whole.support
        wide_low_C, wide_high_C = widen(low_C, high_C, columns[name], count_C, confidence)
        is_share_C = (name not in rankings) | (low_C == high_C)
        columns[f"{name}_low"] = np.where(is_share_C, wide_low_C, low_C)
        columns[f"{name}_high"] = np.where(is_share_C, wide_high_C, high_C)
    return {
        label: {
            "support": int(whole.support[i]),
            **{name: float(values_C[i]) if np.isfinite(values_C[i]) else None for name, values_C in columns.items()},
        }
        for i, label in enumerate(names)
    }


def document_terms(labels_N: Ints, probabilities_NC: Floats, top_k: int) -> dict[str, NDArray[np.float64]]:
    """What each document adds [N] to figures that are means over documents.

    Returns:
        log_loss, in nats; brier, the squared errors, summed over classes (between 0 and 2); top_k, 1 where the label is
        among the `top_k` most probable ones, left out where there are no more than these.
    """
    num_classes = probabilities_NC.shape[1]
    errors_NC = probabilities_NC - np.eye(num_classes)[labels_N]
    terms = {"log_loss": document_losses(labels_N, probabilities_NC), "brier": (errors_NC**2).sum(axis=1)}
    if top_k < num_classes:
        terms["top_k"] = (true_ranks(labels_N, probabilities_NC) <= top_k).astype(np.float64)
    return terms


def document_losses(labels_N: Ints, probabilities_NC: Floats) -> NDArray[np.float64]:
    """Minus log probability of the true label [N], in nats; float32's rounding step is the least probability."""
    chosen_N = probabilities_NC[np.arange(len(labels_N)), labels_N].astype(np.float64)
    return -np.log(np.maximum(chosen_N, np.finfo(np.float32).eps))
