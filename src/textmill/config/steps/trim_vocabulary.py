"""What trim_vocabulary is told."""

from typing import Literal

from pydantic import Field

from textmill.config.base import Count
from textmill.config.steps.base import StepSection


class TrimVocabularyStep(StepSection):
    method: Literal["trim_vocabulary"]
    min_count: Count = Field(
        description="Tokens that occur less often in the train split leave the vocabulary; special tokens, and single "
        "characters or bytes, which other words are spelt with, always stay."
    )
    max_tokens: Count | None = Field(
        default=None, description="The most tokens that stay, the most frequent ones; null sets no limit."
    )
    drop_characters: bool = Field(
        default=False,
        description="Drop also the single characters that no token that stays has, such as those of other scripts: a "
        "word with one of them is unknown.",
    )
