import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.tiny_model import HYPER, SETTINGS, outspoken, tiny_model, write_tokens
from textmill.artifacts import read_json
from textmill.bundle import read_manifest
from textmill.compression import engine as module
from textmill.compression.engine import EngineDisagrees, engine
from textmill.compression.recipes import Step, run_recipe
from textmill.compression.recovery import Recovery
from textmill.engines import OnnxRuntime, open_engine
from textmill.models.folder import save_model
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData

FLOAT32 = {"name": "openvino", "precision": "float32"}
BFLOAT16 = {"name": "openvino", "precision": "bfloat16"}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def folder(tokens, tmp_path_factory):
    """Model folders `full` and `int8`, and what is made of them by `make`."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "trained/torch", outspoken(tiny_model("bag_of_embeddings", tokens)), {"hyperparameters": {}})
    make(folder, tokens, "full", "trained")
    make(folder, tokens, "int8", "full", Step("quantize", {"per_channel": True}))
    return folder


def make(folder, tokens, name, parent, *steps):
    recovery = Recovery(TrainingData.open(tokens), SETTINGS, HYPER, folder / "checkpoints")
    run_recipe(steps, folder / parent, folder / name, recovery, {"key": name})
    return folder / name


def validation_logits(bundle, tokens, **arguments):
    validation = TrainingData.open(tokens).validation
    documents = [validation[i] for i in range(len(validation))]
    return Classifier.load(bundle, **arguments).logits_of_ids(documents, batch_size=1)


@pytest.mark.parametrize(("settings", "limit"), [(FLOAT32, 1e-5), (BFLOAT16, 0.1)])
def test_the_graph_stays_and_the_manifest_names_the_engine(folder, tokens, settings, limit):
    made = make(folder, tokens, settings["precision"], "full", Step("engine", settings))
    assert (made / "bundle/model.onnx").read_bytes() == (folder / "full/bundle/model.onnx").read_bytes()
    manifest = read_manifest(made / "bundle")
    assert manifest["engine"] == settings
    assert manifest["recipe"] == [{"method": "engine", **settings}]
    found_NC = validation_logits(made / "bundle", tokens)
    expected_NC = validation_logits(folder / "full/bundle", tokens)
    difference = float(np.abs(found_NC - expected_NC).max())
    (step,) = read_json(made / "evidence.json")["steps"]
    assert step["notes"]["max_difference"] == pytest.approx(difference, rel=0.1, abs=1e-6)
    assert difference < limit
    assert step["notes"]["agreement"] == (found_NC.argmax(1) == expected_NC.argmax(1)).mean()
    assert (step["notes"]["num_documents"], step["notes"]["rounds"]) == (64, False)
    assert not (made / "torch").exists()


def test_it_follows_quantization_in_a_recipe_or_as_a_recipe_of_its_own(folder, tokens):
    quantize, ending = Step("quantize", {"per_channel": True}), Step("engine", FLOAT32)
    both = make(folder, tokens, "both", "full", quantize, ending)
    child = make(folder, tokens, "child", "int8", ending)
    assert (both / "bundle/model.onnx").read_bytes() == (child / "bundle/model.onnx").read_bytes()
    assert read_manifest(child / "bundle")["parent"] == "int8"
    assert [step["notes"].get("rounds") for step in read_json(both / "evidence.json")["steps"]][1:] == [True]
    np.testing.assert_allclose(
        validation_logits(child / "bundle", tokens), validation_logits(folder / "int8/bundle", tokens), atol=0.1
    )


def test_the_same_recipe_gives_the_same_bytes(folder, tokens):
    first, second = (make(folder, tokens, "one", "full", Step("engine", BFLOAT16)) for _ in range(2))
    assert (first / "bundle/bundle.json").read_text() == (second / "bundle/bundle.json").read_text()


def test_a_copy_keeps_the_engine(folder, tokens):
    made = make(folder, tokens, "first", "full", Step("engine", FLOAT32))
    copy = make(folder, tokens, "copy", made.name)
    assert read_manifest(copy / "bundle")["engine"] == FLOAT32


def test_an_engine_with_other_answers_is_refused(folder, tokens, tmp_path, monkeypatch):
    """A stand-in for an engine that computes something else: the graph with other weights."""
    graph = onnx.load(folder / "full/bundle/model.onnx")
    weight = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.01), weight.name))
    onnx.save(graph, tmp_path / "other.onnx")

    def open_other(path, engine, threads):
        return open_engine(tmp_path / "other.onnx" if engine == FLOAT32 else path, {"name": "onnxruntime"}, threads)

    monkeypatch.setattr(module, "open_engine", open_other)
    source = folder / "full/bundle/model.onnx"
    assert isinstance(open_other(source, FLOAT32, 1), OnnxRuntime)
    with pytest.raises(
        EngineDisagrees, match=r"openvino with precision float32 differs .* by 0\.\d+ .*0\.001 is allow"
    ):
        engine(source, tmp_path / "model.onnx", TrainingData.open(tokens), **FLOAT32)
