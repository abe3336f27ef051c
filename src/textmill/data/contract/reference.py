"""contract.lock.yaml: the frozen profile of data that were found good, which the contract compares later data with."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textmill.artifacts import atomic
from textmill.errors import UserError

_HEAD = """\
# The reference that the data contract compares with: shares of the classes, lengths, scripts of data that were good.
# `textmill contract freeze` writes it from the last run of the stage validate; commit it with params.yaml.
# `reference: null` compares with nothing.
"""
_WAY_OUT = "`textmill contract freeze` writes it anew from the last run; `reference: null` compares with nothing."
Share = Annotated[float, Field(ge=0, le=1)]


class InvalidReference(UserError):
    """contract.lock.yaml is missing, is malformed, or is about another project."""


class Target(BaseModel):
    """Of a regression: figures of the number, and the borders of the ranges whose shares are `labels`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    min: float
    max: float
    mean: float
    std: Annotated[float, Field(ge=0)]
    borders: list[float]


class Reference(BaseModel):
    """The frozen part of a profile; see `profile.build_profile`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    project: str
    source: dict[str, Any]
    documents: Annotated[int, Field(ge=1)]
    labels: Annotated[dict[str, Share], Field(min_length=1)]
    target: Target | None = None  # files of earlier versions have none
    characters: dict[str, Annotated[float, Field(ge=0)]]
    scripts: dict[str, Share]
    shares: dict[str, Share]


class _Lock(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    reference: Reference | None


def read_reference(path: Path, project: str | None = None) -> Reference | None:
    """Read contract.lock.yaml; None if nothing is frozen.

    Args:
        project: that of params.yaml, which must be the reference's; None takes any.

    Raises: InvalidReference.
    """
    from ruamel.yaml import YAML, YAMLError

    try:
        reference = _Lock.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))).reference
    except FileNotFoundError:
        raise InvalidReference(f"{path} is not here. {_WAY_OUT}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InvalidReference(f"{path} is not valid YAML: {error}\n{_WAY_OUT}") from None
    except OSError as error:
        raise InvalidReference(f"{path} cannot be read: {error.strerror}. {_WAY_OUT}") from None
    except ValidationError as error:
        raise InvalidReference(f"{path} is malformed:\n{_explain(error)}\n{_WAY_OUT}") from None
    if reference is not None and project not in (None, reference.project):
        raise InvalidReference(
            f"{path} holds the reference of the project {reference.project!r}, but params.yaml is about {project!r}. "
            "Set `reference: null` in it and run `dvc repro`; `textmill contract freeze` then makes these data the "
            "reference."
        )
    return reference


def _freeze(profile: Mapping[str, Any]) -> Reference:
    return Reference(**{key: profile[key] for key in Reference.model_fields if key in profile})


def write_reference(path: Path, reference: Reference | None) -> None:
    """Write contract.lock.yaml, with `reference: null` for None."""
    from ruamel.yaml import YAML

    yaml, text = YAML(), StringIO()
    yaml.width = 4096  # never wrap
    if reference is None:
        text.write("reference: null\n")
    else:
        yaml.dump({"reference": _quote(reference.model_dump())}, text)
    with atomic(path) as temporary:
        temporary.write_text(_HEAD + text.getvalue(), encoding="utf-8")


def _quote(value: Any) -> Any:
    """Strange characters of labels and paths as escapes; ruamel writes a next-line character as it is, and loses it."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, dict):
        return {_quote(key): _quote(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_quote(part) for part in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not value.isprintable() else value


def freeze_profile(path: Path, profile: Mapping[str, Any]) -> list[str] | None:
    """Make a profile the reference; return what differs from the one before, None if there was none to be read."""
    new = _freeze(profile)
    try:
        old = read_reference(path)
    except InvalidReference:  # freezing anew is the way out of it
        old = None
    write_reference(path, new)
    return None if old is None else list_differences(old, new)


def list_differences(old: Reference, new: Reference) -> list[str]:
    """What changed between two references, a line each."""
    lines = []
    if old.project != new.project:
        lines.append(f"project: {old.project} -> {new.project}")
    if old.documents != new.documents:
        lines.append(f"documents: {old.documents:,} -> {new.documents:,}")
    groups = (
        ("class", old.labels, new.labels),
        ("script", old.scripts, new.scripts),
        ("share", old.shares, new.shares),
    )
    for kind, before, after in groups:
        for name in sorted({*before, *after}):
            lines += _compare(f"{kind} {name}", before.get(name), after.get(name), "{:.4f}")
    for name in ("min", "max", "mean", "std"):
        was, now = (getattr(each.target, name, None) for each in (old, new))
        if was is not None or now is not None:
            lines += _compare(f"target, {name}", was, now, "{:.6g}")
    for name in new.characters:
        lines += _compare(f"length, {name}", old.characters.get(name), new.characters[name], "{:,.0f} characters")
    return lines


def _compare(name: str, before: float | None, after: float | None, style: str) -> list[str]:
    if before is None or after is None:
        word, value = ("new", after) if before is None else ("gone, was", before)
        return [f"{name}: {word} {style.format(value)}"]
    return [f"{name}: {style.format(before)} -> {style.format(after)}"] if before != after else []


def _explain(error: ValidationError) -> str:
    return "\n".join(
        f"  {'.'.join(map(str, fault['loc'])) or '(whole file)'}: {fault['msg']}, found {fault['input']!r:.80}"
        for fault in error.errors()
    )
