"""A recipe that ruins the model, made for real: select and the gate refuse it, and say by what figures.

The documents are those of `tests.tiny_model`, as texts: the class is which of two words a text has.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from pipeline import compress, evaluate, register, select
from tests.tiny_bundle import tiny_bundle
from tests.tiny_model import HYPER, SETTINGS, tiny_model, write_tokens
from tests.tiny_run import migrated_database, write_params
from tests.tiny_texts import texts_of
from textmill.artifacts import DOCUMENTS, read_json, write_table
from textmill.config import Params
from textmill.data.tokens import TokenArrays
from textmill.evaluation.selection import NoVariantInBudget
from textmill.models.folder import save_model
from textmill.paths import Paths
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit

# A student that learns nothing: what it answers is what it was born with.
UNTAUGHT = {
    "method": "distill",
    "student": {"family": "bag_of_embeddings", "embeddings": "own", "embedding_size": 4},
    "temperature": 1.0,
    "soft_weight": 0.5,
    "epochs": 1,
    "learning_rate": 1.0e-9,
}
RECIPES = {
    "full": {"from": "trained", "steps": []},
    "ruined": {"from": "full", "steps": [UNTAUGHT]},
}


def params_of(paths: Paths, **budget: Any) -> Params:
    limits = {"max_size_mb": None, "max_latency_ms": None, "max_drop": None, **budget}
    return write_params(
        paths, compress__recipes=RECIPES, select__budget=limits, select__prefer="size_mb", register__auto_promote="gate"
    )


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A model that has learned its task, its ruined variant, both measured on validation and test."""
    root: Path = tmp_path_factory.mktemp("run")
    paths = Paths(root, root)
    shutil.copy(migrated_database(), paths.mlflow_database)
    write_tokens(paths.tokens, num_train=200, num_validation=120)
    for split, arrays in (("train", "train"), ("validation", "validation"), ("test", "validation")):
        write_table(paths.split(split), texts_of(TokenArrays.open(paths.tokens, arrays), split), DOCUMENTS)
    data, model = TrainingData.open(paths.tokens), tiny_model("bag_of_embeddings", paths.tokens)
    fit(model, data, replace(SETTINGS, epochs=12, patience=12), replace(HYPER, learning_rate=2e-2))
    description = {"hyperparameters": vars(HYPER), "max_length": 32, "lineage": {"key": "0" * 64}}
    save_model(paths.model("trained") / "torch", model, description)
    train = texts_of(data.train, "train")
    tiny_bundle(paths.bundle("baseline"), train)
    params = params_of(paths)
    for name in RECIPES:
        compress.run(params, paths, name)
    for split in ("validation", "test"):
        for name in (*RECIPES, "baseline"):
            evaluate.run(params, paths, name, split)
    return paths


def score(paths: Paths, name: str, split: str = "validation") -> float:
    return float(read_json(paths.evaluation(split, name) / "metrics.json")["score"])


def test_the_recipe_ruins_the_model(paths: Paths) -> None:
    assert score(paths, "full") > 0.9
    assert score(paths, "ruined") < 0.7
    told = read_json(paths.evaluation("test", "ruined") / "report.json")["compression"]
    assert told["parent"] == "full"
    assert told["agreement"]["only_other_right"] > 20, "documents that it has spoilt"
    assert told["agreement"]["agreement"] < 0.8


def test_select_leaves_it_and_names_the_figures(paths: Paths) -> None:
    select.run(params_of(paths, max_drop=0.05), paths)
    selection = read_json(paths.selection)
    assert selection["chosen"] == "full", "though the ruined one is the smallest, which is preferred"
    (row,) = (row for row in selection["candidates"] if row["name"] == "ruined")
    drop = score(paths, "full") - score(paths, "ruined")
    assert row["reasons"] == [f"macro-F1 {drop:.4f} below full, above max_drop: 0.05"]


def test_select_stops_where_only_the_ruined_one_is_small_enough(paths: Paths) -> None:
    size = read_json(paths.evaluation("validation", "ruined") / "metrics.json")["size_mb"]
    with pytest.raises(NoVariantInBudget) as refusal:
        select.run(params_of(paths, max_drop=0.05, max_size_mb=1.0001 * size), paths)
    drop = score(paths, "full") - score(paths, "ruined")
    assert f"ruined: macro-F1 {drop:.4f} below full, above max_drop: 0.05" in str(refusal.value)
    assert "full: size" in str(refusal.value)


def test_the_gate_refuses_it_and_names_the_figures(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    select.run(params_of(paths, max_drop=0.05), paths)
    register.run(params_of(paths, max_drop=0.05), paths)
    champion = read_json(paths.registration)["champion_version"]
    client = mlflow.MlflowClient(f"sqlite:///{paths.mlflow_database}")
    run = client.get_run(read_json(paths.registration)["versions"]["full"]["run_id"])
    evidence = {Path(file.path).name for file in client.list_artifacts(run.info.run_id, "evidence")}
    assert evidence >= {"evidence.json", "metrics.json", "report.json"}
    assert run.data.metrics["agreement_with_parent"] == 1.0
    assert 0 < run.data.metrics["seconds_to_compress"] < 600
    select.run(params_of(paths), paths)
    assert read_json(paths.selection)["chosen"] == "ruined", "without a limit on the loss the smallest is taken"
    capsys.readouterr()
    register.run(params_of(paths), paths)
    registration = read_json(paths.registration)
    assert not registration["gate"]["passed"]
    assert registration["champion_version"] == champion
    rules = {rule["rule"]: rule for rule in registration["gate"]["rules"]}
    assert not rules["min_quality"]["passed"]
    assert not rules["non_inferior"]["passed"]
    assert rules["min_quality"]["observed"] == pytest.approx(score(paths, "ruined", "test"))
    said = capsys.readouterr().out
    assert f"{score(paths, 'ruined', 'test'):.3f}" in said
