"""What the steps of all methods share."""

from pydantic import Field

from textmill.config.base import Count, Positive, Section


class StepSection(Section):
    """A step of a recipe.

    A step is what it names: a key that may be left out stands for not doing something (a share of 0, no target), never
    for a value that somebody has to choose, but for `arithmetic` of quantize. So `dvc params diff` still sees every
    knob that is turned.
    """


class TrainingStep(StepSection):
    """A step that trains."""

    epochs: Count = Field(description="Epochs of its training.")
    learning_rate: Positive = Field(description="Peak learning rate of its training.")
