"""What train_quantized is told."""

from typing import Literal

from pydantic import Field

from textmill.config.steps.base import TrainingStep


class TrainQuantizedStep(TrainingStep):
    method: Literal["train_quantized"]
    per_channel: bool = Field(
        default=False,
        description="One scale per output channel instead of one per matrix, as in the quantize step that follows.",
    )
