"""Weights in half precision, computed in float32: onnxruntime has no arithmetic in half precision on a CPU.

The file is half as large. A weight that is multiplied by becomes float32 when the graph is loaded, so that memory and
time stay as they are; rows of a table become float32 when they are looked up.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from textmill.compression.quantization.graph_blocks import matrices, readers_of, replace_initializers, replace_nodes


def write_half(source: Path, target: Path, kind: Literal["float16", "bfloat16"]) -> None:
    """Write a graph whose matrices are stored as float16 (11 bits of precision) or bfloat16 (8, and float32's range).

    A matrix with a value beyond float16's 65504 stays in float32.
    """
    import ml_dtypes
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(source)
    graph, readers = model.graph, readers_of(model.graph)
    type_of = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}[kind]
    stored, first, behind = [], [], {}
    for tensor, values in list(matrices(graph)):
        with np.errstate(over="ignore"):
            half = values.astype(type_of)
        if not np.isfinite(half.astype(np.float32)).all():
            continue
        users = readers[tensor.name]
        if all(_looks_up(node, tensor.name) for node in users):
            stored.append(numpy_helper.from_array(half, tensor.name))
            for node in users:
                looked_up = f"{node.output[0]}_{kind}"
                behind[node.name] = helper.make_node(
                    "Cast", [looked_up], [node.output[0]], f"{node.name}_cast", to=TensorProto.FLOAT
                )
                node.output[0] = looked_up
        else:
            stored.append(numpy_helper.from_array(half, f"{tensor.name}_{kind}"))
            first.append(
                helper.make_node("Cast", [stored[-1].name], [tensor.name], f"{tensor.name}_cast", to=TensorProto.FLOAT)
            )
    names = {tensor.name for tensor in stored} | {node.output[0] for node in first}
    replace_initializers(graph, names, stored)
    nodes: list[Any] = [*first]
    for node in list(graph.node):
        nodes += [node, behind[node.name]] if node.name in behind else [node]
    replace_nodes(graph, nodes)
    onnx.save(model, target)


def _looks_up(node: Any, table: str) -> bool:
    return node.op_type == "Gather" and node.input[0] == table and node.input[1] != table
