"""Every key of params.yaml says what it means, in the schema and in docs/params.md."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.repo.params_page import leaves, page
from tests.repo.stages import ROOT, stages

LEAVES = dict(leaves())


@pytest.mark.parametrize("key", LEAVES)
def test_every_key_is_described(key: str) -> None:
    description = LEAVES[key].get("description", "")
    assert description.endswith("."), f"{key} needs a description, a full sentence, in config/"


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs/params.md").read_text(encoding="utf-8") == page(), "run `make docs` and commit docs/params.md"


def test_every_key_of_the_file_is_on_the_page() -> None:
    text = page()
    values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    keys = list(leaf_keys("", values))
    assert len(keys) > 50
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_every_section_is_read_by_a_stage() -> None:
    declared = {key.partition(".")[0] for stage in stages() for key in stage.params}
    assert {key.partition(".")[0] for key in LEAVES} == declared


def leaf_keys(prefix: str, node: Any) -> list[str]:
    """Keys as the page writes them: any recipe is NAME, a step is named by its method, free mappings are leaves."""
    if prefix == "compress.recipes":
        return [key for recipe in node.values() for key in leaf_keys("compress.recipes.NAME", recipe)]
    if prefix == "compress.recipes.NAME.steps":
        settings = [f"{prefix} ({step['method']}).{key}" for step in node for key in step if key != "method"]
        return [prefix, *settings]
    if isinstance(node, dict) and prefix not in LEAVES:
        return [key for name, child in node.items() for key in leaf_keys(f"{prefix}.{name}".lstrip("."), child)]
    return [prefix]
