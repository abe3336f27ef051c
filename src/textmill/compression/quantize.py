"""Dynamic int8 quantization of an ONNX graph.

Weights become int8 once, with one scale per output channel or per matrix; activations are scaled at run time by the
range of their batch. Hence a document's logits depend slightly on who shares its batch.
"""

import logging
from pathlib import Path
from typing import Any

from textmill.training.dataset import TrainingData


def quantize(source: Path, target: Path, data: TrainingData | None, *, per_channel: bool) -> dict[str, Any]:
    """Write the int8 twin of `source`: matrix products and embeddings, about a quarter of the size."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises a preprocessing that brings nothing here, through the root logger
    try:
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=per_channel)
    finally:
        root.setLevel(level)
    return {}
