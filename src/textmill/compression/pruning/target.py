"""How much must leave to reach a target: by bisection, on networks that are cut and not trained."""

import copy
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textmill.bundle import ONNXRUNTIME
from textmill.compression.export import export_onnx
from textmill.compression.feeds import Feed, feed_of
from textmill.compression.pruning.cut import Sizes, cut
from textmill.compression.pruning.importance import Scores
from textmill.engines import Engine, open_engine
from textmill.errors import UserError
from textmill.models.size import num_parameters
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
    feeds = _feeds(data)
    parent = _engine(model, data, folder / "parent.onnx")

    def left(smaller: Any) -> float:
        engine = _engine(smaller, data, folder / "smaller.onnx")
        ratios = [_seconds(engine, feeds) / _seconds(parent, feeds) for _ in range(_PASSES)]
        return float(np.median(ratios))

    return left


def _feeds(data: TrainingData) -> list[Feed]:
    """Windows of documents of all lengths, each alone: of the shortest, the longest and those between."""
    tokens = data.validation
    order = np.argsort(tokens.lengths, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(_DOCUMENTS, len(order))).astype(int)]
    return [feed_of(window, data.pad_id) for i in chosen for window in tokens[i]]


def _engine(model: Any, data: TrainingData, path: Path) -> Engine:
    """The float32 graph in the runtime that serves, on one thread."""
    export_onnx(model, path, data.validation, data.pad_id)
    engine = open_engine(path, ONNXRUNTIME, threads=1)
    path.unlink()
    return engine


def _seconds(engine: Engine, feeds: list[Feed]) -> float:
    start = time.perf_counter()
    for feed in feeds:
        engine.run({name: feed[name] for name in engine.inputs})
    return time.perf_counter() - start


def _explain(name: str, wanted: float, reached: float, shares: Mapping[str, float]) -> str:
    removed = ", ".join(f"{kind}: {share:g}" for kind, share in shares.items())
    return (
        f"compress.recipes: prune's target is {name}: {wanted:g}, but without all that its shares allow to remove "
        f"({removed}), {reached:.3f} of the parent's {name} is left: no less can be reached. Set target.{name} to at "
        "least that, raise the shares, or name more of layers, heads, feed_forward, width, filters and hidden."
    )
