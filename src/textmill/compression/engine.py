"""Another engine for the same graph: OpenVINO, whose answers are compared with onnxruntime's first.

The graph stays as it is; the bundle's manifest names the engine, and the runtime that evaluates and serves obeys it.

Shapes: N documents, S of them that are compared, C outputs.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.bundle import ONNXRUNTIME
from textmill.compression.export import MAX_DIFFERENCE
from textmill.compression.feeds import feed_of, spread
from textmill.data.tokens import TokenArrays
from textmill.engines import Engine, open_engine
from textmill.errors import UserError
from textmill.training.dataset import TrainingData

_SAMPLE = 256  # documents
# What rounds by itself, so that a last bit may move a result by a step: operations by a word of their names, and
# numbers of 16 bits (onnx.TensorProto's FLOAT16 and BFLOAT16).
_ROUNDING, _HALVES = ("Quantize", "Integer", "QLinear", "NBits"), (10, 16)


class EngineDisagrees(UserError):
    """Another engine gives other answers in float32."""


def engine(source: Path, target: Path, data: TrainingData, *, name: str, precision: str) -> dict[str, Any]:
    """Copy the graph, if the engine answers as onnxruntime does.

    Returns:
        Notes: num_documents, max_difference of a logit, agreement (share with the same likeliest output; None for
        regression), and whether the graph `rounds`: quantised ones do, and are not held to the limit.

    Raises:
        EngineUnavailable: the engine is not installed, or cannot run the graph.
        EngineDisagrees: a logit differs by more than MAX_DIFFERENCE, though all is computed in float32.
    """
    target.write_bytes(source.read_bytes())
    rows = spread(len(data.validation), _SAMPLE)
    given_SC, expected_SC = (
        _ask(open_engine(target, engine, threads=None), data.validation, rows, data.pad_id)
        for engine in ({"name": name, "precision": precision}, ONNXRUNTIME)
    )
    difference, rounds = float(np.abs(given_SC - expected_SC).max()), _rounds(source)
    if precision == "float32" and not rounds and difference > MAX_DIFFERENCE:
        raise EngineDisagrees(
            f"compress.recipes: engine {name} with precision float32 differs from onnxruntime by {difference:.2g} in a "
            f"logit of a validation document; {MAX_DIFFERENCE:g} is allowed. Leave the step out: onnxruntime is right "
            "on this machine."
        )
    same_S = (given_SC > 0) == (expected_SC > 0) if data.task == "multi_label" else None
    if data.task == "single_label":
        same_S = given_SC.argmax(axis=1) == expected_SC.argmax(axis=1)
    return {
        "num_documents": len(rows),
        "max_difference": difference,
        "agreement": None if same_S is None else float(same_S.mean()),
        "rounds": rounds,
    }


def _ask(engine: Engine, documents: TokenArrays, rows: NDArray[np.int64], pad_id: int) -> NDArray[np.float32]:
    """Logits [S, C] of documents, each window alone, averaged over a document's windows."""
    logits = []
    for row in rows.tolist():
        feeds = [feed_of(window, pad_id) for window in documents[row]]
        logits.append(np.concatenate([engine.run(feed) for feed in feeds]).mean(axis=0))
    return np.stack(logits)


def _rounds(graph: Path) -> bool:
    import onnx

    read = onnx.load(graph, load_external_data=False).graph
    halves = any(tensor.data_type in _HALVES for tensor in read.initializer)
    return halves or any(word in node.op_type for node in read.node for word in _ROUNDING)
