"""The stage compare on a finished run of every task."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from sklearn.metrics import f1_score

from pipeline import compare
from tests.tiny_run import tiny_run
from textmill.artifacts import MissingArtifact, read_json, write_json
from textmill.config import load_params
from textmill.evaluation import examination
from textmill.paths import Paths

MODELS = ("full", "int8", "baseline")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Paths]:
    """A run of each task, without the parts of an evaluation that are nothing to this stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examination, "PARTS", {})
        tasks = ("single_label", "multi_label", "regression")
        return {task: tiny_run(tmp_path_factory.mktemp(task), task=task) for task in tasks}


@pytest.fixture
def copy(runs: dict[str, Paths], tmp_path: Path) -> Paths:
    """Of the run of single labels, to be spoilt."""
    shutil.copytree(runs["single_label"].root, tmp_path, dirs_exist_ok=True)
    return Paths(root=tmp_path, state=tmp_path)


def run(paths: Paths) -> dict[str, Any]:
    compare.run(load_params(paths.params), paths)
    found: dict[str, Any] = read_json(paths.comparison)
    return found


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
def test_every_pair_of_every_task(task: str, runs: dict[str, Paths], capsys: pytest.CaptureFixture[str]) -> None:
    paths = runs[task]
    found = run(paths)
    assert found["models"] == [*MODELS]
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [
        ("full", "int8"),
        ("full", "baseline"),
        ("int8", "baseline"),
    ]
    assert found["figure"] == ("R²" if task == "regression" else "macro-F1")
    assert (found["margin"], found["correction"], found["num_documents"]) == (0.02, "Holm", 1200)
    scores = {name: read_json(paths.evaluation("test", name) / "metrics.json")["score"] for name in MODELS}
    for pair in found["pairs"]:
        assert pair["difference"] == pytest.approx(scores[pair["a"]] - scores[pair["b"]])
        assert pair["low"] <= pair["difference"] <= pair["high"]
    assert found["pairs"][2]["verdict"] == "better"  # int8 has no noise, the baseline most
    assert "compare: 3 models, 3 pairs on 1200 documents: " in capsys.readouterr().out
    before = paths.comparison.read_bytes()
    run(paths)
    assert paths.comparison.read_bytes() == before


def test_a_skipped_recipe_is_no_model(copy: Paths) -> None:
    yaml = YAML(typ="safe")
    values = yaml.load(copy.params)
    values["compress"]["recipes"]["trimmed"] = {"from": "full", "steps": []}
    yaml.dump(values, copy.params)
    write_json(copy.evaluation("test", "trimmed") / "metrics.json", {"skipped": "no vocabulary to trim"})
    assert run(copy)["models"] == [*MODELS]


def test_a_folder_that_a_removed_recipe_left_is_no_model(copy: Paths) -> None:
    shutil.copytree(copy.evaluation("test", "full"), copy.evaluation("test", "old"))
    assert run(copy)["models"] == [*MODELS]


def test_answers_to_other_documents_are_no_comparison(copy: Paths) -> None:
    file = copy.evaluation("test", "int8") / "predictions.parquet"
    pd.read_parquet(file)[1:].to_parquet(file, index=False)
    with pytest.raises(AssertionError, match="int8 answered another test split"):
        run(copy)


def test_a_model_that_was_not_evaluated_is_named(copy: Paths) -> None:
    (copy.evaluation("test", "full") / "metrics.json").unlink()
    with pytest.raises(MissingArtifact, match=r"reports/test/full/metrics.json is missing"):
        run(copy)


def test_thirty_documents_are_compared(copy: Paths) -> None:
    for name in MODELS:
        file = copy.evaluation("test", name) / "predictions.parquet"
        pd.read_parquet(file)[:30].to_parquet(file, index=False)
    found = run(copy)
    assert found["num_documents"] == 30
    tables = [pd.read_parquet(copy.evaluation("test", name) / "predictions.parquet") for name in MODELS[1:]]
    expected = [f1_score(table["label"], table["predicted"], average="macro") for table in tables]
    assert found["pairs"][2]["difference"] == pytest.approx(-np.diff(expected)[0])
    assert found["pairs"][0]["verdict"] == "not decided"
