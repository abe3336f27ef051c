"""Keys of params.yaml that a search may set: which there are, and params.yaml with the values of a trial."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from textmill.config.base import Section
from textmill.config.dimensions import (
    HYPERPARAMETERS,
    MAX_LENGTH,
    CategoricalDimension,
    Dimension,
    FloatDimension,
    equal,
    holds,
    say,
    say_range,
)
from textmill.errors import UserError

if TYPE_CHECKING:
    from textmill.config.params import Params

FAMILIES = ("transformer", "lstm", "text_cnn", "bag_of_embeddings")  # that have something to search
_SMALLEST_LENGTH = 8
_CONFIG = "model.transformer.config"


class UnusableValues(UserError):
    """Values that a search proposes, or is said to have found, do not fit params.yaml."""


def searchable(params: "Params", family: str) -> dict[str, Any]:
    """Every key that `tune.space.FAMILY` may name, with its value in params.yaml; None for the hyperparameters."""
    found: dict[str, Any] = {**dict.fromkeys(HYPERPARAMETERS), MAX_LENGTH: params.tokenize.max_length}
    for name, section in (("training", params.training), (f"model.{family}", getattr(params.model, family))):
        found.update(_keys(name, section.model_dump()))
    return found


def check_searched(params: "Params") -> None:
    """Raises: ValueError: a key, a range, a default or a condition of `tune.space` or `tune.fixed` makes no sense."""
    known = {family: searchable(params, family) for family in FAMILIES}
    for family in FAMILIES:
        _check_space(params, family, known[family])
    _check_fixed(params, known)
    if params.tune.sampler == "brute_force" and params.model.family in FAMILIES:
        _check_finite(params)


def override(params: "Params", values: Mapping[str, Any]) -> "Params":
    """params.yaml with the values of a trial; the hyperparameters, which stand nowhere else in it, are left out.

    The ranges of `tune` are those of the file, and not looked at again: values may be pinned outside of them.

    Raises: UnusableValues: a value is not allowed, or does not go with another.
    """
    family = params.model.family
    known = searchable(params, family)
    own = {name: value for name, value in values.items() if name not in HYPERPARAMETERS}
    try:
        for name, value in own.items():
            _check_name("", name, known)
            _check_alone(params, name, value)
        changed = _replace(params, family, own)
        changed.check_agreement()
    except ValueError as error:
        raise UnusableValues(
            f"The values of the search do not fit params.yaml: {error}. Change tune.space or tune.fixed; `dvc repro` "
            "then searches anew."
        ) from None
    return changed


def overrides(params: "Params", values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The keys whose value in params.yaml a search replaced, each as `{key, used, written}`."""
    written = searchable(params, params.model.family)
    return [
        {"key": name, "used": value, "written": written[name]}
        for name, value in values.items()
        if name not in HYPERPARAMETERS and not equal(value, written[name])
    ]


def tell_override(change: Mapping[str, Any]) -> str:
    """One of `overrides` in words."""
    return f"{change['key']} {say(change['used'])} instead of {say(change['written'])} (tune)"


def _check_space(params: "Params", family: str, known: Mapping[str, Any]) -> None:
    place, space = f"tune.space.{family}", getattr(params.tune.space, family)
    if missing := [name for name in HYPERPARAMETERS if name not in space]:
        raise ValueError(f"{place} lacks {', '.join(missing)}; a key that is not searched stands in tune.fixed as well")
    earlier: dict[str, Dimension] = {}
    for name, dimension in space.items():
        key = f"{place}.{name}"
        _check_name(f"{place}.", name, known)
        if parts := [other for other in space if other.startswith(f"{name}.")]:
            raise ValueError(f"{key}: {', '.join(parts)} is a part of it: search the whole, or its parts")
        for label, value in _examples(dimension):
            _check_value(params, family, name, value, f"{key}.{label}")
        _check_default(key, dimension, name, known[name])
        _check_condition(key, dimension, name, earlier)
        earlier[name] = dimension


def _check_fixed(params: "Params", known: Mapping[str, Mapping[str, Any]]) -> None:
    active_last = sorted(FAMILIES, key=lambda family: family == params.model.family)
    owners = {name: family for family in active_last for name in known[family]}  # a key may be for another family
    for name, value in params.tune.fixed.items():
        _check_name("tune.fixed.", name, owners)
        _check_value(params, owners[name], name, value, f"tune.fixed.{name}")


def _check_finite(params: "Params") -> None:
    for name, dimension in getattr(params.tune.space, params.model.family).items():
        if isinstance(dimension, FloatDimension) and dimension.step is None and name not in params.tune.fixed:
            raise ValueError(
                f"tune.sampler brute_force tries every value: tune.space.{params.model.family}.{name} needs a step, or "
                "type categorical, or a place in tune.fixed"
            )


def _examples(dimension: Dimension) -> Iterator[tuple[str, Any]]:
    """Where something is written that all values of the dimension depend on, and a value that shows it."""
    if isinstance(dimension, CategoricalDimension):
        yield from (("choices", choice) for choice in dimension.choices)
    else:
        yield from (("low", dimension.low), ("high", dimension.high))


