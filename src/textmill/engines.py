"""The engines that run a bundle's graph on the CPU: onnxruntime, and OpenVINO where it is installed.

A bundle's manifest names its engine, such as `{"name": "openvino", "precision": "bfloat16"}`; `Classifier` asks it.

Shapes: W windows of a batch, T tokens, C outputs.
"""

import sys
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from textmill.bundle import ONNXRUNTIME
from textmill.errors import UserError

# Numbers between the layers; what a graph has made integers of stays so.
PRECISIONS = ("float32", "bfloat16")


class EngineUnavailable(UserError):
    """An engine is not installed, or cannot run such a graph."""


class Engine(Protocol):
    """A graph that is ready to run, from several threads at once if need be.

    Attributes:
        inputs: of the graph: input_ids, and attention_mask where it has one.
    """

    inputs: frozenset[str]

    def run(self, feeds: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Logits [W, C] of inputs [W, T]."""


def open_engine(graph: Path, engine: Mapping[str, Any], threads: int | None) -> Engine:
    """Make a graph ready to run.

    Args:
        engine: `name`, and for openvino `precision`; as in a manifest.
        threads: of one run; None takes all cores.

    Raises: EngineUnavailable; exceptions of onnxruntime's own where it cannot read the graph.
    """
    if engine == ONNXRUNTIME:
        return OnnxRuntime(_session(graph, threads))
    if engine.get("name") == "openvino" and engine.get("precision") in PRECISIONS:
        return OpenVino(graph, engine["precision"], threads)
    raise EngineUnavailable(
        f"{dict(engine)} is no engine of this textmill; there are {ONNXRUNTIME} and "
        f"{{'name': 'openvino', 'precision': {' or '.join(map(repr, PRECISIONS))}}}."
    )


class OnnxRuntime:
    """Runs the graph as onnxruntime does on a CPU."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.inputs = frozenset(node.name for node in session.get_inputs())

    def run(self, feeds: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        logits_WC: NDArray[np.float32] = self._session.run(["logits"], dict(feeds))[0]
        return logits_WC


# On a CPU the fused node takes four times as long as the two that it replaces: a seventh of an int8 MiniLM's time.
_SLOWER = ["SkipLayerNormFusion"]


def _session(graph: Path, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER)


class OpenVino:
    """Runs the graph as OpenVINO does on a CPU, for the shortest time to an answer.

    Callers wait for each other: one answer has all the threads.
    """

    def __init__(self, graph: Path, precision: str, threads: int | None) -> None:
        """
        Args:
            precision: of the numbers between the layers, float32 or bfloat16.

        Raises: EngineUnavailable.
        """
        core = _import_openvino().Core()
        if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise EngineUnavailable(
                f"{graph.parent} is to be run in bfloat16, which this processor does not have (it takes avx512_bf16 or "
                "AMX). Use a variant with precision: float32 (compress.recipes), or another processor."
            )
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            # Several processes would all be bound to the first cores.
            "ENABLE_CPU_PINNING": False,
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            network = core.read_model(graph)
            compiled = core.compile_model(network, "CPU", options)
        except Exception as error:  # RuntimeError of its own words
            raise EngineUnavailable(
                f"{graph} cannot be run by openvino {version('openvino')}: {_reason(error)}. "
                "Use the variant without the step `engine` (compress.recipes): onnxruntime runs it."
            ) from None
        # OpenVINO 2026.4 takes padding for tokens where a window is shorter than others of its batch.
        self._alone = any("LSTM" in layer.get_type_name() for layer in network.get_ops())
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()
        self.inputs = frozenset(port.get_any_name() for port in compiled.inputs)

    def run(self, feeds: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        batches = _without_padding(feeds) if self._alone else [dict(feeds)]
        with self._lock:
            answers = [self._request.infer(batch, share_inputs=True)["logits"] for batch in batches]
        return answers[0] if len(answers) == 1 else np.concatenate(answers)


def _without_padding(feeds: Mapping[str, NDArray[np.int64]]) -> list[dict[str, NDArray[np.int64]]]:
    """Each window alone."""
    lengths_W = feeds["attention_mask"].sum(axis=1).clip(min=1)
    return [{name: value[i : i + 1, :length] for name, value in feeds.items()} for i, length in enumerate(lengths_W)]


def _import_openvino() -> Any:
    """openvino, without the part of it that reports each import to its maker and writes to the home folder.

    Without `openvino_telemetry` it takes a stand-in of its own that does nothing.

    Raises: EngineUnavailable.
    """
    hidden = "openvino_telemetry" not in sys.modules
    if hidden:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # Python's own sign for "do not import"
    try:
        import openvino
    except ImportError as error:
        raise EngineUnavailable(
            f"This model is to be run by OpenVINO, which cannot be imported ({error}). Install it with `pip install "
            "textmill[openvino]`, or use a variant without the step `engine` (compress.recipes)."
        ) from None
    finally:
        if hidden:
            del sys.modules["openvino_telemetry"]
    return openvino


def _reason(error: Exception) -> str:
    """What OpenVINO says: its summary if there is one, and no places in its own sources."""
    lines = str(error).rpartition("Summary:")[2].splitlines()
    told = [line.strip("- .:") for line in lines if line.strip() and " at src/" not in line and "from src/" not in line]
    return "; ".join(told)[:300]
