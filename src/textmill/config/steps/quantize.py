"""What quantize is told."""

from typing import Literal

from pydantic import Field

from textmill.config.steps.base import StepSection


class QuantizeStep(StepSection):
    method: Literal["quantize"]
    per_channel: bool = Field(description="One scale per output channel instead of one per matrix.")