def _check_name(place: str, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise ValueError(f"{place}{name}: no such key to search; there are {', '.join(known)}")


def _check_value(params: "Params", family: str, name: str, value: Any, place: str) -> None:
    try:
        _check_alone(params, name, value)
        if name not in HYPERPARAMETERS:
            changed = _replace(params, family, {name: value})
            if family == params.model.family:
                changed.check_agreement()
    except ValueError as error:
        raise ValueError(f"{place}: {str(error).removeprefix(f'{name}: ')}") from None


def _check_alone(params: "Params", name: str, value: Any) -> None:
    """Raises: ValueError: what no schema says of a hyperparameter, of the length or of a config."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in HYPERPARAMETERS:
        low, high = HYPERPARAMETERS[name]
        if not is_number or not low <= value <= high:
            raise ValueError(f"{name}: {say(value)} is not allowed: must be a number in [{low:g}, {high:g}]")
    elif name == MAX_LENGTH:
        largest, strategy = params.tokenize.max_length, params.tokenize.long_documents.strategy
        if type(value) is not int or not _SMALLEST_LENGTH <= value <= largest:
            raise ValueError(
                f"{name}: {say(value)} is not allowed: must be a whole number from {_SMALLEST_LENGTH} to {largest}, "
                f"which is {MAX_LENGTH}: token arrays can be cut, but not made longer"
            )
        if strategy != "truncate" and value < largest:
            raise ValueError(
                f"{name}: {say(value)} is not allowed: with tokenize.long_documents.strategy {strategy} token arrays "
                f"cannot be cut to fewer than {largest} tokens; set it to truncate, or leave the length as it is"
            )
    elif name.startswith(_CONFIG) and params.pretrain.objective != "none":
        raise ValueError(
            f"{name}: cannot be searched with pretrain.objective {params.pretrain.objective}, which has built the "
            "encoder already"
        )


def _replace(params: "Params", family: str, values: Mapping[str, Any]) -> "Params":
    """params.yaml with other values in some of the keys of `searchable`. Raises: ValueError."""
    block = _with_values(getattr(params.model, family), f"model.{family}.", values)
    changes: dict[str, Any] = {
        "training": _with_values(params.training, "training.", values),
        "model": params.model.model_copy(update={family: block}),
    }
    if MAX_LENGTH in values:
        changes["tokenize"] = params.tokenize.model_copy(update={"max_length": values[MAX_LENGTH]})
    return params.model_copy(update=changes)


def _with_values(section: Section, prefix: str, values: Mapping[str, Any]) -> Section:
    own = {name: value for name, value in values.items() if name.startswith(prefix)}
    if not own:
        return section
    document = section.model_dump()
    for name, value in own.items():
        _put(document, name.removeprefix(prefix), value)
    try:
        changed = type(section).model_validate(document)
    except ValidationError as error:
        fault = error.errors()[0]
        place = prefix + ".".join(map(str, fault["loc"]))
        name = next((one for one in own if place.startswith(one)), next(iter(own)))  # or of several keys together
        raise ValueError(f"{name}: {say(own[name])} is not allowed: {fault['msg']}") from None
    taken = dict(_keys(prefix.rstrip("."), changed.model_dump()))
    for name, value in own.items():
        # 32.0 for a whole number, or 1 for true: pydantic takes it, but the other values of the range it would not.
        kind = type(taken[name])
        if type(value) is not kind and kind is not float:
            raise ValueError(f"{name}: {say(value)} is not allowed: its values are of type {kind.__name__}")
    return changed


def _put(document: dict[str, Any], name: str, value: Any) -> None:
    *sections, key = name.split(".")
    for section in sections:
        document = document[section]
    document[key] = value


def _keys(prefix: str, section: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key under a section by dotted name; a mapping comes whole, and key by key."""
    for key, value in section.items():
        yield f"{prefix}.{key}", value
        if isinstance(value, Mapping):
            yield from _keys(f"{prefix}.{key}", value)


def _check_default(place: str, dimension: Dimension, name: str, found: Any) -> None:
    """The hyperparameters name their default; that of other keys is the value they have."""
    if name in HYPERPARAMETERS:
        if dimension.default is None:
            raise ValueError(f"{place}: default is missing, the value that is tried first")
    elif dimension.default is not None:
        raise ValueError(f"{place}.default must go: it is the value of {name} in params.yaml, {say(found)}")
    elif not holds(dimension, found):
        raise ValueError(
            f"{place}: {name} is {say(found)} in params.yaml, which is tried first, and so must be "
            f"{say_range(dimension)}"
        )


def _check_condition(place: str, dimension: Dimension, name: str, earlier: Mapping[str, Dimension]) -> None:
    """Conditions name keys that are written before, so that there is no circle."""
    if dimension.when and name in HYPERPARAMETERS:
        raise ValueError(f"{place}.when must go: {name} is always needed")
    for other, values in (dimension.when or {}).items():
        if other not in earlier:
            there = f"there are {', '.join(earlier)}" if earlier else "there is none"
            raise ValueError(f"{place}.when: {other} must be a key searched here and written before {name}; {there}")
        for value in values if isinstance(values, list) else [values]:
            if not holds(earlier[other], value):
                raise ValueError(f"{place}.when.{other}: {say(value)} must be {say_range(earlier[other])}")
