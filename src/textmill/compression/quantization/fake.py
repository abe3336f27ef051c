"""Rounding to int8 within PyTorch's training: a model that learns while it is rounded as it will be.

Jacob et al.: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018
(https://arxiv.org/abs/1712.05877): values are rounded and scaled back at once, and gradients pass as if they were not
(the straight-through estimator, Bengio et al. 2013, https://arxiv.org/abs/1308.3432). The numbers are those of
onnxruntime's dynamic int8.

Shape suffixes: W windows, T tokens, D width.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

WEIGHT_LEVELS, ACTIVATION_LEVELS = 127, 255
_TINY = torch.finfo(torch.float32).tiny
_LSTM_WEIGHTS = ("weight_ih", "weight_hh")


def round_weight(weight: Tensor, summed: int | None) -> Tensor:
    """A weight as symmetric int8 holds it.

    Args:
        summed: the dimension that a product sums over: each channel has a scale of its own. None for one scale in all.
    """
    largest = weight.detach().abs().amax() if summed is None else weight.detach().abs().amax(summed, keepdim=True)
    scale = (largest / WEIGHT_LEVELS).clamp(min=_TINY)
    return _straight_through(weight, (weight.detach() / scale).round() * scale)


def round_activation(states: Tensor) -> Tensor:
    """Activations as uint8 with a zero point holds them, by the range of each window [W, ...]: as if it were alone.

    Padding within a batch is part of the range, where a document alone has none.
    """
    values = states.detach().float()
    dims = tuple(range(1, values.ndim))
    rounded = _as_uint8(values, values.amin(dims, keepdim=True), values.amax(dims, keepdim=True))
    return _straight_through(states, rounded.to(states.dtype))


def _as_uint8(values: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    """Scale and zero point are those of ONNX's DynamicQuantizeLinear: zero itself is always met."""
    lowest, highest = lowest.clamp(max=0), highest.clamp(min=0)
    scale = ((highest - lowest) / ACTIVATION_LEVELS).clamp(min=_TINY)
    zero_point = (-lowest / scale).round().clamp(0, ACTIVATION_LEVELS)
    codes = ((values / scale).round() + zero_point).clamp(0, ACTIVATION_LEVELS)
    return (codes - zero_point) * scale


@contextmanager
def fake_int8(model: nn.Module, *, per_channel: bool) -> Iterator[None]:
    """Let products, tables of embeddings and LSTMs compute with rounded weights and activations.

    After it, the model has the modules, names and weights of before, as far as these were not trained.
    """
    with ExitStack() as undo:
        for module in list(model.modules()):
            summed = _summed(module)
            if summed is not None:
                undo.callback(_make_plain, module, list(module._parameters))
                parametrize.register_parametrization(module, "weight", _Rounded(summed if per_channel else None))
                undo.callback(module.register_forward_pre_hook(_round_input).remove)
            elif isinstance(module, nn.Embedding):
                rows = partial(_round_rows, per_token=per_channel)
                undo.callback(module.register_forward_hook(rows).remove)
            elif isinstance(module, nn.LSTM):
                rounded = partial(_round_lstm, summed=1 if per_channel else None)
                undo.callback(module.register_forward_pre_hook(rounded).remove)
                undo.callback(module.register_forward_hook(_restore_lstm, always_call=True).remove)
        yield


class _Rounded(nn.Module):
    def __init__(self, summed: int | None):
        super().__init__()
        self.summed = summed

    def forward(self, weight: Tensor) -> Tensor:
        return round_weight(weight, self.summed)


def _make_plain(module: nn.Module, names: list[str]) -> None:
    """Undo the rounding of a weight; the parameters are in the order of before."""
    parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
    for name in names:
        module._parameters[name] = module._parameters.pop(name)


def _straight_through(values: Tensor, rounded: Tensor) -> Tensor:
    """The rounded values, with the gradient of the others."""
    return values + (rounded - values).detach()


def _summed(module: nn.Module) -> int | None:
    """The dimension of a module's weight that its product sums over; None if it is no product with a weight."""
    from transformers.pytorch_utils import Conv1D  # GPT-2's: its weight is [in, out]

    if isinstance(module, nn.Linear | nn.Conv1d):  # [out, in]; [filters, in, width], exported as one product
        return 1
    return 0 if isinstance(module, Conv1D) else None


def _round_input(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (round_activation(inputs[0]), *inputs[1:])


def _round_rows(table: nn.Module, _: Any, rows: Tensor, per_token: bool) -> Tensor:
    """Of the rows that were looked up only: each by its own scale, or by the one range of the whole table."""
    if per_token:
        return round_weight(rows, -1)
    weight: Any = table.weight
    return _straight_through(rows, _as_uint8(rows.detach(), weight.detach().amin(), weight.detach().amax()))


def _round_lstm(lstm: Any, inputs: tuple[Any, ...], summed: int | None) -> tuple[Any, ...]:
    """Its input and matrices, each with scales of its own. Its state is not rounded from token to token."""
    lstm._flat_weights = [
        round_weight(weight, summed) if name.startswith(_LSTM_WEIGHTS) else weight
        for name, weight in ((name, getattr(lstm, name)) for name in lstm._flat_weights_names)
    ]
    return (round_activation(inputs[0]), *inputs[1:])


def _restore_lstm(lstm: Any, *_: Any) -> None:
    lstm._flat_weights = [getattr(lstm, name) for name in lstm._flat_weights_names]
