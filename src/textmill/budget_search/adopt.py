"""A recipe that was found, written into params.yaml with its comments kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textmill.budget_search.space import ARROW
from textmill.config import load_params
from textmill.config.compression import Recipe
from textmill.config.reading import read_sections
from textmill.config.writing import replace_params, round_trip_yaml
from textmill.errors import UserError
from textmill.evaluation.selection import REFERENCE


class NothingToAdopt(UserError):
    """The search has no such trial, or its recipe is there already."""


def pick(record: Mapping[str, Any], number: int | None) -> dict[str, Any]:
    """The chosen trial of a record, or the one with this number. Raises: NothingToAdopt."""
    made = {trial["number"]: trial for trial in record["trials"] if trial["figures"]}
    if number is not None:
        if number not in made:
            there = ", ".join(map(str, made)) or "none"
            raise NothingToAdopt(f"There is no finished trial {number} to adopt; there are: {there}.")
        return dict(made[number])
    if record["chosen"] == REFERENCE:
        raise NothingToAdopt(
            "The full model is the choice under the budget, and compress.recipes has it already. --trial adopts "
            "another one; `textmill compress show` lists them."
        )
    if record["chosen"] is None:
        raise NothingToAdopt(
            "No recipe met the budget, so there is no choice to adopt. --trial adopts one all the same; `textmill "
            "compress show` lists them with what they exceed."
        )
    return dict(made[int(record["chosen"])])


def adopt(trial: Mapping[str, Any], params: Path, name: str | None) -> str:
    """Write a trial's recipe into compress.recipes; return the name under which it stands there.

    Args:
        name: by default the names of its steps, joined.

    Raises: NothingToAdopt: the name is taken, or the recipe is there; InvalidParams.
    """
    name = name or trial["recipe"].replace(ARROW, "-")
    wanted = Recipe(**{"from": REFERENCE, "steps": trial["steps"]})
    recipes = load_params(params).compress.recipes
    if same := [other for other, recipe in recipes.items() if recipe == wanted]:
        raise NothingToAdopt(f"compress.recipes.{same[0]} is this recipe already: `dvc repro` makes it.")
    if name in recipes:
        raise NothingToAdopt(f"compress.recipes has a {name!r} already, with other steps: give another --name.")
    yaml = round_trip_yaml()
    document = read_sections(yaml, params)
    _append(document["compress"]["recipes"], name, trial["steps"])
    replace_params(yaml, document, params)
    return name


def _append(recipes: Any, name: str, steps: list[dict[str, Any]]) -> None:
    """Put a recipe behind the others, a line for each step."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    written = CommentedSeq()
    for step in steps:
        line = CommentedMap({"method": step["method"], **step})
        line.fa.set_flow_style()
        written.append(line)
    recipes[name] = CommentedMap({"from": REFERENCE, "steps": written})
