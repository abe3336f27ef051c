import pytest
import torch
from torch import nn

from tests.tiny_model import tiny_transformer
from textmill.models.dropout import ByteDropout, use_byte_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_drops_its_rate_and_keeps_the_mean(rate, dtype):
    torch.manual_seed(0)
    ones = torch.ones(200_001, dtype=dtype, requires_grad=True)
    dropped = ByteDropout(rate)(ones)
    rounded = round(rate * 256) / 256
    assert (dropped == 0).float().mean().item() == pytest.approx(rounded, abs=0.005)  # over four standard errors
    assert dropped.float().mean().item() == pytest.approx(1, abs=0.01)
    dropped.sum().backward()
    assert torch.equal(ones.grad, dropped.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_kept_is_scaled_exactly(dtype):
    torch.manual_seed(0)
    states = torch.rand(200_000).to(dtype)
    dropped = ByteDropout(0.1)(states)
    kept = dropped != 0
    scale = dropped[kept].double().sum() / states[kept].double().sum()
    assert scale.item() == pytest.approx(256 / (256 - 26), rel=1e-4)


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    dropped = ByteDropout(0.5)(torch.ones(200_000)) == 0
    for distance in (1, 4, 8):
        both = (dropped[:-distance] & dropped[distance:]).float().mean().item()
        assert both == pytest.approx(0.25, abs=0.006)


def test_the_seed_decides():
    def draw(seed):
        torch.manual_seed(seed)
        return ByteDropout(0.3)(torch.ones(1000))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_nothing_is_dropped_in_evaluation_nor_at_rate_zero():
    ones = torch.ones(1000)
    assert torch.equal(ByteDropout(0.5).eval()(ones), ones)
    assert torch.equal(ByteDropout(0.0)(ones), ones)


def test_a_transformer_has_it_in_place_of_every_dropout():
    model = tiny_transformer()
    dropouts = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert dropouts and all(type(module) is ByteDropout for module in dropouts)
    model.set_dropout(0.3)  # reaches those of the encoder too; that of attention stays zero
    assert sorted({module.p for module in dropouts}) == [0.0, 0.3]


def test_references_and_rates_stay():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.25))
    dropout = model[1]
    use_byte_dropout(model)
    assert model[1] is dropout and type(dropout) is ByteDropout and dropout.p == 0.25
