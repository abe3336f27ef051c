"""Training of a network that is rounded to int8 while it learns, so that quantization costs it less.

Jacob et al.: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018
(https://arxiv.org/abs/1712.05877). The weights that it leaves are floats: `quantize` is to follow.
"""

from collections.abc import Mapping
from typing import Any

from textmill.compression.draft import Draft
from textmill.compression.quantization.fake import fake_int8
from textmill.compression.recovery import Recovery


def train_quantized(model: Any, recovery: Recovery, *, per_channel: bool, epochs: int, learning_rate: float) -> Draft:
    """Train with weights and activations rounded as `quantize` with dynamic_int8 rounds them.

    Args:
        per_channel: as that of the `quantize` step which follows.
    """
    with fake_int8(model, per_channel=per_channel):
        fitted = recovery.train(
            model,
            recovery.checkpoints / "train_quantized",
            epochs=epochs,
            learning_rate=learning_rate,
            progress="train_quantized",
        )
    return Draft(model.eval(), recovery.data, {"validation_score_rounded": fitted.score})


def unfit(model: Any, settings: Mapping[str, Any]) -> str | None:
    """What of a step does not apply to a model: nothing, every family multiplies by weights."""
    return None
