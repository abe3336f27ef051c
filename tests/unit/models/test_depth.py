import pytest
import torch

from tests.tiny_model import DECODERS, ENCODERS, outspoken, tiny_encoder, tiny_model, tiny_transformer, write_tokens
from textmill.models.bert_layers import keep_feed_forward, keep_heads
from textmill.models.depth import InseparableLayers, keep_layers, num_layers
from textmill.models.encoder_parts import find_blocks
from textmill.models.folder import load_model, save_model

LAYERED = sorted({*ENCODERS, *DECODERS} - {"albert"})


@pytest.fixture(scope="module")
def batch():
    ids_WT = torch.randint(5, 50, (4, 9), generator=torch.Generator().manual_seed(1))
    return ids_WT, (torch.arange(9) < torch.tensor([9, 7, 4, 1])[:, None]).long()


@pytest.fixture(params=LAYERED)
def model(request):
    return outspoken(tiny_encoder(request.param))


@pytest.mark.parametrize("kept", [[0], [1], [0, 1]])
def test_the_weights_of_kept_layers_and_of_everything_else_are_the_same(model, kept):
    smaller = keep_layers(model, kept)
    assert num_layers(smaller) == len(kept)
    blocks = find_blocks(model.encoder)
    for new, i in zip(find_blocks(smaller.encoder), kept, strict=True):
        given = blocks[i].state_dict()
        assert all(torch.equal(tensor, given[name]) for name, tensor in new.state_dict().items())
    outer = {name: p for name, p in model.named_parameters() if not any(p is q for b in blocks for q in b.parameters())}
    assert outer
    assert all(torch.equal(smaller.get_parameter(name), parameter) for name, parameter in outer.items())


def test_all_layers_give_the_same_answer(model, batch):
    torch.testing.assert_close(keep_layers(model, [0, 1])(*batch), model(*batch))


def test_the_answer_is_that_of_the_model_that_skips_the_others(model, batch):
    if model.encoder.config.model_type == "deberta-v2":
        pytest.skip("its encoder calls its layers by number")
    smaller = keep_layers(model, [0])
    hook = find_blocks(model.encoder)[1].register_forward_hook(lambda _, inputs, output: _like(output, inputs[0]))
    torch.testing.assert_close(smaller(*batch), model(*batch))
    hook.remove()
    assert not torch.allclose(smaller(*batch), model(*batch), atol=1e-3)


def _like(output, states):
    return (states, *output[1:]) if isinstance(output, tuple) else states


def test_what_is_saved_is_what_is_loaded(model, batch, tmp_path):
    smaller = keep_layers(model, [1])
    save_model(tmp_path / "torch", smaller, {})
    loaded, _ = load_model(tmp_path / "torch")
    assert loaded.architecture() == smaller.architecture()
    assert torch.equal(loaded(*batch), smaller(*batch))


def test_layers_of_unlike_shapes_keep_theirs():
    model = tiny_transformer(num_layers=3)
    keep_heads(model.layers[2], [1])
    keep_feed_forward(model.layers[0], range(8))
    shapes = keep_layers(model, [0, 2]).architecture()["layers"]
    assert shapes == [{"num_heads": 4, "feed_forward": 8}, {"num_heads": 1, "feed_forward": 64}]


def test_the_given_model_stays_as_it_is(batch):
    model = outspoken(tiny_transformer(num_layers=3))
    expected = model(*batch)
    smaller = keep_layers(model, [0, 2])
    with torch.no_grad():
        for parameter in smaller.parameters():
            parameter.zero_()
    assert torch.equal(model(*batch), expected)
    assert num_layers(model) == 3


def test_layers_that_share_their_weights_stay_together(tmp_path):
    lstm = tiny_model("lstm", write_tokens(tmp_path / "tokens", 8, 8))
    for model, name in ((tiny_encoder("albert"), "albert"), (lstm, "lstm")):
        assert num_layers(model) is None
        with pytest.raises(InseparableLayers, match=name):
            keep_layers(model, [0])
