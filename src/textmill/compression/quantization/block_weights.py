"""Weights in 4 or 8 bits, with a scale for each block of neighbours: what large language models are stored as.

Products are computed by onnxruntime's MatMulNBits, which rounds each row of the activations by itself, so that it does
not matter who shares a batch. Recurrent layers stay in float: onnxruntime has none of this kind.

Shape suffixes: R rows (of a table; outputs of a product), D width, K blocks of a row, S size of a block.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.compression.quantization.graph_blocks import replace_initializers, replace_nodes
from textmill.compression.quantization.tables import tables_of

_IN_INTEGERS = 4  # MatMulNBits' accuracy_level: activations in int8; in float32 it is slower than without quantization
_DOMAIN = "com.microsoft"


def write_blocks(source: Path, target: Path, *, bits: int, block_size: int, kept: Sequence[str] = ()) -> None:
    """Write a graph whose products with weights and tables of embeddings are stored in `bits`.

    Args:
        bits: 4 or 8.
        block_size: neighbours that share a scale: a power of 2, at least 16.
        kept: nodes that stay in float.
    """
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    from onnxruntime.quantization.onnx_model import ONNXModel

    model = onnx.load(source)
    of_gemms = ONNXModel(model)
    of_gemms.replace_gemm_with_matmul()
    of_gemms.topological_sort()
    quantizer = MatMulNBitsQuantizer(
        model,
        bits=bits,
        block_size=block_size,
        is_symmetric=True,
        accuracy_level=_IN_INTEGERS,
        nodes_to_exclude=list(kept),
        op_types_to_quantize=("MatMul",),
    )
    quantizer.process()
    model = quantizer.model.model
    _quantize_tables(model.graph, bits, block_size, kept)
    if not any(entry.domain == _DOMAIN for entry in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(_DOMAIN, 1))
    onnx.save(model, target)


def _quantize_tables(graph: Any, bits: int, block_size: int, kept: Sequence[str]) -> None:
    """Let look-ups in float32 tables read integers. A table of which one reader is kept stays."""
    from onnx import helper, numpy_helper

    look_ups, gone, added = {}, set(), []
    for tensor, nodes in tables_of(graph, kept):
        name = tensor.name
        gone.add(name)
        codes_RD, scales_RK = round_blocks(numpy_helper.to_array(tensor), bits, block_size)
        added += [_stored(codes_RD, bits, f"{name}_Q{bits}"), numpy_helper.from_array(scales_RK, f"{name}_scales")]
        for node in nodes:
            look_ups[node.name] = helper.make_node(
                "GatherBlockQuantized",
                [f"{name}_Q{bits}", node.input[1], f"{name}_scales"],
                list(node.output),
                f"{node.name}_Q{bits}",
                domain=_DOMAIN,
                gather_axis=0,
                quantize_axis=1,
                block_size=block_size,
                bits=bits,
            )
            look_ups[node.name].metadata_props.extend(node.metadata_props)
    replace_initializers(graph, gone, added)
    replace_nodes(graph, [look_ups.get(node.name, node) for node in graph.node])


def round_blocks(
    table_RD: NDArray[np.float32], bits: int, block_size: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes [R, D] in -2^(bits - 1) + 1 to 2^(bits - 1) - 1, and scales [R, K]: code * scale is nearest to the table's.

    The largest of a block is met exactly.
    """
    num_rows, width = table_RD.shape
    num_blocks = -(-width // block_size)
    padded_RKS = np.pad(table_RD, ((0, 0), (0, num_blocks * block_size - width))).reshape(num_rows, num_blocks, -1)
    scales_RK = (np.abs(padded_RKS).max(axis=2) / (2 ** (bits - 1) - 1)).astype(np.float32)
    codes_RKS = np.round(padded_RKS / np.where(scales_RK == 0, 1, scales_RK)[:, :, None])
    return codes_RKS.reshape(num_rows, -1)[:, :width].astype(np.int8), scales_RK


def _stored(codes_RD: NDArray[np.int8], bits: int, name: str) -> Any:
    """8 bits as the operator wants them, uint8 around 128; 4 bits as ONNX's int4, two in a byte."""
    from onnx import TensorProto, helper, numpy_helper

    if bits == 8:
        return numpy_helper.from_array((codes_RD.astype(np.int16) + 128).astype(np.uint8), name)
    flat = codes_RD.ravel()
    pairs = np.append(flat, np.int8(0)) if len(flat) % 2 else flat
    packed = ((pairs[::2] & 0xF) | ((pairs[1::2] & 0xF) << 4)).astype(np.uint8)
    return helper.make_tensor(name, TensorProto.INT4, codes_RD.shape, packed.tobytes(), raw=True)
