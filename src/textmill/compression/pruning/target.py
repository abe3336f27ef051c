"""How much must leave to reach a target: by bisection, on networks that are cut and not trained."""

import copy
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textmill.compression.export import export_onnx
from textmill.compression.pruning.cut import Sizes, cut
from textmill.compression.pruning.importance import Scores
from textmill.data.tokens import TokenArrays
from textmill.errors import UserError
from textmill.training.dataset import TrainingData

_STEPS = {"parameters": 12, "latency": 6}  # halvings: to 1/4096 and 1/64 of the shares
_DOCUMENTS, _PASSES = 16, 5  # that are timed, and how often


class UnreachableTarget(UserError):
    """More would have to leave than the shares of a step allow."""


def scaled_shares(
    model: Any,
    shares: Mapping[str, float],
    target: Mapping[str, float | None],
    sizes: Sizes,
    scores: Scores,
    data: TrainingData,
) -> tuple[dict[str, float], float]:
    """The shares, all scaled by the smallest factor that reaches the target, and what is left of the parent then.

    Args:
        target: share of the parent's `parameters` or of its `latency` to keep; the other one is None or absent.

    Raises: UnreachableTarget.
    """
    ((name, wanted),) = ((name, value) for name, value in target.items() if value is not None)
    with tempfile.TemporaryDirectory(prefix="textmill-") as folder:
        left = latency_left(model, data, Path(folder)) if name == "latency" else parameters_left(model)

        def left_by(factor: float) -> float:
            scaled = {kind: factor * share for kind, share in shares.items()}
            return left(cut(copy.deepcopy(model), sizes, scaled, scores)[0])

        low, high, reached = 0.0, 1.0, left_by(1.0)
        if reached > wanted:
            raise UnreachableTarget(_explain(name, wanted, reached, shares))
        for _ in range(_STEPS[name]):
            middle = (low + high) / 2
            if (value := left_by(middle)) <= wanted:
                high, reached = middle, value
            else:
                low = middle
    return {kind: high * share for kind, share in shares.items()}, reached


def num_parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def parameters_left(model: Any) -> Callable[[Any], float]:
    """What share of a network's parameters a smaller one has."""
    return lambda smaller: num_parameters(smaller) / num_parameters(model)


def latency_left(model: Any, data: TrainingData, folder: Path) -> Callable[[Any], float]:
    """What share of a network's time a smaller one takes for a document on its own: the median of some passes.

    Both are timed by turns, as float32 graphs on one thread of the runtime that serves, so that a busy machine slows
    both.

    Args:
        folder: for the graphs, which are removed again.
    """
    documents = _documents(data.validation)
    parent = _session(model, data, folder / "parent.onnx")

    def left(smaller: Any) -> float:
        session = _session(smaller, data, folder / "smaller.onnx")
        ratios = [_seconds(session, documents) / _seconds(parent, documents) for _ in range(_PASSES)]
        return float(np.median(ratios))

    return left


def _documents(tokens: TokenArrays) -> list[list[np.ndarray]]:
    """Windows of documents of all lengths, int64 [1, T] each: the shortest, the longest and those between."""
    order = np.argsort(tokens.lengths, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(_DOCUMENTS, len(order))).astype(int)]
    return [[window.astype(np.int64)[None] for window in tokens[i]] for i in chosen]


def _session(model: Any, data: TrainingData, path: Path) -> Any:
    """The float32 graph in the runtime that serves, on one thread."""
    import onnxruntime

    export_onnx(model, path, data.validation, data.pad_id)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    path.unlink()
    return session


def _seconds(session: Any, documents: list[list[np.ndarray]]) -> float:
    """The time of all documents, each window on its own."""
    names = [node.name for node in session.get_inputs()]
    start = time.perf_counter()
    for windows in documents:
        for ids_1T in windows:
            inputs = {"input_ids": ids_1T, "attention_mask": np.ones_like(ids_1T)}
            session.run(None, {name: inputs[name] for name in names})
    return time.perf_counter() - start


def _explain(name: str, wanted: float, reached: float, shares: Mapping[str, float]) -> str:
    removed = ", ".join(f"{kind}: {share:g}" for kind, share in shares.items())
    return (
        f"compress.recipes: prune's target is {name}: {wanted:g}, but without all that its shares allow to remove "
        f"({removed}), {reached:.3f} of the parent's {name} is left: no less can be reached. Set target.{name} to at "
        "least that, raise the shares, or name more of layers, heads, feed_forward, width, filters and hidden."
    )
