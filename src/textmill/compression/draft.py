"""What a method on PyTorch gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from textmill.errors import UserError
from textmill.training.dataset import TrainingData


@dataclass(frozen=True)
class Draft:
    """A model in the making.

    Attributes:
        model: of any family.
        data: the token arrays that it reads; `data.folder` holds the tokenizer they were made with.
        notes: what the method tells of its work, as JSON.
    """

    model: Any
    data: TrainingData
    notes: Mapping[str, Any] = field(default_factory=dict)


class DoesNotApply(UserError):
    """A method cannot work on such a model."""
