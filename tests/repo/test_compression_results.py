"""docs/compression-results.md is what benchmarks/results/compression-*.json say, and their recipes can be made."""

import numpy as np
import pytest

from benchmarks.compression_contenders import Times, speed_of, time_in_turns, waiting_share
from benchmarks.compression_goals import judge
from benchmarks.compression_page import PAGE, page_of, read_results
from benchmarks.compression_recipes import DATASETS, recipes_of
from tests.checkout import ROOT
from textmill.config import load_params
from textmill.config.compression import Compress, Recipe

HOW = "python -m benchmarks.bench_compression --render"


def test_no_figure_is_written_by_hand():
    assert PAGE.read_text(encoding="utf-8") == page_of(read_results()), HOW


def test_goals_are_judged_by_the_figures_beside_them():
    for result in read_results():
        assert result["goals"] == judge(result["variants"])


@pytest.mark.parametrize("data", DATASETS)
def test_every_recipe_can_stand_in_params_yaml(data: str):
    """A recipe behind ONNX, or one from a model that is not there, would be told only when it is made."""
    full = Recipe(**{"from": "trained", "steps": []})
    search = load_params(ROOT / "params.yaml").compress.search
    recipes = {"full": full, **recipes_of(data)}
    made = Compress.model_validate(
        {
            "recipes": {name: recipe.model_dump(by_alias=True) for name, recipe in recipes.items()},
            "search": search.model_dump(),
        }
    )
    assert made.recipes == recipes


def figures(*methods: str, family: str = "transformer", smaller: float, faster: float, points: float) -> dict:
    steps = [{"method": method} for method in methods]
    return {"family": family, "steps": steps, "times_smaller": smaller, "times_faster": faster, "f1_points": points}


def test_a_goal_is_met_by_all_of_its_figures_together():
    variants = {
        "int8": figures("quantize", smaller=3.8, faster=4.0, points=-0.4),
        "worse int8": figures("quantize", smaller=3.8, faster=4.0, points=-0.6),
        "pruned": figures("prune", smaller=1.5, faster=2.1, points=-0.9),
        "pruned int8": figures("prune", "quantize", smaller=10.0, faster=10.0, points=-1.0),
        "bag": figures("distill", family="bag_of_embeddings", smaller=9.9, faster=80.0, points=0.5),
        "slow bag": figures("distill", family="bag_of_embeddings", smaller=9.9, faster=49.0, points=0.5),
    }
    assert [one["met_by"] for one in judge(variants)] == [["pruned int8"], ["int8"], ["pruned"], ["bag"]]
    assert [one["tried"] for one in judge(variants)] == [
        list(variants),
        ["int8", "worse int8"],
        ["pruned"],
        ["bag", "slow bag"],
    ]


def test_contenders_take_turns_on_blocks():
    asked: list[tuple[str, str]] = []
    contenders = {name: (lambda text, name=name: asked.append((name, text)) or name) for name in "ab"}
    times = time_in_turns(contenders, ["0", "1", "2"], rounds=2, block=2)
    assert times["a"].clock_RN.shape == times["b"].processor_RN.shape == (2, 3)
    assert [name for name, _ in asked] == list("bbbaaa") + list("aabb") + list("bbbaaa") + list("aabb")
    assert [text for _, text in asked[:3]] == ["0", "0", "1"]  # the first is not timed


def test_speed_is_a_ratio_of_medians():
    full, fast = Times(np.full((2, 3), 10.0), np.full((2, 3), 8.0)), Times(np.full((2, 3), 2.0), np.full((2, 3), 2.0))
    fast.clock_RN[1] = 4.0
    speed = speed_of(fast, full)
    assert speed["times_faster"] == 3.33 and speed["times_faster_of_rounds"] == [5.0, 2.5]
    assert speed["times_less_processor"] == 4.0
    assert waiting_share({"full": full, "fast": fast}) == pytest.approx(1 - (48 + 12) / (60 + 18))
