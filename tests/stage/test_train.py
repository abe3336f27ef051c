"""Stages tune and train, on documents that a bag of embeddings learns in seconds, with a real MLflow store."""

import shutil

import mlflow
import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from pipeline import compress, train, tune
from tests.stage.stages import REPOSITORY
from tests.task_documents import documents_of
from tests.tiny_model import META, tiny_tokenizer, write_tokens
from tests.tiny_run import migrated_database
from textmill.artifacts import DOCUMENTS, read_json, write_json, write_table
from textmill.bundle import read_manifest
from textmill.config import load_params
from textmill.config.searched import UnusableValues
from textmill.data.tokens import Encoded, TokenArrays, write_split
from textmill.models.folder import load_model
from textmill.paths import Paths
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData
from textmill.training.failures import DivergedTraining

DEFAULTS = {"learning_rate": 0.05, "weight_decay": 0.01, "warmup_fraction": 0.1, "dropout": 0.0}


def prepare(root, family, tune=None, **changes):
    """Everything that the stages read; `changes` are keys of training and train, `tune` those of tune."""
    root.mkdir(exist_ok=True)
    paths = Paths(root, root)
    yaml = YAML(typ="safe")
    values = yaml.load(REPOSITORY / "params.yaml")
    values["project"], values["model"]["family"] = "tiny", family
    values["model"]["bag_of_embeddings"] = {"embeddings": "own", "embedding_size": 16}
    values["training"]["precision"] = "32-true"
    values["train"] |= {"epochs": 2}
    values["tokenize"]["max_length"] = META["max_length"]
    values["tune"] |= tune or {}
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


FOUND = {
    **DEFAULTS,
    "training.batch_size": 8,
    "training.loss.label_smoothing": 0.1,
    "training.gradient_clip": 1,  # as params.yaml has it
    "tokenize.max_length": 12,
    "model.bag_of_embeddings.embedding_size": 24,
}
OVERRIDES = [
    {"key": "training.batch_size", "used": 8, "written": 32},
    {"key": "training.loss.label_smoothing", "used": 0.1, "written": 0.0},
    {"key": "tokenize.max_length", "used": 12, "written": 32},
    {"key": "model.bag_of_embeddings.embedding_size", "used": 24, "written": 16},
]


def test_found_values_take_the_place_of_those_in_params(tmp_path, capsys):
    """The same weights as from a params.yaml that has them, and each of them told."""
    params, paths = prepare(tmp_path / "found", "bag_of_embeddings", epochs=1, num_seeds=2, ensemble=True)
    write_json(paths.best, FOUND)
    train.run(params, paths)
    printed = capsys.readouterr().out
    assert "train: training.batch_size 8 instead of 32 (tune)\n" in printed
    assert "train: tokenize.max_length 12 instead of 32 (tune)\n" in printed
    assert printed.count("(tune)") == 4
    assert read_json(paths.model("trained") / "overrides.json") == OVERRIDES
    described = read_json(paths.model("trained") / "torch/model.json")
    assert (described["hyperparameters"], described["max_length"]) == (FOUND, 12)
    lengths = TokenArrays.open(paths.tokens, "train").lengths
    assert described["truncated_share"] == (lengths > 12).mean() > 0.3
    (run,) = runs()
    assert run.data.params["batch_size"] == run.data.params["training.batch_size"] == "8"
    assert run.data.params["tokenize.max_length"] == "12"
    assert run.data.params["overrides"] == ", ".join(change["key"] for change in OVERRIDES)
    assert described["lineage"]["params"]["training"]["batch_size"] == 32
    assert any("best.json" in name for name in described["lineage"]["inputs"])

    loss = {"class_weights": "none", "label_smoothing": 0.1, "focal_gamma": 0.0}
    params, paths = prepare(
        tmp_path / "written", "bag_of_embeddings", epochs=1, num_seeds=2, ensemble=True, batch_size=8, loss=loss
    )
    block = params.model.bag_of_embeddings.model_copy(update={"embedding_size": 24})
    params = params.model_copy(update={"model": params.model.model_copy(update={"bag_of_embeddings": block})})
    short = TrainingData.open(paths.tokens).truncate(12)
    for split in ("train", "validation"):
        arrays = getattr(short, split)
        write_split(paths.tokens, split, [(Encoded(arrays.ids, arrays.window_lengths), arrays.labels)], 50)
    write_json(paths.tokens / "tokens.json", {**META, "max_length": 12})
    write_json(paths.best, DEFAULTS)
    train.run(params, paths)
    assert "(tune)" not in capsys.readouterr().out
    assert read_json(paths.model("trained") / "overrides.json") == []
    weights = [
        (tmp_path / name / "models/trained/torch/model.safetensors").read_bytes() for name in ("found", "written")
    ]
    assert weights[0] == weights[1]


def test_values_that_params_do_not_allow_are_told_before_training(tmp_path):
    params, paths = prepare(tmp_path, "bag_of_embeddings")
    write_json(paths.best, {**DEFAULTS, "training.batch_size": 0})
    with pytest.raises(UnusableValues, match=r"training\.batch_size: 0 is not allowed"):
        train.run(params, paths)
    assert not paths.model("trained").exists()


def test_a_shorter_length_that_was_found_is_that_of_the_bundle(tmp_path):
    """From the search to what is served: texts are cut where the model's training cut them."""
    params, paths = prepare(
        tmp_path,
        "bag_of_embeddings",
        tune={"num_trials": 2, "fixed": {"tokenize": {"max_length": 8}, "learning_rate": 0.05}, "train_fraction": 1.0},
    )
    tune.run(params, paths)
    assert read_json(paths.best)["tokenize.max_length"] == 8
    train.run(params, paths)
    compress.run(params, paths, "full")
    assert read_manifest(paths.bundle("full"))["max_length"] == 8
    assert read_json(paths.model("full") / "torch/model.json")["max_length"] == 8
    model, _ = load_model(paths.model("trained") / "torch")
    texts = [" ".join(f"w{number}" for number in range(start, start + 20)) for start in (5, 10, 25)]
    ids = torch.tensor([tiny_tokenizer().encode(text).ids[:8] for text in texts])
    with torch.inference_mode():
        expected = model(ids, torch.ones_like(ids)).numpy()
    classifier = Classifier.load(paths.bundle("full"))
    np.testing.assert_allclose(classifier.predict_logits(texts), expected, atol=1e-5)
    assert np.abs(classifier.predict_logits([text[: len(text) // 4] for text in texts]) - expected).max() > 1e-3
