"""Reads params.yaml, and tells its mistakes in our words."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from textmill.config.base import Section
from textmill.config.params import Params
from textmill.config.steps import Step
from textmill.config.steps.distill import Student
from textmill.errors import UserError

if TYPE_CHECKING:
    from ruamel.yaml import YAML


_NO_DIMENSION = ("union_tag_not_found", "union_tag_invalid", "model_attributes_type")  # pydantic's types of errors


def _tags(union: Any, key: str) -> set[str]:
    """What tells the members of a union apart."""
    return {get_args(member.model_fields[key].annotation)[0] for member in get_args(get_args(union)[0])}


_TAGS = _tags(Step, "method") | {"invariance", "directional", "expectation"}  # of members of a list
_STUDENTS = _tags(Student, "family")


class InvalidParams(UserError):
    """params.yaml is missing, is not YAML, or does not fit the schema."""


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate params.yaml (YAML 1.2).

    Raises:
        InvalidParams: the file is missing, is not YAML, or a key is unknown, missing or out of range;
            all faults are told at once.
    """
    from ruamel.yaml import YAML

    try:
        return Params(**read_sections(YAML(typ="safe", pure=True), path))
    except ValidationError as error:
        raise InvalidParams(_explain(path, error)) from None


def read_sections(yaml: "YAML", path: Path) -> Any:
    """The mapping of sections that a file holds, as `yaml` gives it. Raises: InvalidParams."""
    from ruamel.yaml import YAMLError

    try:
        document = yaml.load(path)
    except FileNotFoundError:
        raise InvalidParams(f"{path} is not here. Run from the repository root, where it lies.") from None
    except YAMLError as error:
        raise InvalidParams(f"{path} is not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise InvalidParams(f"{path} must hold a mapping of sections, found {type(document).__name__}.")
    return document


def _explain(path: Path, error: ValidationError) -> str:
    lines = [f"{path} has {error.error_count()} mistake(s):"]
    for fault in error.errors():
        place = fault["loc"]
        key = ".".join(_written(place)) or "(whole file)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {key}: no such key; allowed here: {', '.join(_allowed_keys(place[:-1]))}")
        elif fault["type"] == "missing":
            lines.append(f"  {key}: this key is missing; every knob must be written")
        elif place[:2] == ("tune", "space") and fault["type"] in _NO_DIMENSION:
            lines.append(f"  {key}: {_say_type(fault['input'])}")
        elif fault["type"] == "union_tag_not_found":  # of a check or a step
            lines.append(f"  {key}: the key {fault['ctx']['discriminator']} is missing")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            shown = "" if isinstance(fault["input"], (dict, Section)) else f", found {fault['input']!r}"
            lines.append(f"  {key}: {message}{shown}")
    lines.append("See the comments in params.yaml and docs/params.md; `git diff params.yaml` shows what changed.")
    return "\n".join(lines)


def _say_type(node: Any) -> str:
    """What is wrong with something that should be a dimension of the search, but has no known type."""
    allowed = "type must be float, int or categorical"
    if not isinstance(node, dict):
        return f"a searched key is a mapping such as {{type: float, low: 0.0, high: 0.3}}, found {node!r}"
    return f"{allowed}, found {node['type']!r}" if "type" in node else f"{allowed}, and is missing"


def _written(place: Sequence[int | str]) -> Iterator[str]:
    """The keys as the user wrote them: pydantic adds which of several forms it took a value for."""
    for before, key in zip([None, *place], place, strict=False):
        if isinstance(before, int) and key in _TAGS:
            continue
        if before == "student" and key in _STUDENTS:
            continue
        if before == "source" and key in ("one", "each"):
            continue
        if tuple(place[:2]) == ("tune", "space") and key in ("float", "int", "categorical"):
            continue
        yield str(key)


def _allowed_keys(place: Sequence[int | str]) -> list[str]:
    schema = Params.model_json_schema(by_alias=True)
    node: dict[str, Any] = schema
    for key in place:
        if key == "each" and "oneOf" in node:  # a source for each split
            node = node["oneOf"][1]
        elif "discriminator" in node:  # `key` is a step's method
            node = {"$ref": node["discriminator"]["mapping"][key]}
        elif "patternProperties" in node:  # `key` is a recipe's name
            (node,) = node["patternProperties"].values()
        elif isinstance(node.get("additionalProperties"), dict):  # `key` is a searched key
            node = node["additionalProperties"]
        else:
            node = node["items"] if "items" in node else node["properties"][key]
        if "anyOf" in node:  # a section that may be left out
            node = next(option for option in node["anyOf"] if option.get("type") != "null")
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return sorted(node["properties"])
