"""From which probability on a document has a label: thresholds that maximise each label's F1.

Source: Lipton, Elkan and Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure (2014): macro-F1 is
largest where each label's own F1 is, and there the threshold of calibrated probabilities is half of that F1, so 0.5
is seldom the best, and for a rare label far too high.

Shapes: N documents, C labels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NEUTRAL = 0.5  # where the documents prefer no other


def fit_thresholds(probabilities_NC: NDArray[np.floating[Any]], labels_NC: NDArray[Any]) -> list[float]:
    """The threshold of each label that gives it the largest F1 on these documents.

    A document has a label from the threshold on (`>=`). A threshold lies in the middle between two probabilities, or
    at 0.5 where that divides the documents alike; of several that are equally good the nearest to 0.5 is taken. A
    label that no document has gets 0.5: any threshold would be a guess.

    Args:
        probabilities_NC: calibrated, from documents that the model has not learned from.
        labels_NC: 1 where the document has the label.
    """
    return [
        _fit(probabilities_N.astype(np.float64), labels_N > 0)
        for probabilities_N, labels_N in zip(probabilities_NC.T, labels_NC.T, strict=True)
    ]


def _fit(probabilities_N: NDArray[np.float64], labels_N: NDArray[np.bool_]) -> float:
    if not labels_N.any():
        return NEUTRAL
    order_N = np.argsort(-probabilities_N, kind="stable")
    sorted_N = probabilities_N[order_N]
    below_N = np.append(sorted_N[1:], 0.0)  # the highest probability that is not taken with the first k
    hits_N = labels_N[order_N].cumsum()
    f1_N = 2 * hits_N / (np.arange(1, len(sorted_N) + 1) + labels_N.sum())
    f1_N[:-1][sorted_N[:-1] == sorted_N[1:]] = -1.0  # equal probabilities cannot be parted
    middle_N = (sorted_N + below_N) / 2
    cuts_N = np.where((below_N < NEUTRAL) & (sorted_N >= NEUTRAL), NEUTRAL, middle_N)
    best_K = cuts_N[f1_N >= f1_N.max() - 1e-12]
    return float(best_K[np.abs(best_K - NEUTRAL).argmin()])
