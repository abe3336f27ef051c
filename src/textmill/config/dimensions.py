"""Dimensions of the search: what each searched key of params.yaml may be."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from textmill.config.base import Count, Positive, Section

# Keys that stand nowhere else in params.yaml, with their lowest and highest value.
HYPERPARAMETERS = {
    "learning_rate": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "warmup_fraction": (0.0, 1.0),
    "dropout": (0.0, 0.9),
}
MAX_LENGTH = "tokenize.max_length"
_DEFAULT = (
    "Tried first; only for learning_rate, weight_decay, warmup_fraction and dropout: other keys have it in their own "
    "place in params.yaml."
)
_WHEN = (
    "Other keys searched here, written before this one, and the value, or list of values, that they must have; else "
    "this one is not searched."
)
_TILL_MULTIPLE = 1e-8  # how far a value may be from a multiple of the step, in steps: Optuna allows as much


def _flatten(tree: Any, is_leaf: Callable[[Any], bool], prefix: str = "") -> Any:
    """Nested keys as dotted names: {"training": {"batch_size": X}} is {"training.batch_size": X}."""
    if not isinstance(tree, Mapping):
        return tree  # pydantic tells that a mapping is wanted
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        more = {name: value} if is_leaf(value) else _flatten(value, is_leaf, f"{name}.")
        if twice := found.keys() & more.keys():
            raise ValueError(f"{', '.join(sorted(twice))} is written twice, nested and with dots")
        found |= more
    return found


def _is_value(node: Any) -> bool:
    return not isinstance(node, Mapping) or not node


def _is_dimension(node: Any) -> bool:
    """Whether no further name follows: a mapping of mappings is a part of a dotted key."""
    return not isinstance(node, Mapping) or not node or not all(isinstance(one, Mapping) for one in node.values())


Values = Annotated[dict[str, Any], BeforeValidator(lambda tree: _flatten(tree, _is_value))]


class _Dimension(Section):
    when: Values | None = Field(default=None, description=_WHEN)


class _NumberDimension(_Dimension):
    low: float = Field(description="Smallest value.")
    high: float = Field(description="Largest value.")
    log: bool = Field(default=False, description="Search on a logarithmic scale.")
    step: Positive | None = Field(default=None, description="Distance of the values, or null.")
    default: float | None = Field(default=None, description=_DEFAULT)

    @model_validator(mode="after")
    def _range_makes_sense(self) -> Self:
        _check_range(self)
        return self


class FloatDimension(_NumberDimension):
    type: Literal["float"]


class IntDimension(_NumberDimension):
    type: Literal["int"]
    low: int = Field(description="Smallest value.")
    high: int = Field(description="Largest value.")
    step: Count | None = Field(default=None, description="Distance of the values, or null for 1.")
    default: int | None = Field(default=None, description=_DEFAULT)


class CategoricalDimension(_Dimension):
    type: Literal["categorical"]
    choices: Annotated[list[Any], Field(min_length=1)] = Field(description="The values.")
    default: Any | None = Field(default=None, description=_DEFAULT)

    @model_validator(mode="after")
    def _choices_make_sense(self) -> "CategoricalDimension":
        for position, choice in enumerate(self.choices):
            if any(equal(choice, other) for other in self.choices[:position]):
                raise ValueError(f"choices has {choice!r} twice")
        if self.default is not None:
            _check_inside(self, "default", self.default)
        return self


Dimension = FloatDimension | IntDimension | CategoricalDimension


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same in params.yaml: 1 is 1.0, but not true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def holds(dimension: "_NumberDimension | CategoricalDimension", value: Any) -> bool:
    """Whether a search along the dimension may come to the value."""
    if isinstance(dimension, CategoricalDimension):
        return any(equal(value, choice) for choice in dimension.choices)
    if not isinstance(value, int | float) or isinstance(value, bool) or not dimension.low <= value <= dimension.high:
        return False
    if isinstance(dimension, FloatDimension) and dimension.step is None:
        return True
    steps = (value - dimension.low) / (dimension.step or 1)
    return abs(steps - round(steps)) < _TILL_MULTIPLE


def say_range(dimension: "_NumberDimension | CategoricalDimension") -> str:
    """What `holds` allows, in words."""
    if isinstance(dimension, CategoricalDimension):
        return f"one of choices ({', '.join(map(say, dimension.choices))})"
    step = "" if dimension.step is None else f" in steps of {dimension.step:g}"
    return f"between low ({dimension.low:g}) and high ({dimension.high:g}){step}"


def say(value: Any) -> str:
    """A value as it is written in params.yaml."""
    return json.dumps(value) if value is None or isinstance(value, bool | list | dict) else str(value)


def _check_range(dimension: _NumberDimension) -> None:
    low, high, step = dimension.low, dimension.high, dimension.step
    if low > high:
        raise ValueError(f"low ({low:g}) must not be above high ({high:g})")
    if dimension.log and low <= 0:
        raise ValueError(f"low ({low:g}) must be above 0 on a logarithmic scale")
    if dimension.log and step is not None:
        raise ValueError(f"step ({step:g}) must be null on a logarithmic scale")
    if not holds(dimension, high):
        raise ValueError(f"steps of {step:g} from low ({low:g}) do not lead to high ({high:g})")
    if dimension.default is not None:
        _check_inside(dimension, "default", dimension.default)


def _check_inside(dimension: "_NumberDimension | CategoricalDimension", key: str, value: Any) -> None:
    if not holds(dimension, value):
        raise ValueError(f"{key} ({say(value)}) must be {say_range(dimension)}")


Space = Annotated[
    dict[str, Annotated[Dimension, Field(discriminator="type")]],
    BeforeValidator(lambda tree: _flatten(tree, _is_dimension)),
]
