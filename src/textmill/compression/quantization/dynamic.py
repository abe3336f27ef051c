"""Int8 whose activations are scaled at run time, by the range of what is in the batch.

Weights become int8 once, with one scale per output channel or per matrix. A document's logits depend slightly on who
shares its batch.
"""

from collections.abc import Sequence
from pathlib import Path

from textmill.compression.quantization.tables import write_tables

_KINDS = ("MatMul", "LSTM")  # a Gemm is turned into a MatMul first


def write_dynamic(source: Path, target: Path, *, per_channel: bool, kept: Sequence[str] = ()) -> None:
    """Write the int8 twin of a graph: products with weights, tables of embeddings, recurrent layers.

    Args:
        per_channel: a scale for each output channel of a matrix, and for each token of a table; else one in all.
        kept: nodes that stay in float.
    """
    tables = target.with_suffix(".tables")
    write_int8_tables(source, tables, per_channel=per_channel, kept=kept)
    try:
        _quantize(tables, target, per_channel, kept, _KINDS)
    finally:
        tables.unlink()


def write_int8_tables(source: Path, target: Path, *, per_channel: bool, kept: Sequence[str] = ()) -> None:
    """Write a graph whose tables of embeddings are in 8 bits."""
    if per_channel:
        write_tables(source, target, kept=kept)
    else:
        _quantize(source, target, False, kept, ("Gather",))


def _quantize(source: Path, target: Path, per_channel: bool, kept: Sequence[str], kinds: Sequence[str]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        weight_type=QuantType.QInt8,  # beside activations in uint8 the fastest on x86; uint8 takes 1.5 times as long
        per_channel=per_channel,
        nodes_to_exclude=list(kept),
        op_types_to_quantize=list(kinds),
    )
