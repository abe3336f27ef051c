"""What is searched: named dimensions, some of them only where others have certain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from optuna.trial import Trial

from textmill.config.dimensions import equal


@dataclass(frozen=True)
class Dimension:
    """One searched key. `default` is tried first."""

    kind: Literal["float", "int", "categorical"]
    default: Any
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    when: Mapping[str, tuple[Any, ...]] | None = None  # values that other keys must have, all of them


Space = Mapping[str, Dimension]  # by dotted key of params.yaml; conditions look back only


def suggest(trial: Trial, space: Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a trial, `fixed` ones included; keys whose condition does not hold are left out."""
    values: dict[str, Any] = {}
    for name, dimension in space.items():
        if name in fixed:
            values[name] = fixed[name]
        elif is_active(dimension, values):
            values[name] = _suggest(trial, name, dimension)
    return {**fixed, **values}


def defaults(space: Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """What is tried first, and what is used without a search; in the form of `suggest`."""
    values: dict[str, Any] = {}
    for name, dimension in space.items():
        if name in fixed:
            values[name] = fixed[name]
        elif is_active(dimension, values):
            values[name] = dimension.default
    return {**fixed, **values}


def to_params(values: Mapping[str, Any], space: Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the study holds them: without the fixed ones, and lists as JSON."""
    return {name: encode(values[name]) for name in space if name in values and name not in fixed}


def from_params(params: Mapping[str, Any], space: Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a finished trial, in the form of `suggest`."""
    return {**fixed, **{name: decode(value, space[name]) for name, value in params.items() if name in space}}


def is_active(dimension: Dimension, values: Mapping[str, Any]) -> bool:
    """Whether the values of the keys before meet the condition."""
    return all(
        name in values and any(equal(values[name], one) for one in allowed)
        for name, allowed in (dimension.when or {}).items()
    )


def encode(value: Any) -> Any:
    """A value as Optuna can store it: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def decode(value: Any, dimension: Dimension) -> Any:
    """The value that `encode` was given."""
    if dimension.kind != "categorical":
        return value
    return next(
        choice for choice in dimension.choices if encode(choice) == value and type(encode(choice)) is type(value)
    )


def _suggest(trial: Trial, name: str, dimension: Dimension) -> Any:
    if dimension.kind == "categorical":
        return decode(trial.suggest_categorical(name, [encode(choice) for choice in dimension.choices]), dimension)
    assert dimension.low is not None and dimension.high is not None
    if dimension.kind == "int":
        step = 1 if dimension.step is None else int(dimension.step)
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log, step=step)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log, step=dimension.step)
