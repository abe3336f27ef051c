"""Outliers of activations moved into the weights before both are rounded.

Xiao, Lin, Seznec, Wu, Demouth, Han: SmoothQuant, ICML 2023 (https://arxiv.org/abs/2211.10438). A few features of a
transformer's normalised states are many times as large as the others, and one scale for all of them rounds the others
away. Each feature is divided by a factor, within the norm's own weights, and the rows of the matrices that read it are
multiplied by it: the graph computes the same. What else reads the norm, such as the residual connection of a BERT, is
multiplied back.

Shape suffixes: D features.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.compression.draft import DoesNotApply
from textmill.compression.feeds import Feed
from textmill.compression.quantization.graph_blocks import readers_of, replace_initializers, replace_nodes

_SMALLEST = 1e-5  # of a factor's parts, as in the authors' code


def write_smoothed(source: Path, target: Path, feeds: Sequence[Feed], strength: float) -> int:
    """Write a graph that computes the same, whose features s = max|x|^strength / max|w|^(1 - strength) times smaller.

    Args:
        strength: in 0..1; 0.5 shares the outliers between activations and weights.

    Returns:
        The number of norms that were changed.

    Raises: DoesNotApply.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    graph = model.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = readers_of(graph)
    norms = [node for node in graph.node if _products(node, readers, weights) and _is_affine(node, weights)]
    if not norms:
        raise DoesNotApply(
            "compress.recipes: quantize has smoothing, which moves outliers from a LayerNormalization into the "
            "products that read it, and this graph has none of that kind. Leave smoothing out."
        )
    largest = _largest(model, [node.output[0] for node in norms], feeds)
    changed: dict[str, NDArray[Any]] = {}
    behind: dict[str, Any] = {}
    for node in norms:
        name, products = node.output[0], _products(node, readers, weights)
        factor_D = _factor(largest[name], [weights[product.input[1]] for product in products], strength)
        for place in range(1, len(node.input)):  # its own: the exporter keeps one tensor for equal ones
            own = f"{name}_smoothed_{place}"
            changed[own] = weights[node.input[place]] / factor_D
            node.input[place] = own
        for product in products:
            changed[product.input[1]] = weights[product.input[1]] * factor_D[:, None]
        others = [reader for reader in readers[name] if reader not in products]
        if others:
            changed[f"{name}_factor"] = factor_D
            behind[node.name] = helper.make_node(
                "Mul", [name, f"{name}_factor"], [f"{name}_restored"], f"{name}_restore"
            )
            for reader in others:
                reader.input[:] = [f"{name}_restored" if given == name else given for given in reader.input]
    added = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in changed.items()]
    unread = {name for name in weights if not any(name in node.input for node in graph.node)}
    replace_initializers(graph, set(changed) | unread, added)
    replace_nodes(graph, [one for node in graph.node for one in (node, behind.get(node.name)) if one is not None])
    onnx.save(model, target)
    return len(norms)


def _products(node: Any, readers: dict[str, list[Any]], weights: dict[str, Any]) -> list[Any]:
    """The products of a norm's output with a matrix that nothing else reads."""
    if node.op_type != "LayerNormalization":
        return []
    return [
        reader
        for reader in readers[node.output[0]]
        if reader.op_type == "MatMul" and reader.input[1] in weights and len(readers[reader.input[1]]) == 1
    ]


def _is_affine(node: Any, weights: dict[str, Any]) -> bool:
    """Whether the norm has a scale, and shift, that are known."""
    return len(node.input) > 1 and all(name in weights for name in node.input[1:])


def _largest(model: Any, names: list[str], feeds: Sequence[Feed]) -> dict[str, NDArray[np.float32]]:
    """The largest magnitude [D] of each feature of some tensors."""
    import onnx
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = {node.name for node in session.get_inputs()}
    largest: dict[str, NDArray[np.float32]] = {}
    for feed in feeds:
        found = session.run(names, {name: values for name, values in feed.items() if name in inputs})
        for name, states in zip(names, found, strict=True):
            of_window_D = np.abs(states).reshape(-1, states.shape[-1]).max(axis=0)
            largest[name] = np.maximum(largest.get(name, np.float32(0)), of_window_D)
    return largest


def _factor(
    largest_D: NDArray[np.float32], matrices: Sequence[NDArray[np.float32]], strength: float
) -> NDArray[np.float32]:
    of_weights_D = np.max([np.abs(matrix).max(axis=1) for matrix in matrices], axis=0).clip(_SMALLEST)
    factor_D = largest_D.clip(_SMALLEST) ** strength / of_weights_D ** (1 - strength)
    return np.asarray(factor_D.clip(_SMALLEST), dtype=np.float32)
