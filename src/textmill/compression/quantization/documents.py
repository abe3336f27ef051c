"""Documents of the train split that a graph is looked at with: for ranges of activations, and for what rounding costs.

Shape suffixes: N documents, C outputs.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textmill.compression.feeds import Feed, feed_of
from textmill.errors import UserError
from textmill.tasks import Task
from textmill.training.dataset import TrainingData

FloatArray = NDArray[np.float32]


class EmptySample(UserError):
    """There are no documents to measure on."""


def sample_documents(data: TrainingData | None, num_documents: int, key: str) -> list[list[Feed]]:
    """Documents of the train split, spread evenly over it: of each its windows, each to be run alone.

    Fewer if the split has fewer.

    Args:
        key: of the recipe's step, that asks for them.

    Raises: EmptySample.
    """
    indices = np.arange(0) if data is None else np.arange(len(data.train)) if data.indices is None else data.indices
    if data is None or not len(indices) or num_documents < 1:
        raise EmptySample(
            f"compress.recipes: quantize has {key}.documents: {num_documents}, and the train split has {len(indices)} "
            "documents, so that there is nothing to measure on. Ask for at least one document of a train split that "
            "has some, or use arithmetic: dynamic_int8 without keep_float, which needs none."
        )
    places = np.linspace(0, len(indices) - 1, min(num_documents, len(indices))).round().astype(np.int64)
    return [[feed_of(window, data.pad_id) for window in data.train[int(indices[place])]] for place in places]


def answers(graph: Path, documents: list[list[Feed]]) -> FloatArray:
    """Logits [N, C] of documents, those of their windows averaged."""
    session = open_session(graph)
    inputs = {node.name for node in session.get_inputs()}
    rows = []
    for windows in documents:
        logits = [session.run(["logits"], {k: v for k, v in feed.items() if k in inputs})[0] for feed in windows]
        rows.append(np.concatenate(logits).mean(axis=0))
    return np.stack(rows)


def open_session(graph: Path):  # type: ignore[no-untyped-def]
    """As the runtime opens it, but that threads which wait leave the processor to others."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def divergence(task: Task, expected_NC: FloatArray, given_NC: FloatArray) -> float:
    """How far answers are from the expected ones, on average over documents; 0 if they are the same.

    single_label: Kullback-Leibler divergence of the softmax, in nats; multi_label: that of each label's sigmoid, summed
    over the labels; regression: squared difference, in variances of the target.
    """
    expected, given = expected_NC.astype(np.float64), given_NC.astype(np.float64)
    if task == "regression":
        return float(np.square(given - expected).mean())
    if task == "multi_label":
        of_label_NC = _relative_entropy(_both_sides(expected), _both_sides(given))
        return float(of_label_NC.sum(axis=1).mean())
    return float(_relative_entropy(log_softmax(expected, axis=1), log_softmax(given, axis=1)).mean())


def _both_sides(logits_NC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of the probabilities of each label and of its absence, [N, C, 2]."""
    return np.stack([-np.logaddexp(0, -logits_NC), -np.logaddexp(0, logits_NC)], axis=-1)


def _relative_entropy(expected: NDArray[np.float64], given: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of distributions as logarithms, over the last axis."""
    return np.asarray((np.exp(expected) * (expected - given)).sum(axis=-1))


def feeds_of(documents: list[list[Feed]]) -> Iterator[Feed]:
    """All windows, one after the other."""
    return (feed for windows in documents for feed in windows)
