"""Parameters and floating-point operations of a bundle's graph.

Operations are counted as torch.utils.flop_counter.FlopCounterMode counts them: matrix products, convolutions and
recurrent layers, a multiplication and an addition as 2; what is done element by element (normalisation, activation,
look-ups of embeddings) is some hundredths of that and left out. Products of integers count as those of numbers, so
that quantisation changes the time of an operation and not their number.

Shapes are those that onnxruntime reports of a real run, without its fusions: they hold for any graph, where inference
of shapes stops at one that depends on data.
"""

import json
import tempfile
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from textmill.runtime import Classifier

Shape = list[int]


class _Node(NamedTuple):
    """A node that was run; shapes of what is given to it, optional inputs that are absent left out."""

    operation: str
    inputs: list[Shape]
    outputs: list[Shape]


# These work hard as well; no step of ours makes them. A graph that has one has an unknown number of operations.
_UNCOUNTED = {
    "Attention",
    "ConvTranspose",
    "Einsum",
    "GRU",
    "MultiHeadAttention",
    "QAttention",
    "QLinearConv",
    "QLinearMatMul",
    "RNN",
}


def count_parameters(model: Path) -> int:
    """Numbers of the graph that were learned: its initialisers that are floats or quantised, but for scales and zero
    points of quantisation and for single constants.

    Weights that several layers share count once. Tables of positions that are stored and not computed count too.
    """
    import onnx

    weights = {1, 10, 11, 16, 2, 3, 21, 22}  # float, float16, double, bfloat16; uint8, int8, uint4, int4
    graph = onnx.load(model, load_external_data=False).graph
    stems = {name.removesuffix("_quantized") for name in _names(graph.initializer) if name.endswith("_quantized")}
    beside = {stem + ending for stem in stems for ending in ("_scale", "_zero_point")}  # onnxruntime's names
    packed: dict[str, int] = {}  # two numbers in a byte, blocks filled up
    for node in graph.node:
        if node.op_type in ("MatMulNBits", "GatherBlockQuantized"):
            beside |= set(node.input[2:])
        if node.op_type == "MatMulNBits":
            shape = {attribute.name: attribute.i for attribute in node.attribute}
            packed[node.input[1]] = shape["K"] * shape["N"]
    return sum(
        packed.get(tensor.name, prod(tensor.dims))
        for tensor in graph.initializer
        if tensor.data_type in weights and len(tensor.dims) and tensor.name not in beside
    )


def _names(tensors: Iterable[Any]) -> list[str]:
    return [tensor.name for tensor in tensors]


def count_operations(bundle: Path, text: str) -> int | None:
    """Floating-point operations of the answer to one text; None where the graph has a node that we cannot count."""
    counts = [_count(node) for node in _run_nodes(bundle, text)]
    return None if None in counts else sum(count or 0 for count in counts)


def _count(node: _Node) -> int | None:
    """The operations of a node; None if it works hard and we do not know how."""
    if node.operation in ("MatMul", "MatMulInteger", "MatMulNBits"):
        return 2 * prod(node.outputs[0]) * node.inputs[0][-1]
    if node.operation == "Gemm":
        rows, _ = node.outputs[0]
        return 2 * prod(node.outputs[0]) * (prod(node.inputs[0]) // rows)  # whether transposed or not
    if node.operation in ("Conv", "ConvInteger"):
        return 2 * prod(node.outputs[0]) * prod(node.inputs[1][1:])  # [filters, channels of a group, widths]
    if node.operation in ("LSTM", "DynamicQuantizeLSTM"):
        time, directions, documents, hidden = node.outputs[0]
        return 2 * time * directions * documents * 4 * hidden * (node.inputs[0][-1] + hidden)
    return None if node.operation in _UNCOUNTED else 0


def _run_nodes(bundle: Path, text: str) -> Sequence[_Node]:
    """The nodes of the graph as it is written, run on one text through the runtime that serves."""
    import onnxruntime
    from tokenizers import Tokenizer

    from textmill.bundle import read_manifest
    from textmill.engines import OnnxRuntime

    with tempfile.TemporaryDirectory(prefix="textmill-") as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")  # else the shapes of weights are not told
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(bundle / "model.onnx", options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        Classifier(read_manifest(bundle, verify=False), tokenizer, OnnxRuntime(session)).predict_logits([text])
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs = [event["args"] for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
    return [_Node(run["op_name"], _shapes(run["input_type_shape"]), _shapes(run["output_type_shape"])) for run in runs]


def _shapes(told: list[dict[str, Shape]]) -> list[Shape]:
    """Of `[{"float": [1, 17, 32]}, ...]`, the profile's way."""
    return [shape for of_type in told for shape in of_type.values()]
