"""What is searched: which recipe, and those of its settings that are ranges, as dimensions of the study."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from textmill.config.compression import Recipe
from textmill.config.compression_search import SearchedSpace, Settings, fill_in, searched_settings
from textmill.search.space import Dimension, Space, defaults

RECIPE = "recipe"  # the dimension that says which recipe
ARROW = " -> "
_SIGNIFICANT = 3  # digits of a number that is found: what is tried is what params.yaml gets


@dataclass(frozen=True)
class RecipeSpace:
    """Recipes by the names of their steps, and the settings of each step, of which some are ranges."""

    steps: Mapping[str, Settings]
    recipes: Sequence[tuple[str, ...]]

    @classmethod
    def of(cls, declared: SearchedSpace) -> "RecipeSpace":
        return cls(declared.steps, [tuple(names) for names in declared.recipes])

    @cached_property
    def dimensions(self) -> Space:
        """`recipe`, and STEP.SETTING of each range, which counts only in the recipes that have the step."""
        told = [tell(names) for names in self.recipes]
        found = {RECIPE: Dimension("categorical", told[0], choices=tuple(told))}
        for step, settings in self.steps.items():
            among = tuple(tell(names) for names in self.recipes if step in names)
            for name, one in searched_settings(settings) if among else ():
                range_ = one.model_dump(exclude={"type", "when", "choices"})
                choices = tuple(one.choices) if one.type == "categorical" else ()
                found[f"{step}.{name}"] = Dimension(one.type, choices=choices, when={RECIPE: among}, **range_)
        return found

    def first(self) -> list[dict[str, Any]]:
        """The values of each recipe with the defaults of its ranges, in the order in which they are tried."""
        rest = {name: one for name, one in self.dimensions.items() if name != RECIPE}
        return [defaults({RECIPE: Dimension("categorical", tell(names)), **rest}, {}) for names in self.recipes]

    def steps_of(self, values: Mapping[str, Any]) -> list[Settings]:
        """The steps of a trial, as params.yaml has them. Raises: ValueError: they are no recipe."""
        found = []
        for step in values[RECIPE].split(ARROW):
            own = {name: one for name, one in values.items() if name.startswith(f"{step}.")}
            filled = {name.removeprefix(f"{step}."): self._round(name, one) for name, one in own.items()}
            found.append(fill_in(self.steps[step], filled))
        Recipe(**{"from": "full", "steps": found})
        return found

    def _round(self, name: str, value: Any) -> Any:
        one = self.dimensions[name]
        if one.kind != "float":
            return value
        assert one.low is not None and one.high is not None
        return min(max(float(f"{value:.{_SIGNIFICANT}g}"), one.low), one.high)


def tell(names: Sequence[str]) -> str:
    """A recipe in words, and as the study has it: `trim -> bag -> int8`."""
    return ARROW.join(names)


def name_steps(steps: Sequence[Mapping[str, Any]]) -> str:
    """What steps are called in the state folder: the same steps, the same name."""
    written = json.dumps(list(steps), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()[:16]
