"""Several models of one family that answer together.

Lakshminarayanan, Pritzel, Blundell: Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, 2017
(https://arxiv.org/abs/1612.01474).

Shape suffixes: W windows, T tokens, C classes.
"""

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import Any

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """The mean of the members' logits.

    Of logits, not of probabilities, so that an ensemble is a model like any other: one output of logits, which one
    temperature calibrates, windows pool and a student learns from, for numbers as for classes. The softmax of mean
    logits is the geometric mean of the members' probabilities, made to sum to 1.
    """

    def __init__(self, members: Sequence[nn.Module]):
        super().__init__()
        assert len({member.family for member in members}) == 1
        self.members = nn.ModuleList(members)
        self.family = members[0].family

    @classmethod
    def from_architecture(
        cls, architecture: dict[str, Any], build: Callable[[dict[str, Any]], nn.Module]
    ) -> "Ensemble":
        """Untrained members of the shapes that `architecture` describes, each made by the family's own `build`."""
        return cls([build(member) for member in architecture["ensemble"]])

    def architecture(self) -> dict[str, Any]:
        """What `from_architecture` needs, as plain JSON."""
        return {"ensemble": [member.architecture() for member in self._members()]}

    def forward(self, input_ids_WT: Tensor, attention_mask_WT: Tensor) -> Tensor:
        """Return logits of shape [W, C], float32 or the autocast type."""
        logits_MWC = torch.stack([member(input_ids_WT, attention_mask_WT) for member in self.members])
        return logits_MWC.mean(dim=0)

    def set_dropout(self, rate: float) -> None:
        for member in self._members():
            member.set_dropout(rate)

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """The members' parameters from the input to the output, those of like depth together."""
        groups = [member.depth_groups() for member in self._members()]
        return [list(chain.from_iterable(level)) for level in zip_longest(*groups, fillvalue=())]

    @property
    def head(self) -> nn.Linear:
        """The first member's: all have as many outputs."""
        head: nn.Linear = self._members()[0].head
        return head

    def _members(self) -> list[Any]:
        return list(self.members)
