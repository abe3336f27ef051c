"""Presets are valid, complete, and leave the rest of params.yaml as it was."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.repo.stages import ROOT
from textmill import presets
from textmill.config import load_params

FOLDER = ROOT / "presets"
NAMES = presets.names(FOLDER)


@pytest.fixture
def params(tmp_path: Path) -> Path:
    copy = tmp_path / "params.yaml"
    copy.write_bytes((ROOT / "params.yaml").read_bytes())
    return copy


@pytest.mark.parametrize("name", NAMES)
def test_preset_makes_valid_params_and_keeps_comments(name: str, params: Path) -> None:
    before = params.read_text(encoding="utf-8")
    presets.use(name, params, FOLDER)
    assert load_params(params).project == name
    comments = [line.partition("  # ")[2] for line in before.splitlines() if "  # " in line]
    after = params.read_text(encoding="utf-8")
    assert [comment for comment in comments if comment not in after] == []


def test_presets_set_the_same_keys() -> None:
    """Else a key of the one dataset would stay when the other is chosen."""
    keys = {name: leaf_keys(YAML(typ="safe", pure=True).load(FOLDER / f"{name}.yaml")) for name in NAMES}
    assert len(NAMES) >= 2
    assert all(found == keys[NAMES[0]] for found in keys.values()), keys


def test_shipped_params_have_the_values_of_their_preset(params: Path) -> None:
    if (name := load_params(params).project) not in NAMES:
        pytest.skip("params.yaml is about another dataset")
    assert presets.use(name, params, FOLDER) == [], f"params.yaml and presets/{name}.yaml differ in these keys"


def test_there_and_back_again(params: Path) -> None:
    presets.use("movie-reviews", params, FOLDER)
    start = load_params(params)
    assert presets.use("movie-reviews", params, FOLDER) == []
    assert presets.use("bbc-news", params, FOLDER) != []
    assert load_params(params) != start
    presets.use("movie-reviews", params, FOLDER)
    assert load_params(params) == start


def leaf_keys(node: Any, prefix: str = "") -> set[str]:
    """Keys of mappings; labels of a dataset and lists are values."""
    if not isinstance(node, dict) or prefix in ("clean.labels", "data.source"):
        return {prefix}
    return {key for name, child in node.items() for key in leaf_keys(child, f"{prefix}.{name}".lstrip("."))}
