"""The parts of a graph that can be quantized: products with a weight, look-ups in a table, recurrent layers."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_SCOPES = "pkg.torch.onnx.name_scopes"  # the exporter's note on a node: the modules that it is part of
_PRODUCTS = ("MatMul", "Gemm")


@dataclass(frozen=True)
class Block:
    """Nodes that are quantized together: all that multiply the same input (query, key, value), or read one table."""

    name: str  # of their modules
    nodes: tuple[str, ...]


def find_blocks(graph: Path) -> list[Block]:
    """The blocks of a float32 graph, from the input to the output."""
    import onnx

    read = onnx.load(graph).graph
    weights = {tensor.name: tensor for tensor in read.initializer}
    grouped: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for node in read.node:
        if weight_of(node, weights) is not None:
            grouped[node.op_type, node.input[0]].append(node)
    return [
        Block(" + ".join(read_scope(node) or node.name for node in nodes), tuple(node.name for node in nodes))
        for nodes in grouped.values()
    ]


def weight_of(node: Any, weights: dict[str, Any]) -> Any | None:
    """The float32 matrix that a node multiplies by or looks up in, or the first one of an LSTM; None if it has none."""
    places = {**dict.fromkeys(_PRODUCTS, 1), "Gather": 0, "LSTM": 1}
    if node.op_type not in places:
        return None
    tensor = weights.get(node.input[places[node.op_type]])
    is_matrix = tensor is not None and tensor.data_type == 1 and len(tensor.dims) >= 2
    return tensor if is_matrix else None


def nodes_of(blocks: list[Block]) -> list[str]:
    """Their nodes, under all names that onnxruntime's quantizer gives them: it turns a Gemm into a MatMul first."""
    return [name for block in blocks for node in block.nodes for name in (node, f"{node}_MatMul")]


def readers_of(graph: Any) -> dict[str, list[Any]]:
    """The nodes that read each tensor."""
    readers: dict[str, list[Any]] = defaultdict(list)
    for node in graph.node:
        for name in dict.fromkeys(node.input):
            readers[name].append(node)
    return readers


def matrices(graph: Any) -> Iterator[tuple[Any, np.ndarray]]:
    """Every float32 initialiser of two dimensions or more, with its values."""
    from onnx import numpy_helper

    for tensor in graph.initializer:
        if tensor.data_type == 1 and len(tensor.dims) >= 2:
            yield tensor, numpy_helper.to_array(tensor)


def replace_initializers(graph: Any, gone: set[str], added: list[Any]) -> None:
    """Take out the initialisers of these names and put others in."""
    kept = [tensor for tensor in graph.initializer if tensor.name not in gone]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *added])


def replace_nodes(graph: Any, nodes: list[Any]) -> None:
    """Give a graph these nodes, in the order of their computation."""
    del graph.node[:]
    graph.node.extend(nodes)


def read_scope(node: Any) -> str:
    """The module whose call a node is part of, such as `encoder.layer.0.attention.self.query`; empty if none says."""
    for note in node.metadata_props:
        if note.key == _SCOPES:
            scopes = re.findall(r"'([^']*)'", note.value)
            return scopes[-2] if len(scopes) > 1 else ""  # the last one is the operation itself
    return ""
