"""Every entry of the plug-in tables keeps its part of the bargain; a new entry is covered without a change here."""

import importlib
import typing
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from tests.tiny_model import BLOCKS, HYPER, SETTINGS, outspoken, tiny_model, write_tokens
from textmill.artifacts import size_mb
from textmill.compression.export import export_onnx
from textmill.compression.recipes import ONNX_METHODS, TORCH_METHODS, Step, run_recipe, why_not
from textmill.compression.recovery import Recovery
from textmill.config import compression, models
from textmill.data.tokens import TokenArrays
from textmill.models.folder import FAMILIES, family, load_model, save_model
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(params=FAMILIES)
def name(request):
    return request.param


@pytest.fixture
def model(name, tokens):
    return outspoken(tiny_model(name, tokens, num_labels=3))


@pytest.fixture(scope="module")
def batch():
    """Ragged documents, from one token on; what stands on padding is not 0."""
    ids_WT = torch.randint(1, 50, (6, 11), generator=torch.Generator().manual_seed(1))
    return ids_WT, (torch.arange(11) < torch.tensor([11, 8, 5, 3, 2, 1])[:, None]).long()


def test_a_family_has_a_block_in_params(name, tokens):
    assert name in models.Model.model_fields
    assert family(name).family == name
    block = models.Model.model_fields[name].annotation
    assert block(**BLOCKS[name]), "the tiny model is of a block that params.yaml allows"


def test_each_document_is_computed_as_if_it_were_alone(model, batch):
    ids_WT, mask_WT = batch
    together = model(ids_WT, mask_WT)
    assert together.shape == (6, 3)
    alone = [model(ids_WT[i : i + 1, :n], mask_WT[i : i + 1, :n]) for i, n in enumerate(mask_WT.sum(1))]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)
    assert together.std(0).min() > 1e-3, "the answer depends on the document"


def test_what_stands_on_padding_is_not_seen(model, batch):
    ids_WT, mask_WT = batch
    torch.testing.assert_close(model(ids_WT * mask_WT, mask_WT), model(ids_WT, mask_WT))


def test_a_document_without_tokens_has_an_answer(model, batch):
    """Some tokenizers, such as GPT-2's, put no special tokens around an empty text."""
    ids, mask = batch
    mask = mask.clone()
    mask[1] = 0
    with torch.no_grad():
        assert model(ids, mask).isfinite().all()


def test_a_saved_model_answers_the_same(model, batch, tmp_path):
    save_model(tmp_path / "torch", model, {"labels": ["a", "b", "c"]})
    loaded, description = load_model(tmp_path / "torch")
    assert (description["family"], description["labels"]) == (model.family, ["a", "b", "c"])
    assert loaded.architecture() == model.architecture()
    assert torch.equal(loaded(*batch), model(*batch))


def test_depth_groups_hold_every_parameter_once_from_the_embeddings_to_the_head(model):
    groups = model.depth_groups()
    listed = [id(parameter) for group in groups for parameter in group]
    assert sorted(listed) == sorted(id(parameter) for parameter in model.parameters())
    assert all(groups)
    assert len(groups[0][0]) == 50
    assert {id(parameter) for parameter in groups[-1]} == {id(parameter) for parameter in model.head.parameters()}


def test_dropout_acts_in_training_only(model, batch):
    expected = model(*batch)
    model.set_dropout(0.5)
    assert torch.equal(model(*batch), expected)
    model.train()
    assert not torch.allclose(model(*batch), model(*batch))
    model.set_dropout(0.0)
    torch.testing.assert_close(model(*batch), expected)


def test_the_gradient_reaches_every_weight(model, batch):
    model.train()(*batch).square().sum().backward()
    untouched = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not [key for key in untouched if "token_type" not in key]


def test_it_learns(name, tokens):
    data, model = TrainingData.open(tokens), tiny_model(name, tokens)
    fitted = fit(model, data, replace(SETTINGS, epochs=12, patience=12), replace(HYPER, learning_rate=1e-2))
    assert fitted.score > 0.85


def test_embeddings_of_pretrained_weights_are_taken(name, tokens, tmp_path):
    if "embeddings" not in BLOCKS[name]:
        pytest.skip("it takes the whole of the weights")
    encoder = tiny_model("transformer", tokens).encoder
    encoder.save_pretrained(tmp_path)
    given = encoder.get_input_embeddings().weight
    settings = {**BLOCKS[name], "embeddings": "pretrained"}
    for weights, pretrained in ((tmp_path, None), (tokens, tmp_path)):
        model = family(name).build(settings, tokens=tokens, weights=weights, pretrained=pretrained, num_labels=2)
        assert torch.equal(model.embeddings.weight, given)
        assert model.embeddings.weight.requires_grad


def test_the_graph_takes_any_batch_and_length(model, tokens, tmp_path):
    difference = export_onnx(model, tmp_path / "model.onnx", TokenArrays.open(tokens, "validation"), 0)
    assert difference < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    generator = np.random.default_rng(0)
    for documents, length in ((1, 1), (1, 30), (7, 2), (40, 25)):
        ids_WT = generator.integers(1, 50, (documents, length))
        mask_WT = (np.arange(length) < generator.integers(1, length + 1, documents)[:, None]).astype(np.int64)
        mask_WT[1:2] = 0  # a document without tokens
        answer = session.run(None, {"input_ids": ids_WT, "attention_mask": mask_WT})[0]
        with torch.no_grad():
            expected = model(torch.from_numpy(ids_WT), torch.from_numpy(mask_WT)).numpy()
        np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_its_bundle_answers_texts_and_shrinks_to_int8(name, tokens, tmp_path):
    model = outspoken(tiny_model(name, tokens))
    save_model(tmp_path / "trained/torch", model, {})
    recovery = Recovery(TrainingData.open(tokens), SETTINGS, HYPER, tmp_path / "checkpoints")
    quantize = Step("quantize", {"per_channel": True})
    for target, parent, steps in (("full", "trained", []), ("int8", "full", [quantize])):
        assert why_not(steps, tmp_path / parent) is None
        run_recipe(steps, tmp_path / parent, tmp_path / target, recovery, {"key": target})
    ids_WT = torch.tensor([[2, 10, 12, 13]])
    full, int8 = (Classifier.load(tmp_path / target / "bundle") for target in ("full", "int8"))
    expected = model(ids_WT, torch.ones_like(ids_WT)).detach().numpy()
    np.testing.assert_allclose(full.predict_logits(["w10 w12 w13"]), expected, atol=1e-4)
    np.testing.assert_allclose(int8.predict_logits(["w10 w12 w13"]), expected, atol=0.2 * np.abs(expected).max() + 0.1)
    assert size_mb(tmp_path / "int8/bundle/model.onnx") < size_mb(tmp_path / "full/bundle/model.onnx")


@pytest.mark.parametrize("method", TORCH_METHODS.values())
def test_a_method_on_pytorch_says_what_it_does_not_apply_to(method, model):
    module, _, name = method.partition(":")
    assert name in vars(importlib.import_module(module))
    assert importlib.import_module(module).unfit(model, {}) in (None, name)


def test_every_step_of_the_schema_has_a_method_and_the_other_way_round():
    union, _ = typing.get_args(compression.Step)
    in_schema = {typing.get_args(step.model_fields["method"].annotation)[0] for step in typing.get_args(union)}
    assert in_schema == set(TORCH_METHODS) | set(ONNX_METHODS)
    assert not set(TORCH_METHODS) & set(ONNX_METHODS)
    assert set(compression.ON_ONNX) == set(ONNX_METHODS)
