"""Presets: small YAML files with a dataset's settings, written into params.yaml with its comments kept."""

from pathlib import Path
from typing import Any

from textmill.config.reading import read_sections
from textmill.config.writing import replace_params, round_trip_yaml
from textmill.errors import UserError

_WHOLE = ("clean.labels", "data.source")  # never merged key by key: nothing of another dataset may stay


class UnknownPreset(UserError):
    """There is no preset of this name."""


def names(folder: Path) -> list[str]:
    """The presets in a folder, by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def use(name: str, params: Path, folder: Path) -> list[str]:
    """Write a preset's values into params.yaml; return the keys that changed, as `section.key`.

    params.yaml is replaced in one step, and only by a file that is valid.

    Raises: UnknownPreset, InvalidParams.
    """
    if name not in names(folder):
        raise UnknownPreset(f"{name!r} is not a preset; presets in {folder}: {', '.join(names(folder)) or 'none'}.")
    yaml = round_trip_yaml()
    document = read_sections(yaml, params)
    changed = _merge(document, read_sections(yaml, folder / f"{name}.yaml"), "")
    replace_params(yaml, document, params)
    return changed


def drop_other_reference(project: str, contract_lock: Path) -> str | None:
    """Reset contract.lock.yaml to `reference: null` if it is about another project; return that project.

    Raises: InvalidReference: the file is malformed.
    """
    from textmill.data.contract.reference import read_reference, write_reference

    reference = read_reference(contract_lock) if contract_lock.exists() else None
    if reference is None or reference.project == project:
        return None
    write_reference(contract_lock, None)
    return reference.project


def _merge(target: Any, values: Any, prefix: str) -> list[str]:
    changed = []
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and isinstance(target.get(key), dict) and path not in _WHOLE:
            changed += _merge(target[key], value, f"{path}.")
        elif target.get(key, ...) != value:
            target[key] = value
            changed.append(path)
    return changed
