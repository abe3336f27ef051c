"""What is not the same of two models: settings, machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textmill.evaluation.measured import Measured

_UNKNOWN = "-"


@dataclass(frozen=True)
class Change:
    """Something that is not the same; what one side does not say is `-`."""

    name: str
    a: str
    b: str


def find_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """The names whose values are not the same to six figures, in the order of a."""
    names = [*a, *(name for name in b if name not in a)]
    pairs = ((name, _say_setting(a.get(name, _UNKNOWN)), _say_setting(b.get(name, _UNKNOWN))) for name in names)
    return [Change(name, left, right) for name, left, right in pairs if left != right]


def _say_setting(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def compare_settings(a: Measured, b: Measured) -> tuple[list[Change], list[str]]:
    """What each was made with, where both say it, and measured with; and the titles of those that do not say it."""
    made = [] if a.settings is None or b.settings is None else find_changes(a.settings, b.settings)
    measured = [
        {name: one.report[name] for name in ("family", "temperature")} | _flatten("evaluate", one.report["settings"])
        for one in (a, b)
    ]
    unknown = [one.title for one in (a, b) if one.settings is None]
    return [*made, *find_changes(*measured)], unknown


def _flatten(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}"
        flat |= _flatten(name, value) if isinstance(value, Mapping) else {name: value}
    return flat
