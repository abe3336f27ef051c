"""What distill is told."""

from typing import Literal

from pydantic import Field

from textmill.config.base import Count, Fraction, Positive
from textmill.config.steps.base import TrainingStep


class DistillStep(TrainingStep):
    method: Literal["distill"]
    num_layers: Count = Field(description="Layers of the student, taken evenly from the teacher.")
    temperature: Positive = Field(description="Softens both distributions.")
    soft_weight: Fraction = Field(description="Weight of the teacher's distribution; the rest is the labels'.")
