"""Stages tune and train, on documents that a bag of embeddings learns in seconds, with a real MLflow store."""

import shutil

import mlflow
import pytest
from ruamel.yaml import YAML

from pipeline import train, tune
from tests.stage.stages import REPOSITORY
from tests.task_documents import documents_of
from tests.tiny_model import write_tokens
from tests.tiny_run import migrated_database
from textmill.artifacts import DOCUMENTS, read_json, write_json, write_table
from textmill.config import load_params
from textmill.paths import Paths
from textmill.training.failures import DivergedTraining

DEFAULTS = {"learning_rate": 0.05, "weight_decay": 0.01, "warmup_fraction": 0.1, "dropout": 0.0}


def prepare(root, family, **changes):
    """Everything that the stages read; `changes` are keys of training and train."""
    paths = Paths(root, root)
    yaml = YAML(typ="safe")
    values = yaml.load(REPOSITORY / "params.yaml")
    values["project"], values["model"]["family"] = "tiny", family
    values["model"]["bag_of_embeddings"] = {"embeddings": "own", "embedding_size": 16}
    values["training"]["precision"] = "32-true"
    values["train"] |= {"epochs": 2}
    for key, value in changes.items():
        values["train" if key in values["train"] else "training"][key] = value
    yaml.dump(values, paths.params)
    write_tokens(paths.tokens)
    documents = documents_of("single_label")
    write_table(paths.split("train"), documents[:300], DOCUMENTS)
    write_table(paths.split("validation"), documents[300:400], DOCUMENTS)
    write_json(paths.pretrained / "pretrained.json", {"objective": "none"})
    if not paths.mlflow_database.exists():
        shutil.copy(migrated_database(), paths.mlflow_database)
    return load_params(paths.params), paths


def runs():
    return mlflow.search_runs(search_all_experiments=True, output_format="list")


def test_several_seeds_are_one_run_also_when_trained_again(tmp_path):
    params, paths = prepare(tmp_path, "bag_of_embeddings", num_seeds=2)
    write_json(paths.best, DEFAULTS)
    told = []
    for _ in range(2):
        train.run(params, paths)
        told.append(read_json(paths.model("trained") / "seeds.json"))
    assert told[0] == told[1]
    assert [seed["seed"] for seed in told[0]["seeds"]] == [params.seed, params.seed + 1]
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.metrics["seeds_mean"] == told[0]["mean"]
    assert run.data.metrics[f"seed-{params.seed + 1}-validation_score"] <= told[0]["seeds"][1]["score"]
    assert run.data.params["learning_rate"] == "0.05"
    assert not list((tmp_path / ".textmill/checkpoints").iterdir()), "nothing is left behind"


def test_a_training_that_fails_does_not_leave_its_run_running(tmp_path):
    params, paths = prepare(tmp_path, "bag_of_embeddings")
    write_json(paths.best, {**DEFAULTS, "learning_rate": 1e38, "warmup_fraction": 0.0})
    with pytest.raises(DivergedTraining):
        train.run(params, paths)
    assert [run.info.status for run in runs()] == ["FAILED"]
    assert not paths.model("trained").exists()


def test_the_baseline_does_not_mind_how_networks_are_trained(tmp_path, capsys):
    for batch_size in (32, 8):  # dvc reruns the stage, and the model's run in MLflow is found again
        params, paths = prepare(tmp_path, "baseline", batch_size=batch_size)
        tune.run(params, paths)
        train.run(params, paths)
    assert read_json(paths.best) == {}
    assert "tune: 0 trials, no search, the defaults" in capsys.readouterr().out
    (run,) = [run for run in runs() if run.data.tags["textmill.model"] == "trained"]
    assert run.info.status == "FINISHED"
    assert "batch_size" not in run.data.params
    assert (paths.model("trained") / "bundle/model.onnx").exists()
