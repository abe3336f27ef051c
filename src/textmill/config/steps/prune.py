"""What prune is told."""

from typing import Annotated, Literal

from pydantic import Field

from textmill.config.steps.base import TrainingStep


class PruneStep(TrainingStep):
    method: Literal["prune"]
    heads: Annotated[float, Field(ge=0, lt=1)] = Field(description="Share of attention heads to remove.")
    feed_forward: Annotated[float, Field(ge=0, lt=1)] = Field(description="Share of feed-forward units to remove.")
