"""What prune is told."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from textmill.config.base import Count, Fraction, Positive, Section, Share
from textmill.config.steps.base import TrainingStep

_Removed = Annotated[float, Field(ge=0, lt=1)]
_SHARES = ("layers", "heads", "feed_forward", "width", "filters", "hidden")


class PruneTarget(Section):
    """What is to be left, as a share of the parent's: of one of the two."""

    parameters: Share | None = Field(default=None, description="Share of the parent's parameters to keep.")
    latency: Share | None = Field(
        default=None,
        description="Share of the parent's time for a document on its own to keep, both measured. What is measured "
        "differs a little from time to time: evidence.json has the shares that were found.",
    )

    @model_validator(mode="after")
    def _one(self) -> "PruneTarget":
        if (self.parameters is None) == (self.latency is None):
            raise ValueError("set one of parameters and latency")
        return self


class PruneStep(TrainingStep):
    method: Literal["prune"]
    importance: Literal["taylor", "magnitude", "similarity"] = Field(
        description="Of what is removed first: taylor, whose loss would change the loss least, on documents of the "
        "train split; magnitude, whose weights are the smallest; similarity, for layers only, whose output resembles "
        "the input the most."
    )
    layers: _Removed = Field(default=0, description="Share of a transformer's layers to remove.")
    heads: _Removed = Field(default=0, description="Share of attention heads to remove.")
    feed_forward: _Removed = Field(default=0, description="Share of feed-forward units to remove.")
    width: _Removed = Field(default=0, description="Share of the hidden size, or of the embeddings', to remove.")
    filters: _Removed = Field(default=0, description="Share of a text_cnn's filters to remove.")
    hidden: _Removed = Field(default=0, description="Share of an LSTM's hidden units to remove.")
    target: PruneTarget | None = Field(
        default=None,
        description="What is to be left, all in all: the shares are then the most that may be removed, and are scaled "
        "down together to what reaches it.",
    )
    rounds: Count = Field(
        default=1, description="In how many rounds of importance, cut and training the shares are reached."
    )
    soft_weight: Fraction = Field(
        default=0, description="Weight of the parent's answers in the training; the rest is the labels'."
    )
    temperature: Positive | None = Field(
        default=None, description="Softens both distributions, where soft_weight is above 0."
    )

    @model_validator(mode="after")
    def _removes_something(self) -> "PruneStep":
        removed = [name for name in _SHARES if getattr(self, name) > 0]
        if not removed:
            raise ValueError(f"prune removes nothing: set a share of {', '.join(_SHARES)} above 0")
        if self.importance == "similarity" and removed != ["layers"]:
            raise ValueError(
                f"importance: similarity ranks layers only, not {', '.join(removed)}: set it to taylor or magnitude, "
                "or prune layers in a step of their own"
            )
        if (self.soft_weight > 0) != (self.temperature is not None):
            raise ValueError("soft_weight above 0 and temperature belong together: set both or leave both out")
        return self
