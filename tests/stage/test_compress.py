"""The compress stage on tiny models of each kind: made, skipped with the reason, or taken over from the baseline."""

import shutil

import pandas as pd
import pytest

from pipeline.compress import run
from tests.tiny_bundle import tiny_bundle
from tests.tiny_model import HYPER, META, outspoken, tiny_model, tiny_transformer, write_tokens
from tests.tiny_run import migrated_database, write_params
from textmill.artifacts import read_json, write_json
from textmill.bundle import read_manifest
from textmill.data.tokens import Encoded, write_split
from textmill.models.folder import save_model
from textmill.paths import Paths
from textmill.training.dataset import TrainingData


@pytest.fixture
def paths(tmp_path):
    folder = Paths(tmp_path, tmp_path)
    write_tokens(folder.tokens, num_train=16, num_validation=16)
    shutil.copy(migrated_database(), folder.mlflow_database)
    return folder


def recipes(paths):
    shares = {"heads": 0.5, "feed_forward": 0.5}
    prune = {"method": "prune", "importance": "taylor", **shares, "epochs": 1, "learning_rate": 1e-3}
    quantize = {"method": "quantize", "per_channel": True}
    return write_params(
        paths,
        compress__recipes={
            "full": {"from": "trained", "steps": []},
            "int8": {"from": "full", "steps": [quantize]},
            "pruned": {"from": "full", "steps": [prune]},
            "pruned-int8": {"from": "pruned", "steps": [quantize]},
        },
    )


def test_a_small_family_is_exported_and_quantized_and_the_rest_is_skipped(paths, capsys):
    params = recipes(paths)
    description = {"hyperparameters": vars(HYPER), "max_length": 32, "lineage": {"key": "0" * 64}}
    save_model(paths.model("trained") / "torch", tiny_model("bag_of_embeddings", paths.tokens), description)
    for name in params.compress.recipes:
        run(params, paths, name)
    for name, parent in (("full", "trained"), ("int8", "full")):
        manifest = read_manifest(paths.bundle(name))
        assert (manifest["family"], manifest["parent"]) == ("bag_of_embeddings", parent)
        assert manifest["lineage"]["stage"] == "compress"
    reason = "prune of heads and feed_forward does not apply to bag_of_embeddings"
    assert read_json(paths.model("pruned") / "skipped.json") == {"reason": reason}
    child = read_json(paths.model("pruned-int8") / "skipped.json")["reason"]
    assert child == f"it starts from pruned, which was skipped: {reason}"
    assert f"compress: pruned is skipped: {reason}" in capsys.readouterr().out
    assert not paths.bundle("pruned").exists()


def test_the_baselines_bundle_is_taken_over(paths):
    params = recipes(paths)
    tiny_bundle(paths.bundle("trained"), pd.DataFrame({"text": ["good film", "bad film"] * 4, "label": ["y", "n"] * 4}))
    for name in ("full", "int8"):
        run(params, paths, name)
    given, taken = read_manifest(paths.bundle("trained")), read_manifest(paths.bundle("full"))
    assert taken["files"] == given["files"]
    assert (taken["parent"], taken["recipe"], taken["lineage"]["stage"]) == ("trained", [], "compress")
    reason = read_json(paths.model("int8") / "skipped.json")["reason"]
    assert reason == "quantize needs a network, and model.family baseline has none"


def test_an_engine_follows_a_model_that_has_no_network_left(paths):
    """Of int8 there is only a graph; of the baseline, too, and OpenVINO does not know its operations."""
    ending = {"method": "engine", "name": "openvino", "precision": "float32"}
    params = write_params(
        paths,
        compress__recipes={
            "full": {"from": "trained", "steps": []},
            "int8": {"from": "full", "steps": [{"method": "quantize", "per_channel": True}]},
            "int8-openvino": {"from": "int8", "steps": [ending]},
            "twin": {"from": "int8-openvino", "steps": []},
        },
    )
    description = {"hyperparameters": vars(HYPER), "max_length": 32, "lineage": {"key": "0" * 64}}
    save_model(paths.model("trained") / "torch", tiny_model("bag_of_embeddings", paths.tokens), description)
    for name in params.compress.recipes:
        run(params, paths, name)
    manifest = read_manifest(paths.bundle("int8-openvino"))
    assert (manifest["parent"], manifest["engine"]["name"]) == ("int8", "openvino")
    assert manifest["files"] == read_manifest(paths.bundle("int8"))["files"]
    assert read_manifest(paths.bundle("twin"))["engine"] == manifest["engine"]
    assert read_json(paths.model("int8-openvino") / "evidence.json")["agreement"]["num_documents"] == 16
    shutil.rmtree(paths.model("trained"))
    tiny_bundle(paths.bundle("trained"), pd.DataFrame({"text": ["good film", "bad film"] * 4, "label": ["y", "n"] * 4}))
    for name in ("full", "int8", "int8-openvino"):
        shutil.rmtree(paths.model(name))
        run(params, paths, name)
    reason = read_json(paths.model("int8-openvino") / "skipped.json")["reason"]
    assert reason.startswith("it starts from int8, which was skipped: quantize needs a network")


def test_a_recipe_trains_as_the_model_was_trained(tmp_path):
    """With the length and the keys of `training` that a search found: the same bytes as if params.yaml had them."""
    found = {**vars(HYPER), "training.batch_size": 4, "tokenize.max_length": 8}
    student = {"family": "transformer", "num_layers": 1}
    taught = {"student": student, "temperature": 2.0, "soft_weight": 0.5, "epochs": 1, "learning_rate": 1e-2}
    steps = {"full": {"from": "trained", "steps": []}}
    steps["small"] = {"from": "trained", "steps": [{"method": "distill", **taught}]}
    made = []
    for name, values, batch_size in (("found", found, 32), ("written", vars(HYPER), 4)):
        folder = Paths(tmp_path / name, tmp_path / name)
        write_tokens(folder.tokens, num_train=64, num_validation=16)
        if name == "written":
            shorten(folder.tokens, 8)
        shutil.copy(migrated_database(), folder.mlflow_database)
        params = write_params(folder, compress__recipes=steps, training__batch_size=batch_size)
        description = {"hyperparameters": values, "max_length": 8, "lineage": {"key": "0" * 64}}
        save_model(folder.model("trained") / "torch", outspoken(tiny_transformer()), description)
        run(params, folder, "small")
        manifest = read_manifest(folder.bundle("small"))
        assert manifest["max_length"] == read_json(folder.model("small") / "torch/model.json")["max_length"] == 8
        made.append((manifest["temperature"], (folder.bundle("small") / "model.onnx").read_bytes()))
    assert made[0] == made[1]


def shorten(tokens, max_length):
    short = TrainingData.open(tokens).truncate(max_length)
    for split in ("train", "validation"):
        arrays = getattr(short, split)
        write_split(tokens, split, [(Encoded(arrays.ids, arrays.window_lengths), arrays.labels)], 50)
    write_json(tokens / "tokens.json", {**META, "max_length": max_length})
