"""Recipes that do not apply are skipped with their reason, and so is what starts from them."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.tiny_bundle import tiny_bundle
from tests.tiny_model import tiny_encoder, tiny_model, tiny_transformer, write_tokens
from textmill.bundle import read_manifest
from textmill.compression.recipes import Step, why_not
from textmill.compression.sealing import adopt_bundle
from textmill.compression.skipping import write_skipped
from textmill.models.bert_layers import keep_feed_forward, keep_heads
from textmill.models.ensemble import Ensemble
from textmill.models.folder import save_model
from textmill.runtime import Classifier

TO_LAYERS = {"student": {"family": "transformer", "num_layers": 1}}
PRUNE, DISTILL, QUANTIZE = Step("prune", {"heads": 0.5}), Step("distill", TO_LAYERS), Step("quantize", {})


@pytest.fixture
def trained(tmp_path):
    def save(model):
        save_model(tmp_path / "trained/torch", model, {})
        return tmp_path / "trained"

    return save


def test_bert_like_layers_take_everything(trained):
    model = tiny_transformer()
    parent = trained(model)
    assert why_not([PRUNE, DISTILL, QUANTIZE], parent) is None
    keep_heads(model.layers[0], [1])
    keep_feed_forward(model.layers[0], range(8))
    assert why_not([PRUNE, DISTILL, QUANTIZE], trained(model)) is None
    assert why_not([], parent) is None


@pytest.mark.parametrize("name", ["lstm", "text_cnn", "bag_of_embeddings"])
def test_small_families_are_not_cut(trained, tmp_path, name):
    parent = trained(tiny_model(name, write_tokens(tmp_path / "tokens", 8, 8)))
    assert why_not([QUANTIZE], parent) is None
    assert why_not([PRUNE, QUANTIZE], parent) == f"prune of heads does not apply to {name}"
    assert why_not([PRUNE, DISTILL], parent) == f"prune of heads and distill to a transformer do not apply to {name}"
    bag = {"student": {"family": "bag_of_embeddings", "embeddings": "teacher"}}
    assert why_not([Step("distill", bag), QUANTIZE], parent) is None


def test_the_kind_of_transformer_is_told(trained):
    reason = why_not([DISTILL], trained(tiny_encoder("albert")))
    assert reason == "distill to a transformer does not apply to transformer of model_type albert"


def test_an_ensemble_has_one_student_and_is_not_pruned(trained):
    parent = trained(Ensemble([tiny_transformer(), tiny_transformer()]))
    assert why_not([DISTILL, QUANTIZE], parent) is None
    assert why_not([PRUNE], parent) == "prune does not apply to an ensemble of transformers"


def test_no_weights_are_read_to_know_what_a_model_is(trained):
    for model in (tiny_encoder("gpt2"), Ensemble([tiny_transformer(), tiny_transformer()])):
        parent = trained(model)
        before = {step.method: why_not([step], parent) for step in (PRUNE, DISTILL, QUANTIZE)}
        (parent / "torch/model.safetensors").unlink()
        assert {step.method: why_not([step], parent) for step in (PRUNE, DISTILL, QUANTIZE)} == before


def test_children_of_a_skipped_recipe_are_skipped(tmp_path):
    write_skipped(tmp_path / "pruned", "prune does not apply to lstm")
    assert [path.name for path in (tmp_path / "pruned").iterdir()] == ["skipped.json"]
    assert json.loads((tmp_path / "pruned/skipped.json").read_text()) == {"reason": "prune does not apply to lstm"}
    expected = "it starts from pruned, which was skipped: prune does not apply to lstm"
    for steps in ([], [QUANTIZE], [DISTILL]):
        assert why_not(steps, tmp_path / "pruned") == expected


def test_the_baselines_bundle_goes_on_as_it_is(tmp_path):
    documents = pd.DataFrame({"text": ["good film", "bad film"] * 4, "label": ["yes", "no"] * 4})
    given = tiny_bundle(tmp_path / "trained/bundle", documents)
    assert why_not([], tmp_path / "trained") is None
    assert "model.family baseline has none" in why_not([QUANTIZE], tmp_path / "trained")
    assert why_not([PRUNE, QUANTIZE], tmp_path / "trained").startswith("prune and quantize need a network")
    adopt_bundle(tmp_path / "trained", tmp_path / "full", {"key": "own"})
    before, after = read_manifest(given), read_manifest(tmp_path / "full/bundle")
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed == {"parent", "lineage", "evidence"}, "the first evidence is of the copy"
    assert (after["parent"], after["recipe"], after["lineage"]) == ("trained", [], {"key": "own"})
    texts = ["a good film", "a bad one"]
    logits = [Classifier.load(folder).predict_logits(texts) for folder in (given, tmp_path / "full/bundle")]
    np.testing.assert_array_equal(*logits)
    assert why_not([QUANTIZE], tmp_path / "full") is not None
