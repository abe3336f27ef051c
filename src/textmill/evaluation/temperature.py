"""Temperature scaling: one number that makes a model's probabilities mean what they say.

Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017).

Shapes: N documents, C classes. Labels are indices into C.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, logsumexp, softmax

from textmill.tasks import Task

# Beyond these a temperature says that the validation split is too small or fully separated, not how sure to be.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0


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


def undo_temperature(
    probabilities_NC: NDArray[np.floating[Any]], temperature: float, task: Task
) -> NDArray[np.float64]:
    """The probabilities that the model would give without its temperature.

    softmax(z) is softmax(z / T) to the power T, renormalised; the logit of a sigmoid is multiplied by T. Float32 keeps
    what this needs, but for sigmoids above 1 - 6e-8, which it rounds to 1: they come back as at most 0.997 for T = 1/3,
    0.97 for T = 1/5.
    """
    info = np.finfo(np.float32)
    least = float(info.tiny) if task == "single_label" else float(info.epsneg) / 2
    clipped_NC = np.clip(probabilities_NC.astype(np.float64), least, 1 - least)
    if task == "multi_label":
        return np.asarray(expit(temperature * logit(clipped_NC)))
    return np.asarray(softmax(temperature * np.log(clipped_NC), axis=1))


def _minimise(log_loss: Callable[[float], float]) -> float:
    """The temperature whose inverse gives the least loss."""
    bounds = (np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE))
    found = minimize_scalar(
        lambda logarithm: log_loss(float(np.exp(-logarithm))), bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))
