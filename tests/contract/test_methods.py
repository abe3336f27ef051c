"""Every method on every family, by the step of tests/tiny_steps.py: a smaller or other model with its evidence."""

import numpy as np
import pytest

from tests.tiny_model import BLOCKS, HYPER, SETTINGS, outspoken, tiny_encoder, tiny_model, write_tokens
from tests.tiny_steps import NOT_SMALLER, STEPS, step_of, written_step
from tests.tiny_texts import write_texts
from textmill.artifacts import read_json
from textmill.bundle import read_manifest
from textmill.compression.recipes import ONNX_METHODS, TORCH_METHODS, run_recipe, why_not
from textmill.compression.recovery import Recovery
from textmill.models.folder import load_model, save_model
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData

KINDS = [*BLOCKS, "gpt2"]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), num_train=24, num_validation=16)


@pytest.fixture(scope="module", params=KINDS)
def parents(request, tokens, tmp_path_factory):
    """A kind of model, and the folder of `trained` and `full` of it."""
    kind, folder = request.param, tmp_path_factory.mktemp(request.param)
    model = tiny_model(kind, tokens) if kind in BLOCKS else tiny_encoder(kind)
    save_model(folder / "trained/torch", outspoken(model), {"hyperparameters": vars(HYPER), "max_length": 32})
    run_recipe([], folder / "trained", folder / "full", recovery(tokens, folder), {"key": "full"})
    return kind, folder


def recovery(tokens, folder):
    splits = write_texts(tokens, folder)
    return Recovery(TrainingData.open(tokens), SETTINGS, HYPER, folder / "checkpoints", splits=splits)


def test_every_method_has_a_step_here():
    assert set(STEPS) == {*TORCH_METHODS, *ONNX_METHODS}, "tests/tiny_steps.py has one step of each method"


@pytest.mark.parametrize("method", [*TORCH_METHODS, *ONNX_METHODS])
def test_a_method_alone(parents, tokens, method, tmp_path):
    kind, folder = parents
    if method == "engine":
        pytest.importorskip("openvino")
    written = written_step(method, kind)
    step, target = step_of(written), tmp_path / "variant"
    assert why_not([step], folder / "full") is None
    run_recipe([step], folder / "full", target, recovery(tokens, tmp_path), {"key": "variant"})
    manifest, told = read_manifest(target / "bundle"), read_json(target / "evidence.json")
    assert manifest["parent"] == told["parent"] == "full"
    assert manifest["recipe"] == [{"method": method, **step.settings}]
    assert (target / "torch").exists() == (method in TORCH_METHODS)
    assert [made["method"] for made in told["steps"]] == [method]
    assert told["agreement"]["num_documents"] == told["parity"]["num_documents"] == 16
    assert told["parity"]["max_difference"] < (1e-3 if method in TORCH_METHODS or method == "engine" else 1.0)
    assert method in NOT_SMALLER or sum(told["bytes"].values()) < sum(full_bytes(folder).values())
    classifier = Classifier.load(target / "bundle")
    probabilities_NC = classifier.predict_proba(["w10 w12", "w11 w44 w45 w46", ""])
    np.testing.assert_allclose(probabilities_NC.sum(axis=1), 1, atol=1e-5)
    if method in TORCH_METHODS:
        model, description = load_model(target / "torch")
        assert (model.family, description["parent"]) == (manifest["family"], "full")


def full_bytes(folder):
    return read_json(folder / "full/evidence.json")["bytes"]
