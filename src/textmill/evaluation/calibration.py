"""Do probabilities mean what they say? Expected calibration error, and temperature scaling.

Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017).

Shapes: N documents, C classes, K bins. Labels are indices into C.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
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
        count_K: documents.
        error: expected calibration error, the mean of |confidence - accuracy| over documents.
    """

    confidence_K: NDArray[np.float64]
    accuracy_K: NDArray[np.float64]
    count_K: NDArray[np.int64]
    error: float


def reliability(probabilities_NC: NDArray[np.floating[Any]], labels_N: NDArray[Any], num_bins: int) -> Reliability:
    """Bin documents by the probability of their predicted label; a bin holds (lower edge, upper edge]."""
    confidence_N = probabilities_NC.max(axis=1).astype(np.float64)
    right_N = probabilities_NC.argmax(axis=1) == labels_N
    bins_N = np.clip(np.ceil(confidence_N * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    count_K = np.bincount(bins_N, minlength=num_bins)
    filled_K = np.maximum(count_K, 1)
    confidence_K = np.bincount(bins_N, weights=confidence_N, minlength=num_bins) / filled_K
    accuracy_K = np.bincount(bins_N, weights=right_N, minlength=num_bins) / filled_K
    error = float((count_K * np.abs(confidence_K - accuracy_K)).sum() / len(labels_N))
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

    def log_loss(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        return float((logsumexp(logits_NC * inverse, axis=1) - true_N * inverse).mean())

    bounds = (np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE))
    return float(np.exp(minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))
