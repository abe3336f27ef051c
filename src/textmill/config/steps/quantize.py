"""What quantize is told."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from textmill.config.base import Count, Positive
from textmill.config.steps.base import StepSection

_INT8 = ("dynamic_int8", "static_int8")
_BLOCKS = ("block_int8", "block_int4")


class Calibration(StepSection):
    """How the ranges of activations are measured."""

    method: Literal["min_max", "entropy", "percentile"] = Field(
        description="Range of an activation: min_max of all values; percentile, or entropy, without the largest ones."
    )
    documents: Count = Field(description="Documents of the train split on which they are measured.")
    percentile: Annotated[float, Field(gt=50, le=100)] | None = Field(
        default=None, description="Values within the range, in percent, such as 99.99: of method percentile only."
    )

    @model_validator(mode="after")
    def _percentile_is_told(self) -> Self:
        if (self.method == "percentile") != (self.percentile is not None):
            raise ValueError("percentile, such as 99.99, belongs to method: percentile: set both or neither")
        return self


class KeepFloat(StepSection):
    """What is left in float: of products that share their input, and of tables, those that rounding hurts the most."""

    documents: Count = Field(description="Documents of the train split on which that is measured.")
    max_layers: Count | None = Field(
        default=None, description="The most that are left in float; without max_divergence exactly so many."
    )
    max_divergence: Positive | None = Field(
        default=None,
        description="Divergence from the answers in float that is allowed: of the probabilities in nats, of a "
        "regression in variances of its target. No more than it needs is left in float.",
    )

    @model_validator(mode="after")
    def _is_limited(self) -> Self:
        if self.max_layers is None and self.max_divergence is None:
            raise ValueError("set max_layers, max_divergence or both")
        return self


class QuantizeStep(StepSection):
    method: Literal["quantize"]
    arithmetic: Literal["dynamic_int8", "static_int8", "block_int8", "block_int4", "float16", "bfloat16"] = Field(
        default="dynamic_int8",
        description="dynamic_int8, by the range of each batch, the fastest; static_int8, by ranges that are measured "
        "once; block_int8 and block_int4, weights with a scale for each block; float16 and bfloat16, of which only the "
        "file is smaller. Only dynamic_int8 quantizes an LSTM, and only its answers depend on who shares a batch.",
    )
    per_channel: bool = Field(
        default=False, description="Of int8, one scale per output channel instead of one per matrix."
    )
    calibration: Calibration | None = Field(default=None, description="Of static_int8, which needs it.")
    smoothing: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Of static_int8, moves outliers of activations into the weights (SmoothQuant): the strength, such "
        "as 0.5.",
    )
    block_size: Literal[16, 32, 64, 128, 256] | None = Field(
        default=None, description="Of block_int8 and block_int4, which need it: weights that share a scale."
    )
    keep_float: KeepFloat | None = Field(default=None, description="Left out, nothing is left in float.")

    @model_validator(mode="after")
    def _keys_belong_together(self) -> Self:
        is_static, is_blocks = self.arithmetic == "static_int8", self.arithmetic in _BLOCKS
        if is_static != (self.calibration is not None):
            raise ValueError("arithmetic: static_int8 and calibration belong together: set both or leave both out")
        if is_blocks != (self.block_size is not None):
            raise ValueError("block_size, such as 32, belongs to arithmetic: block_int8 or block_int4, which need it")
        if self.smoothing is not None and not is_static:
            raise ValueError(f"smoothing is for arithmetic: static_int8, not {self.arithmetic}: leave it out")
        if self.per_channel and self.arithmetic not in _INT8:
            raise ValueError(f"per_channel is for arithmetic: {' or '.join(_INT8)}, not {self.arithmetic}")
        if self.keep_float is not None and self.arithmetic in ("float16", "bfloat16"):
            raise ValueError(f"keep_float is for integers, not for arithmetic: {self.arithmetic}: leave it out")
        return self
