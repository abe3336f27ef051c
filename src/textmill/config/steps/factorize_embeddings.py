"""What factorize_embeddings is told."""

from typing import Literal

from pydantic import Field, model_validator

from textmill.config.base import Count, Positive
from textmill.config.steps.base import StepSection


class FactorizeEmbeddingsStep(StepSection):
    method: Literal["factorize_embeddings"]
    rank: Count = Field(description="Numbers a token: less than the width of the embeddings.")
    epochs: Count | None = Field(default=None, description="Epochs of the training that follows; null does not train.")
    learning_rate: Positive | None = Field(default=None, description="Peak learning rate of that training.")

    @model_validator(mode="after")
    def _training_is_told_both(self) -> "FactorizeEmbeddingsStep":
        if (self.epochs is None) != (self.learning_rate is None):
            raise ValueError("epochs and learning_rate belong together: set both, or leave out both to train nothing")
        return self
