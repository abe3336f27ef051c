"""The families that are no transformers, each against its formula."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from tests.tiny_model import outspoken, tiny_model, write_tokens

IDS = [2, 11, 40, 17, 9]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), 8, 8)


def answer(model, ids):
    ids_WT = torch.tensor([ids])
    with torch.no_grad():
        return model(ids_WT, torch.ones_like(ids_WT))[0].numpy()


def weights(model):
    return {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}


def through_head(of, pooled):
    return of["head.weight"] @ pooled + of["head.bias"]


def test_a_bag_is_the_mean_embedding(tokens):
    model = outspoken(tiny_model("bag_of_embeddings", tokens))
    of = weights(model)
    expected = through_head(of, of["embeddings.weight"][IDS].mean(0))
    np.testing.assert_allclose(answer(model, IDS), expected, rtol=1e-5)
    np.testing.assert_allclose(answer(model, IDS[::-1]), expected, rtol=1e-5)


@pytest.mark.parametrize("ids", [IDS, IDS[:2]], ids=["long", "shorter than a filter"])
def test_a_cnn_takes_the_largest_answer_of_each_filter(tokens, ids):
    model = outspoken(tiny_model("text_cnn", tokens, widths=[2, 3]))
    of = weights(model)
    embedded = np.concatenate([of["embeddings.weight"][ids], np.zeros((2, 24), np.float32)])
    pooled = []
    for number, width in enumerate((2, 3)):
        filters, bias = of[f"convolutions.{number}.weight"], of[f"convolutions.{number}.bias"]
        places = [np.einsum("td,fdt->f", embedded[i : i + width], filters) + bias for i in range(len(ids))]
        pooled.append(np.maximum(places, 0).max(0))
    np.testing.assert_allclose(answer(model, ids), through_head(of, np.concatenate(pooled)), rtol=1e-4, atol=1e-5)


def lstm_states(embedded, w, r, b):
    """Hochreiter and Schmidhuber's equations with forget gates; PyTorch's order of gates."""
    hidden = cell = np.zeros(r.shape[1])
    states = []
    for x in embedded:
        i, f, g, o = np.split(w @ x + r @ hidden + b, 4)
        cell = expit(f) * cell + expit(i) * np.tanh(g)
        hidden = expit(o) * np.tanh(cell)
        states.append(hidden)
    return np.array(states)


def test_an_lstm_reads_in_both_directions(tokens):
    model = outspoken(tiny_model("lstm", tokens, num_layers=1))
    of = weights(model)
    embedded = of["embeddings.weight"][IDS]
    directions = []
    for name, order in (("", 1), ("_reverse", -1)):
        kinds = [of[f"lstm.{kind}_l0{name}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        directions.append(lstm_states(embedded[::order], kinds[0], kinds[1], kinds[2] + kinds[3])[::order])
    pooled = np.concatenate(directions, axis=1).max(0)
    np.testing.assert_allclose(answer(model, IDS), through_head(of, pooled), rtol=1e-4, atol=1e-5)


def test_weights_begin_as_said(tokens):
    """Xavier, He for convolutions under ReLU, and forget gates that are open."""
    lstm = tiny_model("lstm", tokens)
    assert torch.equal(lstm.lstm.bias_ih_l1.chunk(4)[1], torch.ones(16))
    assert lstm.lstm.bias_hh_l0_reverse.abs().sum() == 0
    assert lstm.lstm.bias_ih_l0.sum() == 16
    cnn = tiny_model("text_cnn", tokens)
    limits = {
        lstm.embeddings.weight: (6 / (50 + 24)) ** 0.5,
        lstm.lstm.weight_hh_l0: (6 / (16 + 16)) ** 0.5,  # of one gate
        lstm.head.weight: (6 / (32 + 2)) ** 0.5,
        cnn.convolutions[0].weight: (6 / (24 * 2)) ** 0.5,
    }
    for weight, limit in limits.items():
        assert 0.9 * limit < weight.abs().max() <= limit
        assert abs(weight.mean()) < 0.2 * limit


def test_a_single_layer_has_no_dropout_between_layers(tokens):
    """PyTorch warns of it."""
    for num_layers, expected in ((1, 0.0), (3, 0.4)):
        model = tiny_model("lstm", tokens, num_layers=num_layers)
        model.set_dropout(0.4)
        assert (model.lstm.dropout, model.dropout.p) == (expected, 0.4)
        assert len(model.depth_groups()) == num_layers + 2
