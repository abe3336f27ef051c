"""Quality of predicted labels, any number a document, with bootstrap intervals.

Macro averages are over the labels that occur or were predicted, so that a label which is in no document of a resample
takes nothing away (scikit-learn counts it as 0).

Shapes: N documents, C labels, R resamples.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.quality import Quality, Tally, macro_scores, per_class
from textmill.evaluation.resampling import Floats, divide, percentile_intervals, resample_sums


def assess_labels(
    labels_NC: NDArray[Any],
    probabilities_NC: Floats,
    thresholds_C: Sequence[float],
    names: Sequence[str],
    *,
    confidence: float,
    num_resamples: int,
    seed: int,
) -> Quality:
    """Every figure of one model's probabilities at the thresholds of its labels.

    Args:
        labels_NC: 1 where the document has the label, else 0.

    Returns:
        figures: precision_macro, recall_macro, f1_macro, f1_micro, subset_accuracy (share of documents with exactly
            the right labels), hamming_loss (share of wrong decisions), log_loss (of a decision), all with intervals;
            mean_average_precision, of the labels that occur, without one. details: per_class as of `quality.assess`,
            with threshold and average_precision of each label.
    """
    has_NC = labels_NC > 0
    gets_NC = probabilities_NC >= np.asarray(thresholds_C)
    terms_NS = np.hstack(
        [
            has_NC & gets_NC,
            has_NC,
            gets_NC,
            (has_NC == gets_NC).all(axis=1, keepdims=True),
            (has_NC != gets_NC).mean(axis=1, keepdims=True),
            decision_losses(has_NC, probabilities_NC).mean(axis=1, keepdims=True),
        ]
    ).astype(np.float64)
    counts_N = np.ones(len(terms_NS), dtype=np.int64)
    (sums_RS,) = resample_sums([terms_NS], counts_N, num_resamples=num_resamples, seed=seed)
    whole, resampled = terms_NS.sum(axis=0), sums_RS
    ranking_C = average_precisions(has_NC, probabilities_NC)
    table = per_class(names, _tally(whole, len(names)), _tally(resampled, len(names)), confidence)
    for i, row in enumerate(table.values()):
        row |= {"threshold": float(thresholds_C[i]), "average_precision": float(ranking_C[i])}
    occurs_C = has_NC.any(axis=0)
    return Quality(
        figures={name: float(value) for name, value in _figures(whole, len(terms_NS), len(names)).items()}
        | {"mean_average_precision": float(ranking_C[occurs_C].mean()) if occurs_C.any() else 0.0},
        intervals=percentile_intervals(_figures(resampled, len(terms_NS), len(names)), confidence),
        details={"per_class": table},
    )


def label_scores(counts: Tally) -> dict[str, Floats]:
    """Macro averages and micro F1, each [...]."""
    hits, both = counts.hits.sum(axis=-1), (counts.support + counts.predicted).sum(axis=-1)
    return {**macro_scores(counts), "f1_micro": divide(2 * hits, both)}


def _figures(sums: Floats, num_documents: int, num_labels: int) -> dict[str, Floats]:
    """The figures, each [...], of sums [..., 3 C + 3]."""
    exact, wrong, loss = (sums[..., 3 * num_labels + i] / num_documents for i in range(3))
    return {
        **label_scores(_tally(sums, num_labels)),
        "subset_accuracy": exact,
        "hamming_loss": wrong,
        "log_loss": loss,
    }


def _tally(sums: Floats, num_labels: int) -> Tally:
    return Tally(*(sums[..., i * num_labels : (i + 1) * num_labels] for i in range(3)))


def decision_losses(has_NC: NDArray[np.bool_], probabilities_NC: Floats) -> NDArray[np.float64]:
    """Minus log probability of what is true of each label [N, C], in nats; at least float32's rounding step."""
    true_NC = np.where(has_NC, probabilities_NC, 1 - probabilities_NC).astype(np.float64)
    return -np.log(np.maximum(true_NC, np.finfo(np.float32).eps))


def average_precisions(has_NC: NDArray[np.bool_], probabilities_NC: Floats) -> NDArray[np.float64]:
    """Average precision of each label [C]: how well its probability ranks the documents; 0 for one that none has."""
    from sklearn.metrics import average_precision_score

    return np.array(
        [
            average_precision_score(has_N, probabilities_N) if has_N.any() else 0.0
            for has_N, probabilities_N in zip(has_NC.T, probabilities_NC.T, strict=True)
        ]
    )
