"""Quality of predicted labels, any number a document, with bootstrap intervals.

Macro averages are over the labels that occur or were predicted, so that a label which is in no document of a resample
takes nothing away (scikit-learn counts it as 0). A document that has no label and gets none is right: F1 and Jaccard
index of its labels are 1.

Shapes: N documents, C labels, R resamples.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from textmill.evaluation.confusion import Tally, macro_scores, micro_scores, weighted_scores
from textmill.evaluation.quality import Quality, per_class, widen_shares
from textmill.evaluation.ranking import macro_rankings, rank, resampled_rankings
from textmill.evaluation.resampling import Floats, percentile_intervals, resample_columns


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
        figures: precision, recall and f1 (each _macro, _micro and _weighted), the means of `document_terms`, and the
            macro averages roc_auc and mean_average_precision, which are left out where no label divides the documents;
            all with intervals. details: per_class as of `quality.per_class`, with the threshold of each label.
    """
    has_NC = labels_NC > 0
    gets_NC = probabilities_NC >= np.asarray(thresholds_C)
    counts = Tally((has_NC & gets_NC).sum(axis=0), has_NC.sum(axis=0), gets_NC.sum(axis=0))
    rankings = rank(has_NC, probabilities_NC)
    means = document_terms(has_NC, gets_NC, probabilities_NC)
    influences = {name: ranking.influence_NC for name, ranking in rankings.items()}
    sums = resample_columns(
        {"hits": has_NC & gets_NC, "support": has_NC, "predicted": gets_NC, **influences, **means},
        num_resamples=num_resamples,
        seed=seed,
    )
    resampled = Tally(sums["hits"], sums["support"], sums["predicted"])
    figures = {
        **{name: float(value) for name, value in label_scores(counts).items()},
        **{name: float(terms_N.mean()) for name, terms_N in means.items()},
        **_rename(macro_rankings(rankings)),
    }
    samples = {
        **label_scores(resampled),
        **{name: sums[name] / len(has_NC) for name in means},
        **_rename(resampled_rankings(rankings, sums)),
    }
    table = per_class(names, counts, resampled, rankings, sums, confidence)
    for row, threshold in zip(table.values(), thresholds_C, strict=True):
        row["threshold"] = float(threshold)
    shares = [*label_scores(counts), "subset_accuracy"]
    intervals = widen_shares(percentile_intervals(samples, confidence), figures, shares, len(has_NC), confidence)
    return Quality(figures, intervals, {"per_class": table})


def label_scores(counts: Tally) -> dict[str, Floats]:
    """Macro, micro and weighted averages of precision, recall and F1, each [...]."""
    return {**macro_scores(counts), **micro_scores(counts), **weighted_scores(counts)}


def document_terms(
    has_NC: NDArray[np.bool_], gets_NC: NDArray[np.bool_], probabilities_NC: Floats
) -> dict[str, NDArray[np.float64]]:
    """What each document adds [N] to figures that are means over documents.

    Returns:
        subset_accuracy (exactly the right labels), hamming_loss (share of wrong decisions), f1_samples and jaccard (of
        the document's labels), log_loss (of a decision, in nats), brier (squared error of a decision), and three of
        the order of its labels: label_ranking_average_precision; coverage_error, the number of labels down to the
        last true one; one_error, 1 where the most probable label is no true one.
    """
    both_N, either_N = (has_NC & gets_NC).sum(axis=1), (has_NC | gets_NC).sum(axis=1)
    wrong_NC = has_NC != gets_NC
    filled_N = np.maximum(either_N, 1)
    is_empty_N = either_N == 0
    return {
        "subset_accuracy": (~wrong_NC).all(axis=1).astype(np.float64),
        "hamming_loss": wrong_NC.mean(axis=1),
        "f1_samples": np.where(is_empty_N, 1.0, 2 * both_N / (filled_N + both_N)),
        "jaccard": np.where(is_empty_N, 1.0, both_N / filled_N),
        "log_loss": decision_losses(has_NC, probabilities_NC).mean(axis=1),
        "brier": ((probabilities_NC - has_NC.astype(np.float64)) ** 2).mean(axis=1),
        **_label_order(has_NC, probabilities_NC),
    }


def _label_order(has_NC: NDArray[np.bool_], probabilities_NC: Floats) -> dict[str, NDArray[np.float64]]:
    """The figures of the order of a document's labels; of equal probabilities all have the last place.

    Of a document without labels the average precision is 1 and the coverage 0, as in scikit-learn, and there is no
    error at the top.

    Source: Tsoumakas, Katakis and Vlahavas, Mining Multi-label Data (2010), section 7.2.
    """
    place_NC = rankdata(-probabilities_NC, method="max", axis=1)
    among_true_NC = rankdata(np.where(has_NC, -probabilities_NC, np.inf), method="max", axis=1)
    num_true_N = has_NC.sum(axis=1)
    precision_N = np.where(has_NC, among_true_NC / place_NC, 0.0).sum(axis=1) / np.maximum(num_true_N, 1)
    top_N = probabilities_NC.argmax(axis=1)
    return {
        "label_ranking_average_precision": np.where(num_true_N > 0, precision_N, 1.0),
        "coverage_error": np.where(has_NC, place_NC, 0).max(axis=1).astype(np.float64),
        "one_error": (~has_NC[np.arange(len(has_NC)), top_N] & (num_true_N > 0)).astype(np.float64),
    }


def decision_losses(has_NC: NDArray[np.bool_], probabilities_NC: Floats) -> NDArray[np.float64]:
    """Minus log probability of what is true of each label [N, C], in nats; at least float32's rounding step."""
    true_NC = np.where(has_NC, probabilities_NC, 1 - probabilities_NC).astype(np.float64)
    return -np.log(np.maximum(true_NC, np.finfo(np.float32).eps))


def _rename(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {{"average_precision": "mean_average_precision"}.get(name, name): value for name, value in figures.items()}
