"""Zeros where weights were smallest, as many as asked for, that training does not fill again."""

from dataclasses import replace

import pytest
import torch

from tests.tiny_model import HYPER, SETTINGS, outspoken, tiny_encoder, tiny_model, tiny_transformer, write_tokens
from textmill.compression.recovery import Recovery
from textmill.compression.sparsify import clear_smallest, clear_smallest_of_each, sparsify
from textmill.training.dataset import TrainingData

QUICK = {"epochs": 2, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), num_train=24, num_validation=8)


@pytest.fixture
def recovery(tokens, tmp_path):
    return Recovery(TrainingData.open(tokens), SETTINGS, HYPER, tmp_path / "checkpoints")


def zeros(model):
    return {name: float((p == 0).float().mean()) for name, p in model.named_parameters() if p.ndim > 1}


def test_the_smallest_become_zero():
    weight = torch.tensor([[3.0, -1.0], [0.5, -4.0]])
    clear_smallest(weight, 0.5)
    assert weight.tolist() == [[3.0, 0.0], [0.0, -4.0]]
    clear_smallest(weight, 0.25)
    assert weight.tolist() == [[3.0, 0.0], [0.0, -4.0]], "zeros are the smallest"


def test_of_each_group_of_inputs_the_smallest_become_zero():
    weight = torch.tensor([[1.0, 2.0, -3.0, 4.0, 0.1, 0.4, 0.2, -0.3]])
    clear_smallest_of_each(weight, 2, 4)
    assert weight.tolist() == [[0.0, 0.0, -3.0, 4.0, 0.0, pytest.approx(0.4), 0.0, pytest.approx(-0.3)]]
    odd = torch.ones(2, 6)
    clear_smallest_of_each(odd, 2, 4)
    assert odd.all(), "rows of six are no groups of four"


@pytest.mark.parametrize("name", ["transformer", "lstm", "text_cnn", "bag_of_embeddings"])
def test_zeros_stay_through_training(recovery, tokens, name):
    model = outspoken(tiny_model(name, tokens))
    before = {key: p.clone() for key, p in model.named_parameters()}
    draft = sparsify(model, recovery, zeros=0.75, **QUICK)
    for key, share in zeros(draft.model).items():
        assert share == pytest.approx(0.75, abs=0.04), key
    assert draft.notes["zeros_share"] == pytest.approx(0.75, abs=0.01)
    assert draft.notes["packed_mb"]["after"] < 0.5 * draft.notes["packed_mb"]["before"]
    moved = [key for key, p in draft.model.named_parameters() if not torch.equal(p[p != 0], before[key][p != 0])]
    assert moved, "the others learn"


def test_averaged_weights_have_the_zeros_too(recovery):
    averaged = replace(recovery, settings=replace(SETTINGS, averaging="ema", ema_decay=0.9))
    draft = sparsify(tiny_transformer(), averaged, zeros=0.5, **QUICK)
    assert draft.notes["zeros_share"] == pytest.approx(0.5, abs=0.01)


def test_two_of_four(recovery):
    draft = sparsify(outspoken(tiny_encoder("gpt2")), recovery, pattern="2:4", rounds=2, **QUICK)
    for name, module in draft.model.named_modules():
        for weight in (p for p in module.parameters(recurse=False) if p.ndim > 1):
            rows = weight.t() if type(module).__name__ == "Conv1D" else weight
            assert ((rows.unflatten(1, (-1, 4)) == 0).sum(-1) >= 2).all(), name
    assert draft.notes["left_dense"] == []


def test_rounds_follow_the_cubic_schedule(recovery, monkeypatch):
    seen, real = [], Recovery.train

    def train(recovery, model, *given, **named):
        seen.append(zeros(model))
        return real(recovery, model, *given, **named)

    monkeypatch.setattr(Recovery, "train", train)
    sparsify(outspoken(tiny_transformer(num_layers=1)), recovery, zeros=0.8, rounds=4, epochs=1, learning_rate=1e-3)
    shares = [found["encoder.encoder.layer.0.intermediate.dense.weight"] for found in seen]
    assert shares == pytest.approx([0.8 * (1 - (1 - r / 4) ** 3) for r in (1, 2, 3, 4)], abs=1e-3)
