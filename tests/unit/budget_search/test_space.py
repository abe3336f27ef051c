"""The space of recipes: what is tried first, what may be drawn, and how recipes are told apart."""

import json

import optuna
import pytest
from ruamel.yaml import YAML

from tests.repo.stages import ROOT
from textmill.budget_search.space import RECIPE, RecipeSpace, name_steps, tell
from textmill.config.compression import Recipe
from textmill.config.compression_search import SearchedSpace, fill_in, searched_settings
from textmill.search.space import suggest, to_params

SHIPPED = YAML(typ="safe").load(ROOT / "params.yaml")["compress"]["search"]["space"]
PRUNE = {
    "method": "prune",
    "importance": "taylor",
    "heads": {"type": "float", "low": 0.1, "high": 0.8, "default": 0.5},
    "epochs": {"type": "categorical", "choices": [1, 3], "default": 3},
    "learning_rate": 1e-4,
}
BAG = {
    "method": "distill",
    "student": {
        "family": "bag_of_embeddings",
        "embeddings": "own",
        "embedding_size": {"type": "int", "low": 8, "high": 32, "step": 8, "default": 16},
    },
    "temperature": 2.0,
    "soft_weight": 0.5,
    "epochs": 1,
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True, "default": 1e-3},
}
INT8 = {"method": "quantize", "per_channel": True}
DECLARED = {
    "steps": {"prune": PRUNE, "bag": BAG, "int8": INT8},
    "recipes": [["int8"], ["prune", "int8"], ["bag", "int8"], ["prune", "bag"]],
}


@pytest.fixture
def space():
    return RecipeSpace.of(SearchedSpace(**DECLARED))


def draw(space, number):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(number):
        yield suggest(study.ask(), space.dimensions, {})


def test_what_is_tried_first_is_each_recipe_with_its_defaults(space):
    first = space.first()
    assert [values[RECIPE] for values in first] == ["int8", "prune -> int8", "bag -> int8", "prune -> bag"]
    assert first[0] == {RECIPE: "int8"}
    assert first[1] == {RECIPE: "prune -> int8", "prune.heads": 0.5, "prune.epochs": 3}
    assert space.steps_of(first[2]) == [
        {**BAG, "student": {**BAG["student"], "embedding_size": 16}, "learning_rate": 1e-3},
        INT8,
    ]
    assert [to_params(values, space.dimensions, {}) for values in first] == first, "as the study holds them"


def test_a_setting_is_drawn_only_where_its_step_is_in_the_recipe(space):
    for values in draw(space, 60):
        steps = values[RECIPE].split(" -> ")
        wanted = [name for name in space.dimensions if name.partition(".")[0] in steps]
        assert [name for name in values if name != RECIPE] == wanted


@pytest.mark.parametrize("declared", [DECLARED, SHIPPED], ids=["mixed", "params.yaml"])
def test_everything_that_is_drawn_is_a_recipe_within_its_ranges(declared):
    space = RecipeSpace.of(SearchedSpace(**declared))
    seen = set()
    for values in draw(space, 300):
        steps = space.steps_of(values)
        assert [step.method for step in Recipe(**{"from": "full", "steps": steps}).steps] == [
            declared["steps"][name]["method"] for name in values[RECIPE].split(" -> ")
        ]
        for name, step in zip(values[RECIPE].split(" -> "), steps, strict=True):
            for key, dimension in searched_settings(declared["steps"][name]):
                value = step["student"][key.removeprefix("student.")] if key.startswith("student.") else step[key]
                if dimension.type == "categorical":
                    assert value in dimension.choices
                else:
                    assert dimension.low <= value <= dimension.high
        seen.add(values[RECIPE])
    assert seen == {tell(names) for names in space.recipes}


def test_numbers_are_short_and_stay_in_their_range():
    declared = {**PRUNE, "learning_rate": {"type": "float", "low": 1.23456e-4, "high": 2e-4, "default": 2e-4}}
    space = RecipeSpace.of(SearchedSpace(steps={"prune": declared}, recipes=[["prune"]]))
    values = {**space.first()[0], "prune.heads": 0.123456, "prune.learning_rate": 1.2346e-4}
    (step,) = space.steps_of(values)
    assert (step["heads"], step["learning_rate"]) == (0.123, 1.23456e-4)


def test_steps_have_one_name_whatever_the_order_of_their_keys():
    assert name_steps([{"b": 1, "a": 2}]) == name_steps([{"a": 2, "b": 1}])
    assert len({name_steps(steps) for steps in ([], [INT8], [INT8, INT8], [{**INT8, "per_channel": False}])}) == 4


def test_a_setting_is_filled_in_at_its_place():
    settings = {"a": {"low": 1, "high": 2}, "nested": {"b": {"low": 1, "high": 2}, "c": [1]}, "d": 4}
    assert fill_in(settings, {"a": 1.5, "nested.b": 2}) == {"a": 1.5, "nested": {"b": 2, "c": [1]}, "d": 4}


@pytest.mark.parametrize(
    ("step", "changed", "message"),
    [
        ("prune", {"heads": {"type": "float", "low": 0.1, "high": 1.5, "default": 0.5}}, "steps.prune: .*found 1.5"),
        ("prune", {"heads": {"type": "float", "low": 0.1, "high": 0.5}}, "steps.prune: heads: .* needs a default"),
        ("prune", {"heads": {"low": 0.1, "high": 0.5, "default": 0.2}}, "steps.prune: heads: "),
        ("prune", {"heads": {"type": "float", "low": 0.6, "high": 0.5, "default": 0.5}}, "must not be above high"),
        ("prune", {"shares": 0.5}, "steps.prune: .*shares"),
        ("int8", {"method": "shrink"}, "steps.int8: .*'shrink'"),
        ("bag", {"student": {**BAG["student"], "embedding_size": {"type": "int", "low": 0, "high": 8, "default": 8}}},
         "steps.bag: .*embedding_size: .*found 0"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_step_is_told(step, changed, message):
    steps = {**DECLARED["steps"], step: {**DECLARED["steps"][step], **changed}}
    with pytest.raises(ValueError, match=message):
        SearchedSpace(steps=steps, recipes=DECLARED["recipes"])


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        ([["int8"], ["int7"]], r"names int7, which is none of steps \(prune, bag, int8\)"),
        ([["int8"], ["int8"]], "int8 stands there twice"),
        ([["int8", "int8"]], "or names a step twice"),
        ([[]], "at least 1 item"),
        ([], "at least 1 item"),
    ],
)
def test_a_mistake_in_the_recipes_is_told(recipes, message):
    with pytest.raises(ValueError, match=message):
        SearchedSpace(steps=DECLARED["steps"], recipes=recipes)


def test_an_order_that_cannot_be_made_is_told(tmp_path):
    from textmill.config import load_params
    from textmill.config.reading import InvalidParams

    values = YAML(typ="safe").load(ROOT / "params.yaml")
    values["compress"]["search"]["space"]["recipes"].append(["int8", "bag"])
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    with pytest.raises(InvalidParams, match=r"int8 -> bag: .*quantize -> distill cannot be done"):
        load_params(tmp_path / "params.yaml")
