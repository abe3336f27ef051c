"""Do probabilities mean what they say? Expected calibration error, and temperature scaling.

Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017).

Shapes: N documents, C classes, K bins. Labels are indices into C.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

# Beyond these a temperature says that the validation split is too small or fully separated, not how sure to be.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy in bins of equal width over [0, 1]; an empty bin has 0 for both.

    Attributes:
        confidence_K: mean probability of the predicted label.
        accuracy_K: share of right predictions.
        count_K: documents; decisions, where a document has any number of labels.
        error: expected calibration error, the mean of |confidence - accuracy| over documents.
    """

    confidence_K: NDArray[np.float64]
    accuracy_K: NDArray[np.float64]
    count_K: NDArray[np.int64]
    error: float

    def table(self) -> pd.DataFrame:
        """confidence (centre of the bin), accuracy, count and mean_confidence of each bin that is not empty."""
        num_bins = len(self.count_K)
        table = pd.DataFrame(
            {
                "confidence": ((np.arange(num_bins) + 0.5) / num_bins).round(6),
                "accuracy": self.accuracy_K,
                "count": self.count_K,
                "mean_confidence": self.confidence_K,
            }
        )
        return table[table["count"] > 0].reset_index(drop=True)


def reliability(probabilities_NC: NDArray[np.floating[Any]], labels_N: NDArray[Any], num_bins: int) -> Reliability:
    """Bin documents by the probability of their predicted label; a bin holds (lower edge, upper edge]."""
    return _bin(probabilities_NC.max(axis=1), probabilities_NC.argmax(axis=1) == labels_N, num_bins)


def label_reliability(
    probabilities_NC: NDArray[np.floating[Any]], labels_NC: NDArray[Any], num_bins: int
) -> Reliability:
    """Bin all decisions, a document and a label each, by the label's probability; right is who has the label."""
    return _bin(probabilities_NC.ravel(), labels_NC.ravel() > 0, num_bins)


def _bin(confidence_N: NDArray[Any], right_N: NDArray[np.bool_], num_bins: int) -> Reliability:
    confidence_N = confidence_N.astype(np.float64)
    bins_N = np.clip(np.ceil(confidence_N * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    count_K = np.bincount(bins_N, minlength=num_bins)
    filled_K = np.maximum(count_K, 1)
    confidence_K = np.bincount(bins_N, weights=confidence_N, minlength=num_bins) / filled_K
    accuracy_K = np.bincount(bins_N, weights=right_N, minlength=num_bins) / filled_K
    error = float((count_K * np.abs(confidence_K - accuracy_K)).sum() / len(confidence_N))
    return Reliability(confidence_K, accuracy_K, count_K, error)


def fit_temperature(logits_NC: NDArray[np.floating[Any]], labels_N: NDArray[Any]) -> float:
    """The temperature that minimises the log loss of softmax(logits / temperature).

    One number for all classes, so no prediction changes. The targets are smoothed by 1 / (N + C), as in Platt,
    Probabilistic Outputs for Support Vector Machines (1999): N documents that are all right do not show that the next
    one is right for certain. Bounded to [0.05, 20].
    """
    logits_NC = logits_NC.astype(np.float64)
    smoothing = 1 / sum(logits_NC.shape)
    true_N = (1 - smoothing) * logits_NC[np.arange(len(labels_N)), labels_N] + smoothing * logits_NC.mean(axis=1)
    return _minimise(lambda inverse: float((logsumexp(logits_NC * inverse, axis=1) - true_N * inverse).mean()))


def fit_binary_temperature(logits_NC: NDArray[np.floating[Any]], labels_NC: NDArray[Any]) -> float:
    """The temperature that minimises the log loss of sigmoid(logits / temperature), for labels that may go together.

    One number for all labels, so no ranking within a label changes. Targets are smoothed as in `fit_temperature` with
    two classes, by 1 / (N + 2). Bounded to [0.05, 20].

    Args:
        labels_NC: 1 where the document has the label, else 0.
    """
    logits_NC = logits_NC.astype(np.float64)
    smoothing = 1 / (len(logits_NC) + 2)
    targets_NC = (1 - smoothing) * labels_NC.astype(np.float64) + smoothing / 2

    def log_loss(inverse: float) -> float:
        scaled_NC = logits_NC * inverse
        return float((np.logaddexp(0, scaled_NC) - targets_NC * scaled_NC).mean())

    return _minimise(log_loss)


def _minimise(log_loss: Callable[[float], float]) -> float:
    """The temperature whose inverse gives the least loss."""
    bounds = (np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE))
    found = minimize_scalar(
        lambda logarithm: log_loss(float(np.exp(-logarithm))), bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))
