"""A network that has lost units answers as the whole one does when these are silent."""

import pytest
import torch

from tests.tiny_model import outspoken, tiny_encoder, tiny_model, tiny_transformer, write_tokens
from textmill.models.folder import load_model, read_shape, save_model
from textmill.models.low_rank import make_low_rank


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), 8, 8)


@pytest.fixture
def batch():
    ids_WT = torch.randint(5, 50, (4, 9), generator=torch.Generator().manual_seed(1))
    return ids_WT, (torch.arange(9) < torch.tensor([9, 7, 4, 1])[:, None]).long()


@pytest.fixture
def build(tokens):
    return lambda name: outspoken(tiny_encoder(name) if name in ("roberta", "electra") else tiny_model(name, tokens))


def half(group):
    return list(range(0, len(group), 2))


CASES = [
    ("transformer", "heads"),
    ("transformer", "feed_forward"),
    ("roberta", "heads"),
    ("roberta", "feed_forward"),
    ("lstm", "hidden"),
    ("lstm", "width"),
    ("text_cnn", "filters"),
    ("text_cnn", "width"),
    ("bag_of_embeddings", "width"),
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_network_without_units_answers_like_one_whose_units_are_silent(build, batch, name, kind):
    masked, pruned = build(name), build(name)
    with torch.no_grad():
        for units in masked.prunable()[kind]:
            silent = [i for i in range(len(units)) if i not in half(units)]
            for gate in units.gates:
                gate.parameter.index_fill_(gate.dim, gate.index_UP[silent].flatten(), 0.0)
    assert not torch.allclose(masked(*batch), pruned(*batch), atol=1e-3), "these units had a say"
    pruned.keep(kind, [half(units) for units in pruned.prunable()[kind]])
    torch.testing.assert_close(pruned(*batch), masked(*batch), atol=1e-5, rtol=1e-5)
    assert [len(units) for units in pruned.prunable()[kind]] == [len(half(u)) for u in masked.prunable()[kind]]
    assert sum(p.numel() for p in pruned.parameters()) < sum(p.numel() for p in masked.parameters())


@pytest.mark.parametrize(("name", "kind"), [*CASES, ("transformer", "width"), ("electra", "width")])
def test_what_is_saved_is_what_is_loaded(build, batch, tmp_path, name, kind):
    model = build(name)
    model.keep(kind, [half(units) for units in model.prunable()[kind]])
    save_model(tmp_path / "torch", model, {})
    loaded, _ = load_model(tmp_path / "torch")
    assert loaded.architecture() == read_shape(tmp_path / "torch").architecture() == model.architecture()
    assert torch.equal(loaded(*batch), model(*batch))
    model.train()(*batch).sum().backward()
    assert all(p.grad.shape == p.shape for p in model.parameters() if p.grad is not None)


def test_filters_of_unlike_numbers_are_kept(build, batch, tmp_path):
    model = build("text_cnn")
    model.keep("filters", [[0], [1, 2], [3, 4, 5]])
    assert model.architecture()["num_filters"] == [1, 2, 3]
    save_model(tmp_path / "torch", model, {})
    assert torch.equal(load_model(tmp_path / "torch")[0](*batch), model(*batch))


def test_a_thinner_encoder_scales_what_is_left_and_nothing_else(batch):
    """Of the layer norms' mean and variance only the kept ones count, so zeros do not stand for what has left."""
    model = outspoken(tiny_transformer(num_layers=1))
    kept = [1, 2, 5, 8, 9, 30]
    embeddings = model.encoder.embeddings
    states = embeddings.word_embeddings(batch[0]) + embeddings.position_embeddings.weight[:9]
    states = (states + embeddings.token_type_embeddings.weight[0])[..., kept]
    norm = embeddings.LayerNorm
    expected = torch.nn.functional.layer_norm(states, (6,), norm.weight[kept], norm.bias[kept], norm.eps)
    model.keep("width", [kept])
    torch.testing.assert_close(model.encoder.embeddings(batch[0]), expected)
    assert model.architecture()["width"] == 6
    assert model.layers[0].attention.self.query.weight.shape == (32, 6)


@pytest.mark.parametrize("name", ["transformer", "lstm", "bag_of_embeddings"])
def test_low_rank_embeddings_become_thinner_too(build, batch, tmp_path, name):
    model = build(name)
    make_low_rank(model, 4)
    model.keep("width", [half(model.prunable()["width"][0])])
    save_model(tmp_path / "torch", model, {})
    assert torch.equal(load_model(tmp_path / "torch")[0](*batch), model(*batch))
