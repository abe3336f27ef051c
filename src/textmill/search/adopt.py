"""What a search found, written into params.yaml with its comments kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.config import load_params
from textmill.config.dimensions import HYPERPARAMETERS, MAX_LENGTH, equal
from textmill.config.reading import read_sections
from textmill.config.searched import override
from textmill.config.writing import replace_params, round_trip_yaml
from textmill.errors import UserError


class NothingToAdopt(UserError):
    """There are no values to write into params.yaml."""


@dataclass(frozen=True)
class Change:
    """A key of params.yaml that has another value now."""

    key: str
    before: Any
    after: Any


def adopt(values: Mapping[str, Any], params: Path, *, keep_searching: bool = False) -> list[Change]:
    """Write the values into params.yaml; return what changed, in the order of the values.

    A hyperparameter becomes the default of its dimension, another key gets the value in its own place, and one that is
    pinned in tune.fixed stays. A shorter length also ends the range in which lengths are searched. params.yaml is
    replaced in one step, and only by a file that is valid.

    Args:
        values: of best.json, by dotted name.
        keep_searching: whether tune.num_trials stays; it becomes 0 otherwise, for other values are another study,
            which would search anew.

    Raises: NothingToAdopt, InvalidParams, UnusableValues.
    """
    if not values:
        raise NothingToAdopt("There are no values to adopt: model.family baseline has nothing that is searched.")
    current = load_params(params)
    override(current, values)
    yaml = round_trip_yaml()
    document = read_sections(yaml, params)
    space = document["tune"]["space"][current.model.family]
    place = f"tune.space.{current.model.family}"
    changes: list[Change] = []
    for name, value in values.items():
        if name in current.tune.fixed:
            continue
        if name in HYPERPARAMETERS:
            changes += _put(space[name], "default", value, f"{place}.{name}.default")
            continue
        *sections, key = name.split(".")
        node = document
        for section in sections:
            node = node[section]
        changes += _put(node, key, value, name)
        if name == MAX_LENGTH:
            changes += _end_range(_find(space, name), value, f"{place}.{name}")
    if not keep_searching:
        changes += _put(document["tune"], "num_trials", 0, "tune.num_trials")
    if changes:
        replace_params(yaml, document, params)
    return changes


def _put(node: Any, key: str, value: Any, name: str) -> list[Change]:
    before = node.get(key)
    if key in node and equal(before, value):
        return []
    node[key] = _in_one_line(value)
    return [Change(name, _plain(before), value)]


def _end_range(dimension: Any, longest: int, name: str) -> list[Change]:
    """Token arrays will be no longer than that, so that no trial can have more."""
    if dimension is None:
        return []
    if "choices" in dimension:
        choices = [choice for choice in dimension["choices"] if choice <= longest]
        return _put(dimension, "choices", choices, f"{name}.choices")
    return _put(dimension, "high", longest, f"{name}.high")


def _find(tree: Any, name: str) -> Any:
    """What stands under a dotted name, of which any part may be nested; None if there is nothing."""
    if name in tree:
        return tree[name]
    for key, node in tree.items():
        if name.startswith(f"{key}.") and (found := _find(node, name.removeprefix(f"{key}."))) is not None:
            return found
    return None


def _in_one_line(value: Any) -> Any:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if not isinstance(value, list | dict):
        return value
    made = CommentedMap(value) if isinstance(value, dict) else CommentedSeq(value)
    made.fa.set_flow_style()
    return made


def _plain(value: Any) -> Any:
    """Without what ruamel.yaml remembers of how it was written."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return int(value) if isinstance(value, int) else float(value)
