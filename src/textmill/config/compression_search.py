"""The section of params.yaml about the search for a recipe under a budget."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from textmill.config.base import Count, Positive, Section
from textmill.config.dimensions import CategoricalDimension, Dimension
from textmill.config.steps import Step

_BOUNDS = ("low", "high", "choices")  # a setting that is a mapping with one of these is a range
_STEPS: TypeAdapter[Any] = TypeAdapter(list[Step])
_DIMENSION: TypeAdapter[Any] = TypeAdapter(Annotated[Dimension, Field(discriminator="type")])

Settings = dict[str, Any]  # of a step, its method among them; any of them, nested ones too, may be a range


def searched_settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The ranges among the settings of a step, each with its name, with dots where it is nested.

    Raises: ValueError: something is written as a range and is none.
    """
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if not isinstance(value, Mapping):
            continue
        if not any(bound in value for bound in _BOUNDS):
            yield from searched_settings(value, f"{name}.")
            continue
        try:
            dimension = _DIMENSION.validate_python(value)
        except ValidationError as error:
            raise ValueError(f"{name}: {_first_fault(error)}") from None
        if dimension.default is None or dimension.when is not None:
            raise ValueError(f"{name}: a range here needs a default, which is tried first, and has no `when`")
        yield name, dimension


def fill_in(settings: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "") -> Settings:
    """The settings of a step, in which each range has its value of `values`, by its name."""
    filled = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if name in values:
            filled[key] = values[name]
        else:
            filled[key] = fill_in(value, values, f"{name}.") if isinstance(value, Mapping) else value
    return filled


def check_steps(steps: Sequence[Mapping[str, Any]]) -> None:
    """Raises: ValueError: a step has no such method, or a setting that it does not take."""
    try:
        _STEPS.validate_python(list(steps))
    except ValidationError as error:
        raise ValueError(_first_fault(error)) from None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"] if not isinstance(part, int) and part != fault["input"])
    found = "" if isinstance(fault["input"], Mapping) else f", found {fault['input']!r}"
    return f"{f'{key}: ' if key else ''}{fault['msg'].removeprefix('Value error, ')}{found}"


class SearchedSpace(Section):
    """What recipes are made of, and which recipes there are."""

    steps: dict[str, Settings] = Field(
        description="Steps by a name of their own, each with its method and settings as in a recipe; a setting may be "
        "a range: type float, int or categorical, low and high or choices, log, step, and the default that is tried "
        "first."
    )
    recipes: Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)] = Field(
        description="Recipes to choose from, each a list of names of steps. They are tried in this order with the "
        "defaults, before the sampler chooses recipes and values."
    )

    @model_validator(mode="after")
    def _steps_are_valid(self) -> "SearchedSpace":
        for name, settings in self.steps.items():
            if not name.replace("_", "").replace("-", "").isalnum() or name != name.lower():
                raise ValueError(f"steps.{name}: a name has lower-case letters, digits, - and _ only")
            try:
                self._check_step(settings)
            except ValueError as error:
                raise ValueError(f"steps.{name}: {error}") from None
        for recipe in self.recipes:
            if unknown := [name for name in recipe if name not in self.steps]:
                raise ValueError(
                    f"recipes: {' -> '.join(recipe)} names {', '.join(unknown)}, which is none of steps "
                    f"({', '.join(self.steps)})"
                )
            if len(set(recipe)) < len(recipe) or self.recipes.count(recipe) > 1:
                raise ValueError(f"recipes: {' -> '.join(recipe)} stands there twice, or names a step twice")
        return self

    @staticmethod
    def _check_step(settings: Settings) -> None:
        """Every range is tried at its ends, the others at their defaults."""
        ranges = dict(searched_settings(settings))
        defaults = {name: dimension.default for name, dimension in ranges.items()}
        check_steps([fill_in(settings, defaults)])
        for name, dimension in ranges.items():
            ends = dimension.choices if isinstance(dimension, CategoricalDimension) else (dimension.low, dimension.high)
            for value in ends:
                check_steps([fill_in(settings, {**defaults, name: value})])

    def first_steps(self, recipe: Sequence[str]) -> list[Settings]:
        """The steps of a recipe with the defaults of their ranges."""
        found = []
        for name in recipe:
            ranges = searched_settings(self.steps[name])
            found.append(fill_in(self.steps[name], {key: dimension.default for key, dimension in ranges}))
        return found


class CompressionSearch(Section):
    """`textmill compress`: which recipe keeps a budget of size, latency and quality."""

    num_trials: Count = Field(description="Finished trials wanted, over all starts; each makes and measures a recipe.")
    timeout_minutes: Positive | None = Field(description="After this, no trial goes on; null sets no limit.")
    trial_minutes: Positive | None = Field(
        description="A trial that takes longer than this has failed; null sets no limit."
    )
    max_failures: Count = Field(description="Trials that may end with an error before the search stops.")
    sampler: Literal["tpe", "random"] = Field(
        description="What proposes recipes and values: tree-structured Parzen estimator, or chance."
    )
    space: SearchedSpace
