import pytest
import torch
import torch.nn.functional as F

from tests.tiny_model import outspoken, tiny_encoder, tiny_model, tiny_transformer, write_tokens
from textmill.compression.pruning.importance import measure
from textmill.models.encoder_parts import find_blocks
from textmill.training.dataset import TrainingData


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), num_train=24, num_validation=8)


@pytest.fixture(scope="module")
def data(tokens):
    return TrainingData.open(tokens)


def gated(model, data, gate, hooks):
    """Sums over documents of |d loss / d gate| by autograd; the hooks put the gate in its place."""
    expected = torch.zeros(len(gate))
    for i in range(len(data.train)):
        ids = torch.tensor(data.train[i][0].astype("int64"))[None]
        loss = F.cross_entropy(model(ids, torch.ones_like(ids)), torch.tensor([data.train.labels[i]]))
        expected += torch.autograd.grad(loss, gate)[0].abs()
    for hook in hooks:
        hook.remove()
    return expected


def test_taylor_of_heads_and_units_is_the_gradient_of_a_gate(data):
    """Michel et al., equation 2."""
    model = outspoken(tiny_transformer())
    scores = measure(model, ["heads", "feed_forward"], "taylor", data, seed=1)
    for i, layer in enumerate(model.layers):
        for dense, kind in ((layer.attention.output.dense, "heads"), (layer.output.dense, "feed_forward")):
            gate = torch.ones(len(scores[kind][i]), requires_grad=True)
            hook = dense.register_forward_pre_hook(
                lambda _, inputs, gate=gate: (inputs[0] * gate.repeat_interleave(inputs[0].shape[-1] // len(gate)),)
            )
            torch.testing.assert_close(scores[kind][i], gated(model, data, gate, [hook]), rtol=1e-3, atol=1e-4)


def test_taylor_of_width_is_the_gradient_of_a_gate_behind_every_norm(data):
    model = outspoken(tiny_transformer())
    (scores,) = measure(model, ["width"], "taylor", data, seed=1)["width"]
    gate = torch.ones(32, requires_grad=True)
    norms = [model.encoder.embeddings.LayerNorm]
    norms += [part.LayerNorm for layer in model.layers for part in (layer.attention.output, layer.output)]
    hooks = [norm.register_forward_hook(lambda _, __, output: output * gate) for norm in norms]
    torch.testing.assert_close(scores, gated(model, data, gate, hooks), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_taylor_of_layers_is_the_gradient_of_a_gate_on_what_they_add(data, name):
    model = outspoken(tiny_encoder(name))
    (scores,) = measure(model, ["layers"], "taylor", data, seed=1)["layers"]
    assert not scores.requires_grad, "else the graph of every document would stay in memory"
    gate = torch.ones(2, requires_grad=True)

    def blend(i):
        def hook(_, inputs, output):
            states = output[0] if isinstance(output, tuple) else output
            mixed = inputs[0] + gate[i] * (states - inputs[0])
            return (mixed, *output[1:]) if isinstance(output, tuple) else mixed

        return hook

    hooks = [block.register_forward_hook(blend(i)) for i, block in enumerate(find_blocks(model.encoder))]
    torch.testing.assert_close(scores, gated(model, data, gate, hooks), rtol=1e-3, atol=1e-4)


def test_taylor_of_filters_is_the_gradient_of_a_gate(data, tokens):
    model = outspoken(tiny_model("text_cnn", tokens))
    scores = measure(model, ["filters"], "taylor", data, seed=1)["filters"]
    assert [len(score) for score in scores] == [10, 10, 10]
    gate = torch.ones(30, requires_grad=True)
    hook = model.head.register_forward_pre_hook(lambda _, inputs: (inputs[0] * gate,))
    torch.testing.assert_close(torch.cat(scores), gated(model, data, gate, [hook]), rtol=1e-3, atol=1e-4)


def test_taylor_of_the_last_hidden_units_counts_what_the_lstm_itself_reads(data, tokens):
    """Unrolled by hand with a gate on the state: Hochreiter and Schmidhuber's equations, one direction and layer."""
    model = outspoken(tiny_model("lstm", tokens, num_layers=1))
    scores = measure(model, ["hidden"], "taylor", data, seed=1)["hidden"]
    lstm, gate = model.lstm, torch.ones(2, 16, requires_grad=True)
    expected = torch.zeros(2, 16)
    for i in range(len(data.train)):
        ids = torch.tensor(data.train[i][0].astype("int64"))
        states = []
        for direction, ending in enumerate(("", "_reverse")):
            w_ih, w_hh, b_ih, b_hh = (
                getattr(lstm, f"{kind}_l0{ending}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            hidden, cell, found = torch.zeros(16), torch.zeros(16), []
            for token in reversed(ids) if direction else ids:
                inward, forget, new, out = (w_ih @ model.embeddings(token) + b_ih + w_hh @ hidden + b_hh).chunk(4)
                cell = forget.sigmoid() * cell + inward.sigmoid() * new.tanh()
                hidden = gate[direction] * (out.sigmoid() * cell.tanh())
                found.append(hidden)
            states.append(torch.stack(found[::-1] if direction else found))
        logits = model.head(torch.cat(states, dim=1).amax(0))
        loss = F.cross_entropy(logits[None], torch.tensor([data.train.labels[i]]))
        expected += torch.autograd.grad(loss, gate)[0].abs()
    torch.testing.assert_close(torch.stack(scores), expected, rtol=1e-3, atol=1e-4)


def test_magnitude_is_the_length_of_all_weights_of_a_unit(data, tokens):
    model = outspoken(tiny_transformer())
    scores = measure(model, ["feed_forward", "heads", "layers"], "magnitude", data, seed=1)
    layer = model.layers[1]
    unit = [layer.intermediate.dense.weight[3], layer.intermediate.dense.bias[3:4], layer.output.dense.weight[:, 3]]
    assert scores["feed_forward"][1][3] == pytest.approx(torch.cat(unit).norm().item())
    part, attention = slice(8, 16), layer.attention.self  # the second head
    head = [attention.query, attention.key, attention.value]
    head = [tensor[part].flatten() for linear in head for tensor in (linear.weight, linear.bias)]
    head.append(layer.attention.output.dense.weight[:, part].flatten())
    assert scores["heads"][1][1] == pytest.approx(torch.cat(head).norm().item())
    weights = torch.cat([parameter.flatten() for parameter in layer.parameters()])
    assert scores["layers"][0][1] == pytest.approx(weights.norm().item())


def test_a_layer_that_changes_nothing_has_no_influence(data):
    model = outspoken(tiny_encoder("gpt2"))
    with torch.no_grad():
        for parameter in [*model.encoder.h[0].attn.c_proj.parameters(), *model.encoder.h[0].mlp.c_proj.parameters()]:
            parameter.zero_()
    (scores,) = measure(model, ["layers"], "similarity", data, seed=1)["layers"]
    assert scores[0] == pytest.approx(0, abs=1e-6)
    assert 0 < scores[1] < 2
    ids = torch.tensor(data.train[0][0].astype("int64"))[None]
    states = model.encoder(ids, output_hidden_states=True).hidden_states
    assert scores[1] > 1 - F.cosine_similarity(states[0], states[1], dim=-1).max() - 1e-6, "the other one has"
