"""What was found becomes a recipe of params.yaml, and nothing else of it changes."""

import pytest

from tests.repo.stages import ROOT
from textmill.budget_search.adopt import NothingToAdopt, adopt, pick
from textmill.config import InvalidParams, load_params

BAG = {
    "method": "distill",
    "student": {"family": "bag_of_embeddings", "embeddings": "teacher", "embedding_size": 48},
    "temperature": 2.0,
    "soft_weight": 0.9,
    "epochs": 7,
    "learning_rate": 0.0123,
}
INT8 = {"method": "quantize", "per_channel": True}
TRIAL = {"number": 3, "recipe": "bag -> int8", "steps": [BAG, INT8], "figures": {"score": 0.9}}
FAILED = {"number": 4, "recipe": "bag", "steps": [BAG], "figures": None}


@pytest.fixture
def params(tmp_path):
    copy = tmp_path / "params.yaml"
    copy.write_bytes((ROOT / "params.yaml").read_bytes())
    return copy


def record(chosen):
    return {"trials": [TRIAL, FAILED], "chosen": chosen}


def test_a_recipe_is_added_and_nothing_else_changes(params):
    before, recipes = params.read_text(encoding="utf-8"), load_params(params).compress.recipes
    assert adopt(TRIAL, params, None) == "bag-int8"
    after = params.read_text(encoding="utf-8")
    added = """\
    bag-int8:
      from: full
      steps:
      - {method: distill, student: {family: bag_of_embeddings, embeddings: teacher, embedding_size: 48}, \
temperature: 2.0, soft_weight: 0.9, epochs: 7, learning_rate: 0.0123}
      - {method: quantize, per_channel: true}
"""
    assert added in after and after.replace(added, "") == before
    now = load_params(params)
    assert {name: one for name, one in now.compress.recipes.items() if name != "bag-int8"} == recipes
    assert [step.method for step in now.compress.recipes["bag-int8"].steps] == ["distill", "quantize"]


def test_a_recipe_that_is_there_and_a_name_that_is_taken_are_told(params):
    adopt(TRIAL, params, "small")
    with pytest.raises(NothingToAdopt, match=r"compress\.recipes\.small is this recipe already"):
        adopt(TRIAL, params, "smaller")
    with pytest.raises(NothingToAdopt, match="has a 'small' already"):
        adopt({**TRIAL, "steps": [BAG]}, params, "small")


@pytest.mark.parametrize("name", ["trained", "Not a name"])
def test_a_name_that_cannot_be_one_leaves_params_as_they_are(params, name):
    before = params.read_bytes()
    with pytest.raises(InvalidParams):
        adopt(TRIAL, params, name)
    assert params.read_bytes() == before


def test_the_choice_or_a_trial_is_picked():
    assert pick(record("3"), None) == TRIAL == pick(record(None), 3)
    with pytest.raises(NothingToAdopt, match="no finished trial 4 to adopt; there are: 3"):
        pick(record("3"), 4)
    with pytest.raises(NothingToAdopt, match="The full model is the choice"):
        pick(record("full"), None)
    with pytest.raises(NothingToAdopt, match="No recipe met the budget"):
        pick(record(None), None)
