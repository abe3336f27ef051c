"""What sparsify is told."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from textmill.config.base import Count, Share
from textmill.config.steps.base import TrainingStep


class SparsifyStep(TrainingStep):
    method: Literal["sparsify"]
    zeros: Share | None = Field(
        default=None,
        description="Share of every matrix that becomes zero. Neither file nor time on a CPU get smaller, what is "
        "packed for transport does.",
    )
    pattern: Annotated[str, Field(pattern=r"^[1-9][0-9]*:[1-9][0-9]*$")] | None = Field(
        default=None, description='Instead of zeros: "N:M", of every M inputs of a unit N stay, such as "2:4".'
    )
    rounds: Count = Field(
        default=1, description="In how many rounds of cut and training the zeros are reached, by a cubic schedule."
    )

    @model_validator(mode="after")
    def _one(self) -> "SparsifyStep":
        if (self.zeros is None) == (self.pattern is None):
            raise ValueError("sparsify needs one of zeros and pattern")
        if self.pattern is not None:
            num_kept, size = map(int, self.pattern.split(":"))
            if num_kept >= size:
                raise ValueError(f"pattern: {self.pattern} takes nothing out; N must be below M, as in 2:4")
        return self
