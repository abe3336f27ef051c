from dataclasses import replace

import pytest
import torch
from torch import nn

from textmill.training.optimizer import TooManyFrozen, build_optimizer, build_scheduler, freeze
from textmill.training.settings import Hyperparameters, Settings

HYPER = Hyperparameters(learning_rate=1e-3, weight_decay=0.1, warmup_fraction=0.1, dropout=0.0)


class Stack(nn.Module):
    """Embeddings, three layers with a norm each, and a head: all that the optimizer knows of a family."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embeddings = nn.Embedding(20, 8)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)) for _ in range(3))
        self.head = nn.Linear(8, 2)

    def depth_groups(self):
        return [list(module.parameters()) for module in (self.embeddings, *self.layers, self.head)]

    def forward(self, ids_BT):
        states = self.embeddings(ids_BT).mean(1)
        for layer in self.layers:
            states = layer(states)
        return self.head(states)


SETTINGS = Settings(
    batch_size=16, precision="32-true", schedule="linear", gradient_clip=1.0, epochs=1, patience=1, seed=0
)


def settings(**values):
    return replace(SETTINGS, **values)


def figures(model, optimizer):
    """(learning rate, weight decay) by name of parameter."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(p)]: (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}


def train(model, optimizer, num_steps=5):
    ids_BT = torch.randint(0, 20, (16, 6), generator=torch.Generator().manual_seed(1))
    for _ in range(num_steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(ids_BT), ids_BT[:, 0] % 2).backward()
        optimizer.step()


def test_biases_and_norms_do_not_decay():
    model = Stack()
    decays = {name: decay for name, (_, decay) in figures(model, build_optimizer(model, HYPER, settings())).items()}
    assert {name for name, decay in decays.items() if decay} == {
        "embeddings.weight", "layers.0.0.weight", "layers.1.0.weight", "layers.2.0.weight", "head.weight"
    }  # fmt: skip
    assert set(decays.values()) == {0.0, 0.1}


def test_equal_rates_make_two_groups():
    assert len(build_optimizer(Stack(), HYPER, settings()).param_groups) == 2


def test_rates_fall_by_layer_decay_from_head_to_embeddings():
    model = Stack()
    optimizer = build_optimizer(model, HYPER, settings(layer_decay=0.5))
    rates = {name: rate for name, (rate, _) in figures(model, optimizer).items()}
    for height, part in enumerate(["head.", "layers.2.", "layers.1.", "layers.0.", "embeddings."]):
        of_part = [rate for name, rate in rates.items() if name.startswith(part)]
        assert of_part == pytest.approx([1e-3 * 0.5**height] * len(of_part))
        assert of_part


@pytest.mark.parametrize("num_frozen", [1, 3])
def test_frozen_weights_stay_and_the_others_move(num_frozen):
    model = Stack()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    freeze(model.depth_groups(), num_frozen)
    train(model, build_optimizer(model, HYPER, settings()))
    frozen = ("embeddings.", *(f"layers.{i}." for i in range(num_frozen)))
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith(frozen), name


def test_no_freezing_moves_all():
    model = Stack()
    before = [p.detach().clone() for p in model.parameters()]
    train(model, build_optimizer(model, HYPER, settings()))
    assert not any(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


def test_too_many_frozen_layers_are_refused():
    with pytest.raises(TooManyFrozen, match=r"freeze_layers is 4, but the model has 3 layers.*0 .* to 3"):
        freeze(Stack().depth_groups(), 4)


def test_weights_frozen_before_stay_out():
    model = Stack()
    model.layers[1].requires_grad_(False)
    names = figures(model, build_optimizer(model, HYPER, settings()))
    assert names and not any(name.startswith("layers.1.") for name in names)


def test_a_parameter_outside_of_the_depth_groups_is_our_mistake():
    model = Stack()
    model.extra = nn.Parameter(torch.ones(3))
    with pytest.raises(AssertionError, match="misses parameters"):
        build_optimizer(model, HYPER, settings())


def test_only_fp16_is_not_fused():
    fused = {
        precision: build_optimizer(Stack(), HYPER, settings(precision=precision)).defaults["fused"]
        for precision in ("32-true", "bf16-mixed", "16-mixed")
    }
    assert fused == {"32-true": True, "bf16-mixed": True, "16-mixed": False}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("linear", [0.0, 0.5, 1.0, 0.5, 0.0]), ("cosine", [0.0, 0.5, 1.0, 0.5, 0.0]), ("constant", [0.0, 0.5, 1, 1, 1])],
)
def test_schedule_warms_up_and_decays(schedule, expected):
    optimizer = build_optimizer(Stack(), HYPER, settings(layer_decay=0.5))
    peaks = [group["lr"] for group in optimizer.param_groups]
    scheduler = build_scheduler(optimizer, schedule, warmup_fraction=0.2, num_steps=100)
    factors = []
    for _ in range(101):
        factors.append([group["lr"] / peak for group, peak in zip(optimizer.param_groups, peaks, strict=True)])
        optimizer.step()
        scheduler.step()
    for step, factor in zip((0, 10, 20, 60, 100), expected, strict=True):
        assert factors[step] == pytest.approx([factor] * len(peaks), abs=1e-9)
