"""The compress stage on tiny models of each kind: made, skipped with the reason, or taken over from the baseline."""

import shutil

import pandas as pd
import pytest

from pipeline.compress import run
from tests.tiny_bundle import tiny_bundle
from tests.tiny_model import HYPER, tiny_model, write_tokens
from tests.tiny_run import migrated_database, write_params
from textmill.artifacts import read_json
from textmill.bundle import read_manifest
from textmill.models.folder import save_model
from textmill.paths import Paths


@pytest.fixture
def paths(tmp_path):
    folder = Paths(tmp_path, tmp_path)
    write_tokens(folder.tokens, num_train=16, num_validation=16)
    shutil.copy(migrated_database(), folder.mlflow_database)
    return folder


def recipes(paths):
    prune = {"method": "prune", "heads": 0.5, "feed_forward": 0.5, "epochs": 1, "learning_rate": 1e-3}
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
    description = {"hyperparameters": vars(HYPER), "lineage": {"key": "0" * 64}}
    save_model(paths.model("trained") / "torch", tiny_model("bag_of_embeddings", paths.tokens), description)
    for name in params.compress.recipes:
        run(params, paths, name)
    for name, parent in (("full", "trained"), ("int8", "full")):
        manifest = read_manifest(paths.bundle(name))
        assert (manifest["family"], manifest["parent"]) == ("bag_of_embeddings", parent)
        assert manifest["lineage"]["stage"] == "compress"
    reason = "prune does not apply to bag_of_embeddings"
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
