from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from tests.tiny_model import HYPER, SETTINGS, outspoken, tiny_transformer, write_tokens
from textmill.compression import prune as module
from textmill.compression.prune import importance, most_important, prune
from textmill.compression.recovery import Recovery
from textmill.models.bert_layers import num_heads
from textmill.training.dataset import TrainingData


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens"), num_train=48, num_validation=16))


def test_importance_is_the_gradient_of_a_gate(data):
    """|d loss / d gate| of each document with a gate of one before the unit, by autograd (Michel et al., eq. 2)."""
    model = outspoken(tiny_transformer())
    heads, units = importance(model, data, batch_size=7, seed=1)
    for layer, of_heads, of_units in zip(model.layers, heads, units, strict=True):
        for dense, scores in ((layer.attention.output.dense, of_heads), (layer.output.dense, of_units)):
            gate = torch.ones(len(scores), requires_grad=True)
            hook = dense.register_forward_pre_hook(
                lambda _, inputs, gate=gate: (inputs[0] * gate.repeat_interleave(inputs[0].shape[-1] // len(gate)),)
            )
            expected = torch.zeros(len(scores))
            for i in range(len(data.train)):
                ids = torch.tensor(data.train[i][0].astype("int64"))[None]
                loss = F.cross_entropy(model(ids, torch.ones_like(ids)), torch.tensor([data.train.labels[i]]))
                expected += torch.autograd.grad(loss, gate)[0].abs()
            hook.remove()
            torch.testing.assert_close(scores, expected, rtol=1e-3, atol=1e-4)


def test_the_best_share_is_kept_and_no_layer_is_emptied():
    scores = [torch.tensor([1.0, 9.0, 8.0, 7.0]), torch.tensor([1e-9, 3e-9])]
    assert most_important([scores[0], torch.zeros(2)], 0.5) == [[1, 2], [0]]
    assert [len(kept) for kept in most_important(scores, 0.01)] == [1, 1]
    assert most_important(scores, 1.0) == [[0, 1, 2, 3], [0, 1]]
    equal = [torch.ones(4), torch.ones(4)]
    assert sum(len(kept) for kept in most_important(equal, 0.5)) == 4, "ties do not keep more than the share"


def test_shares_leave_the_network(data, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fit", lambda *_, **__: None)
    model = tiny_transformer()
    recovery = Recovery(data, SETTINGS, HYPER, tmp_path)
    prune(model, recovery, heads=0.5, feed_forward=0.75, epochs=1, learning_rate=1e-3)
    assert sum(num_heads(layer) for layer in model.layers) == 4
    assert sum(layer.intermediate.dense.out_features for layer in model.layers) == 32


def test_recovery_training_keeps_the_best_epoch(data, tmp_path):
    model = tiny_transformer()
    recovery = Recovery(data, replace(SETTINGS, epochs=99), HYPER, tmp_path)
    prune(model, recovery, heads=0.5, feed_forward=0.5, epochs=2, learning_rate=1e-3)
    state = torch.load(tmp_path / "prune/last.ckpt", weights_only=True)
    assert state["epoch"] == 1, "two epochs, as the step says"
    assert not model.training
