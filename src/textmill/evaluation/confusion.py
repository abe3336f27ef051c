"""Figures that are functions of how many documents fell into each cell (true label, predicted label).

Shapes: C classes; leading dimensions [...] are none, or resamples.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.resampling import Floats, Ints, divide


class Tally(NamedTuple):
    """What the figures are computed from, each [..., C]: hits, documents and predictions of a class."""

    hits: NDArray[Any]
    support: NDArray[Any]
    predicted: NDArray[Any]


def confusion_matrix(labels_N: Ints, predicted_N: Ints, num_classes: int) -> NDArray[np.int64]:
    """Documents [C, C], rows true, columns predicted."""
    cells_N = labels_N.astype(np.int64) * num_classes + predicted_N
    return np.bincount(cells_N, minlength=num_classes**2).reshape(num_classes, num_classes)


def tally(confusion_CC: NDArray[Any]) -> Tally:
    return Tally(np.diagonal(confusion_CC), confusion_CC.sum(axis=1), confusion_CC.sum(axis=0))


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


def micro_scores(counts: Tally) -> dict[str, Floats]:
    """Precision, recall and F1, each [...], of all decisions together."""
    hits, support, predicted = (column.sum(axis=-1) for column in counts)
    names = ("precision_micro", "recall_micro", "f1_micro")
    return dict(zip(names, class_scores(Tally(hits, support, predicted)), strict=True))


def weighted_scores(counts: Tally) -> dict[str, Floats]:
    """Averages of precision, recall and F1, each [...], weighted by the number of documents of a class."""
    names = ("precision_weighted", "recall_weighted", "f1_weighted")
    return {
        name: divide((values * counts.support).sum(axis=-1), counts.support.sum(axis=-1))
        for name, values in zip(names, class_scores(counts), strict=True)
    }


def scores(counts: Tally) -> dict[str, Floats]:
    """The figures over all classes, each [...], where a document has one label.

    Macro averages are over the classes that occur or were predicted, balanced accuracy over those that
    occur: scikit-learn's definitions. Micro-F1 is accuracy under the name by which it is asked for.
    """
    recall = divide(counts.hits, counts.support)
    accuracy = counts.hits.sum(axis=-1) / counts.support.sum(axis=-1)
    return {
        "accuracy": accuracy,
        "balanced_accuracy": recall.mean(axis=-1, where=counts.support > 0),
        **macro_scores(counts),
        **weighted_scores(counts),
        "f1_micro": accuracy,
        **agreement(counts),
    }


def agreement(counts: Tally) -> dict[str, Floats]:
    """Matthews correlation and Cohen's kappa, each [...], in [-1, 1]: agreement beyond what chance gives.

    The correlation is 0, as in scikit-learn, where all documents have one label or get one. Kappa, which is undefined
    where both have the same one, is 1 there, since they agree (scikit-learn has NaN).

    Source: Gorodkin, Comparing Two K-Category Assignments by a K-Category Correlation Coefficient (2004); Cohen, A
    Coefficient of Agreement for Nominal Scales (1960).
    """
    count = np.asarray(counts.support.sum(axis=-1), dtype=np.float64)
    hit = counts.hits.sum(axis=-1) / count
    support, predicted = counts.support / count[..., None], counts.predicted / count[..., None]
    chance = (support * predicted).sum(axis=-1)
    # A share of documents in one class alone squares to 1 up to rounding; the least spread of N documents is far above.
    spread_support, spread_predicted = (
        np.where((column > 0).sum(axis=-1) > 1, 1 - (column**2).sum(axis=-1), 0.0) for column in (support, predicted)
    )
    is_one_cell = (spread_support == 0) & (spread_predicted == 0) & (hit == 1)
    return {
        "matthews": divide(hit - chance, np.sqrt(spread_support * spread_predicted)),
        "kappa": np.where(is_one_cell, 1.0, divide(hit - chance, np.where(is_one_cell, 1.0, 1 - chance))),
    }
