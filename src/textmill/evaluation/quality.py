"""Quality of predicted labels, with bootstrap intervals.

All these figures are functions of how many documents fell into each cell (true label, predicted label), so a
bootstrap need not draw documents: the counts of a resample are multinomial. That is the same distribution,
thousands of times faster. Resamples are stratified: a class keeps its number of documents, which the split has
fixed as well.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 13 (percentile interval).

Shapes: N documents, C classes, M models, K cells that occur, R resamples. Labels are indices into C.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4_000_000  # cell counts held at a time

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]


class Tally(NamedTuple):
    """What the figures are computed from, each [..., C]: hits, documents and predictions of a class."""

    hits: NDArray[Any]
    support: NDArray[Any]
    predicted: NDArray[Any]


@dataclass(frozen=True)
class Quality:
    """The figures of one model on one split.

    Attributes:
        figures: accuracy, balanced_accuracy, precision_macro, recall_macro, f1_macro, f1_weighted, log_loss.
        intervals: low and high of each figure.
        per_class: for each label precision, recall, f1, support, f1_low and f1_high.
        confusion: documents [C, C], rows true, columns predicted.
    """

    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_class: dict[str, dict[str, float]]
    confusion: NDArray[np.int64]


def assess(
    labels_N: Ints,
    probabilities_NC: Floats,
    names: Sequence[str],
    *,
    confidence: float,
    num_resamples: int,
    seed: int,
) -> Quality:
    """Every figure of one model's probabilities, with percentile intervals of the given confidence."""
    predicted_N = probabilities_NC.argmax(axis=1)
    confusion_CC = confusion_matrix(labels_N, predicted_N, len(names))
    whole = tally(confusion_CC)
    resampled = bootstrap(labels_N, [predicted_N], len(names), num_resamples=num_resamples, seed=seed)[0]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    losses_N = document_losses(labels_N, probabilities_NC)
    figures = {**{name: float(value) for name, value in scores(whole).items()}, "log_loss": float(losses_N.mean())}
    samples = {**scores(resampled), "log_loss": _bootstrap_means(losses_N, num_resamples, seed)}
    precision_C, recall_C, f1_C = class_scores(whole)
    low_C, high_C = np.quantile(class_scores(resampled)[2], tails, axis=0)
    return Quality(
        figures=figures,
        intervals={name: (float(low), float(high)) for name, (low, high) in _quantiles(samples, tails).items()},
        per_class={
            name: {
                "precision": float(precision_C[i]),
                "recall": float(recall_C[i]),
                "f1": float(f1_C[i]),
                "support": int(whole.support[i]),
                "f1_low": float(low_C[i]),
                "f1_high": float(high_C[i]),
            }
            for i, name in enumerate(names)
        },
        confusion=confusion_CC,
    )


def confusion_matrix(labels_N: Ints, predicted_N: Ints, num_classes: int) -> NDArray[np.int64]:
    """Documents [C, C], rows true, columns predicted."""
    cells_N = labels_N.astype(np.int64) * num_classes + predicted_N
    return np.bincount(cells_N, minlength=num_classes**2).reshape(num_classes, num_classes)


def tally(confusion_CC: NDArray[Any]) -> Tally:
    return Tally(np.diagonal(confusion_CC), confusion_CC.sum(axis=1), confusion_CC.sum(axis=0))


def class_scores(counts: Tally) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1, each [..., C]; 0 where a class was never predicted or does not occur."""
    return (
        _ratio(counts.hits, counts.predicted),
        _ratio(counts.hits, counts.support),
        _ratio(2 * counts.hits, counts.support + counts.predicted),
    )


def scores(counts: Tally) -> dict[str, Floats]:
    """The figures over all classes, each [...].

    Macro averages are over the classes that occur or were predicted, balanced accuracy over those that
    occur: scikit-learn's definitions.
    """
    precision, recall, f1 = class_scores(counts)
    occurs = counts.support > 0
    met = occurs | (counts.predicted > 0)
    num_documents = counts.support.sum(axis=-1)
    return {
        "accuracy": counts.hits.sum(axis=-1) / num_documents,
        "balanced_accuracy": recall.mean(axis=-1, where=occurs),
        "precision_macro": precision.mean(axis=-1, where=met),
        "recall_macro": recall.mean(axis=-1, where=met),
        "f1_macro": f1.mean(axis=-1, where=met),
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
    blocks = _resample(counts_K, cells_KX[:, 0], num_resamples, np.random.default_rng(seed))
    parts = [
        [Tally(block_RK @ (true_KC * guess_KC), block_RK @ true_KC, block_RK @ guess_KC) for guess_KC in guess_MKC]
        for block_RK in blocks
    ]
    return [
        Tally(*(np.concatenate(arrays) for arrays in zip(*tallies, strict=True)))
        for tallies in zip(*parts, strict=True)
    ]


def _resample(counts_K: Ints, strata_K: Ints, num_resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield counts [R', K] of resamples that keep the number of documents of each stratum."""
    block = max(1, _BLOCK // len(counts_K))
    columns = [np.flatnonzero(strata_K == stratum) for stratum in np.unique(strata_K)]
    for start in range(0, num_resamples, block):
        size = min(block, num_resamples - start)
        counts_RK = np.empty((size, len(counts_K)))
        for column in columns:
            total = counts_K[column].sum()
            counts_RK[:, column] = rng.multinomial(total, counts_K[column] / total, size=size)
        yield counts_RK


def document_losses(labels_N: Ints, probabilities_NC: Floats) -> NDArray[np.float64]:
    """Minus log probability of the true label [N], in nats; float32's rounding step is the least probability."""
    chosen_N = probabilities_NC[np.arange(len(labels_N)), labels_N].astype(np.float64)
    return -np.log(np.maximum(chosen_N, np.finfo(np.float32).eps))


def _bootstrap_means(values_N: Floats, num_resamples: int, seed: int) -> Floats:
    rng, num_values = np.random.default_rng(seed), len(values_N)
    block = max(1, _BLOCK // num_values)
    sizes = [min(block, num_resamples - start) for start in range(0, num_resamples, block)]
    return np.concatenate([values_N[rng.integers(num_values, size=(size, num_values))].mean(axis=1) for size in sizes])


def _quantiles(samples: dict[str, Floats], tails: list[float]) -> dict[str, Floats]:
    return {name: np.quantile(values_R, tails) for name, values_R in samples.items()}


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros(np.shape(numerator)), where=denominator > 0)
