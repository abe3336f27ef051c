"""Tables of embeddings in int8, with a scale for each token.

onnxruntime's quantizer gives a table one scale in all, and a few large numbers then cost all tokens their precision. A
row is looked up with its scale, and multiplied: plain ONNX, which other engines take too.

Shape suffixes: R rows, D width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.compression.quantization.graph_blocks import readers_of, replace_initializers, replace_nodes


def write_tables(source: Path, target: Path, *, kept: Sequence[str] = ()) -> None:
    """Write a graph whose tables are int8. A table that a node in `kept` looks up stays in float."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(source)
    gone, added, look_ups = set(), [], {}
    for tensor, nodes in tables_of(model.graph, kept):
        name = tensor.name
        codes_RD, scales_R1 = round_rows(numpy_helper.to_array(tensor))
        gone.add(name)
        added += [
            numpy_helper.from_array(codes_RD, f"{name}_quantized"),
            numpy_helper.from_array(scales_R1, f"{name}_scale"),
        ]
        for node in nodes:
            output, ids = node.output[0], node.input[1]
            look_ups[node.name] = [
                helper.make_node("Gather", [f"{name}_quantized", ids], [f"{output}_codes"], f"{node.name}_quant"),
                helper.make_node(
                    "Cast", [f"{output}_codes"], [f"{output}_cast"], f"{output}_cast", to=TensorProto.FLOAT
                ),
                helper.make_node("Gather", [f"{name}_scale", ids], [f"{output}_row_scale"], f"{node.name}_scale"),
                helper.make_node("Mul", [f"{output}_cast", f"{output}_row_scale"], [output], f"{node.name}_scaled"),
            ]
    replace_initializers(model.graph, gone, added)
    nodes = [one for node in model.graph.node for one in look_ups.get(node.name, [node])]
    replace_nodes(model.graph, nodes)
    onnx.save(model, target)


def tables_of(graph: Any, kept: Sequence[str]) -> list[tuple[Any, list[Any]]]:
    """The float32 matrices of which rows are looked up and nothing else, with the nodes that do; none in `kept`."""
    readers, left = readers_of(graph), set(kept)
    found = []
    for tensor in graph.initializer:
        nodes = readers[tensor.name]
        is_table = tensor.data_type == 1 and len(tensor.dims) == 2
        if is_table and nodes and all(_looks_up_rows(node) and node.name not in left for node in nodes):
            found.append((tensor, nodes))
    return found


def round_rows(table_RD: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes [R, D] in -127..127 and scales [R, 1]: code * scale is nearest to the table's."""
    scales_R1 = (np.abs(table_RD).max(axis=1, keepdims=True) / 127).astype(np.float32)
    codes_RD = np.round(table_RD / np.where(scales_R1 == 0, 1, scales_R1)).astype(np.int8)
    return codes_RD, scales_R1


def _looks_up_rows(node: Any) -> bool:
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    return bool(node.op_type == "Gather" and axis == 0)
