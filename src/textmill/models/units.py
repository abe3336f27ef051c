"""Units that can leave a network, such as attention heads: where their weights are, and how they are taken out.

A unit lies at some places along a dimension of several parameters. Some of these weights stand between the unit's
output and everything that it acts on: were they zero, the unit would be silent, and the network would answer as if it
had left (but for width, where the norms count all that passes).

Shape suffixes: U units, P places of each along one dimension.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from textmill.models.low_rank import LowRankEmbedding


@dataclass(frozen=True)
class Places:
    """Where units lie along one dimension of a parameter."""

    module: nn.Module
    name: str  # of the parameter in its module
    dim: int
    index_UP: Tensor  # int64
    is_gate: bool = False  # whether these weights, were they zero, would silence the unit

    @property
    def parameter(self) -> Tensor:
        return cast(Tensor, getattr(self.module, self.name))

    def per_unit(self, values: Tensor) -> Tensor:
        """Sums of values [as the parameter] over all weights of each unit: [U]."""
        others = [dim for dim in range(values.ndim) if dim != self.dim]
        return (values.sum(others) if others else values)[self.index_UP].sum(1)


@dataclass(frozen=True)
class Units:
    """Units of one kind that stand beside each other, such as the heads of one layer."""

    places: list[Places]

    def __len__(self) -> int:
        return len(self.places[0].index_UP)

    @property
    def gates(self) -> list[Places]:
        return [place for place in self.places if place.is_gate]


def places(
    module: nn.Module, index_UP: Tensor, *, dim: int, is_gate: bool = False, names: Sequence[str] = ("weight", "bias")
) -> Iterator[Places]:
    """Places in a module's weights and, of its outputs (`dim` 0), in its biases, if it has some."""
    if isinstance(module, LowRankEmbedding):  # its width is what the second factor puts out
        module, dim = module.projection, 0
    for name in names:
        if getattr(module, name, None) is not None and (dim == 0 or getattr(module, name).ndim > 1):
            yield Places(module, name, dim, index_UP, is_gate)


def each(num_units: int, first: int = 0) -> Tensor:
    """One place for each unit, beginning at `first`: int64 [U, 1]."""
    return torch.arange(first, first + num_units, device="cpu")[:, None]


def keep_units(groups: Sequence[Units], kept: Sequence[Sequence[int]]) -> None:
    """Take all but the units with these indices out of each group, in place. Groups may share parameters."""
    removed: dict[tuple[int, str, int], set[int]] = defaultdict(set)
    modules: dict[int, nn.Module] = {}
    for units, indices in zip(groups, kept, strict=True):
        gone = sorted({*range(len(units))} - {*indices})
        for place in units.places:
            modules[id(place.module)] = place.module
            removed[id(place.module), place.name, place.dim].update(place.index_UP[gone].flatten().tolist())
    for (number, name, dim), gone_places in removed.items():
        module = modules[number]
        old = cast(nn.Parameter, getattr(module, name))
        rest = torch.tensor([i for i in range(old.shape[dim]) if i not in gone_places], device=old.device)
        new = old.detach().index_select(dim, rest).clone()
        setattr(module, name, nn.Parameter(new, requires_grad=old.requires_grad))
    for module in modules.values():
        _match_sizes(module)


def _match_sizes(module: Any) -> None:
    """Let a module's own numbers say the shapes of its weights."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Embedding):
        module.embedding_dim = module.weight.shape[1]
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = tuple(module.weight.shape)
    elif isinstance(module, nn.Conv1d):
        module.out_channels, module.in_channels = module.weight.shape[:2]
    else:
        assert isinstance(module, nn.LSTM), module
        module.hidden_size = cast(Tensor, module.weight_hh_l0).shape[1]
        module.input_size = cast(Tensor, module.weight_ih_l0).shape[1]
