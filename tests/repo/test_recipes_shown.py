"""Every recipe that a page shows is one that params.yaml takes."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.repo.stages import ROOT
from tests.repo.test_docs import FENCE
from textmill.config import load_params

SHOWN = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in sorted(ROOT.glob("docs/*.md"))
    for number, (kind, block) in enumerate(FENCE.findall(path.read_text(encoding="utf-8")))
    if kind == "yaml" and re.search(r"^compress:\n  recipes:", block, re.MULTILINE)
]


def test_recipes_are_shown() -> None:
    assert len(SHOWN) >= 3


@pytest.mark.parametrize("block", SHOWN)
def test_a_shown_recipe_is_valid(block: str, tmp_path: Path) -> None:
    yaml = YAML(typ="safe")
    params = yaml.load(ROOT / "params.yaml")
    params["compress"] |= yaml.load(block)["compress"]
    yaml.dump(params, tmp_path / "params.yaml")
    load_params(tmp_path / "params.yaml")
