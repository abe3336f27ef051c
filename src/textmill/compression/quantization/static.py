"""Int8 whose activations have ranges that were measured once, on documents of the train split.

Nothing is measured when a document is answered, so that it does not matter who shares its batch; an activation outside
its range is cut off.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from textmill.compression.feeds import Feed
from textmill.compression.quantization.dynamic import write_int8_tables

Calibration = Literal["min_max", "entropy", "percentile"]
_KINDS = ["MatMul", "Gemm"]  # onnxruntime has no LSTM with fixed ranges


def write_static(
    source: Path,
    target: Path,
    feeds: Sequence[Feed],
    ranges: Path,
    *,
    per_channel: bool,
    method: Calibration,
    percentile: float | None,
    kept: Sequence[str] = (),
) -> None:
    """Write the int8 twin of a graph: products with weights, and tables of embeddings. Recurrent layers stay in float.

    Args:
        feeds: windows on which ranges are measured.
        ranges: a file that keeps the ranges: measured when it is not there.
        method: min_max takes all values in; percentile cuts off the largest ones; entropy cuts off where the
            distribution changes the least (Migacz: 8-bit Inference with TensorRT, 2017).
        percentile: share of the values within the range, in percent.
        kept: nodes that stay in float.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    methods = {
        "min_max": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    options: dict[str, Any] = {
        "MatMulConstBOnly": True,  # attention itself stays in float, as in dynamic_int8
        "OpTypesToExcludeOutputQuantization": _KINDS,
        "CalibStridedMinMax": 1,  # a histogram a window: onnxruntime's cannot join windows of unlike length
        "CalibTensorRangeSymmetric": False,
    }
    if percentile is not None:
        options["CalibPercentile"] = percentile
    tables = target.with_suffix(".tables")
    write_int8_tables(source, tables, per_channel=per_channel, kept=kept)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the calibration prints
            quantize_static(
                tables,
                target,
                _Windows(feeds, _inputs(source)),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_KINDS,
                per_channel=per_channel,
                activation_type=QuantType.QUInt8,  # signed ones take three times as long on x86
                weight_type=QuantType.QInt8,
                calibrate_method=methods[method],
                nodes_to_exclude=list(kept),
                extra_options=options,
                calibration_cache_path=ranges,
            )
    finally:
        tables.unlink()


def _inputs(graph: Path) -> set[str]:
    import onnx

    return {node.name for node in onnx.load(graph, load_external_data=False).graph.input}


class _Windows:
    """What onnxruntime's calibration reads, one window at a time."""

    def __init__(self, feeds: Sequence[Feed], inputs: set[str]):
        self.feeds = [{name: values for name, values in feed.items() if name in inputs} for feed in feeds]
        self._left: Iterator[Feed] = iter(self.feeds)

    def __len__(self) -> int:
        return len(self.feeds)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = iter(self.feeds[start_index:end_index])

    def get_next(self) -> Feed | None:
        return next(self._left, None)
