"""The section of params.yaml about the search for hyperparameters."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from textmill.config.base import Count, Section

# Lowest and highest value of each searched key.
LIMITS = {
    "learning_rate": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "warmup_fraction": (0.0, 1.0),
    "dropout": (0.0, 0.9),
}


class FloatDimension(Section):
    low: float = Field(description="Smallest value.")
    high: float = Field(description="Largest value.")
    log: bool = Field(description="Search on a logarithmic scale.")
    default: float = Field(description="Tried first.")

    @model_validator(mode="after")
    def _default_is_inside(self) -> "FloatDimension":
        if not self.low <= self.default <= self.high:
            raise ValueError(f"default ({self.default:g}) must lie between low ({self.low:g}) and high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be above 0 on a logarithmic scale")
        return self


class Space(Section):
    learning_rate: FloatDimension
    weight_decay: FloatDimension
    warmup_fraction: FloatDimension
    dropout: FloatDimension

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> "Space":
        for name, (low, high) in LIMITS.items():
            dimension = getattr(self, name)
            if dimension.low < low or dimension.high > high:
                raise ValueError(
                    f"{name}: low ({dimension.low:g}) and high ({dimension.high:g}) must lie in [{low:g}, {high:g}]"
                )
        return self


class Nothing(Section):
    """No key at all."""


class Spaces(Section):
    """A search space for each family; the baseline has none."""

    transformer: Space
    lstm: Space
    text_cnn: Space
    bag_of_embeddings: Space
    baseline: Nothing


class Tune(Section):
    num_trials: int = Field(ge=0, description="Finished trials wanted, pruned ones included; 0 takes the defaults.")
    epochs: Count = Field(description="Epochs of a trial.")
    train_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Share of the train split that a trial learns from."
    )
    reports_per_epoch: Count = Field(description="How often a trial is scored on validation, and may be pruned.")
    pruner: Literal["median", "none"] = Field(description="What stops a trial that lags behind.")
    space: Spaces
    fixed: dict[Literal["learning_rate", "weight_decay", "warmup_fraction", "dropout"], float] = Field(
        description="Searched keys that are pinned to one value instead."
    )

    @field_validator("fixed")
    @classmethod
    def _fixed_values_make_sense(cls, fixed: dict[str, float]) -> dict[str, float]:
        for name, value in fixed.items():
            low, high = LIMITS[name]
            if not low <= value <= high:
                raise ValueError(f"{name} ({value:g}) must lie in [{low:g}, {high:g}]")
        return fixed
