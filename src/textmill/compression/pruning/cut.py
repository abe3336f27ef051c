"""Which units and layers a network keeps, and the cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from textmill.compression.pruning.importance import Scores
from textmill.models.depth import keep_layers, num_layers

_PER_LAYER = ("heads", "feed_forward")  # one group a layer
_ALIKE = ("hidden",)  # groups that keep as many units each


@dataclass(frozen=True)
class Sizes:
    """How many units of each kind a network had before anything was cut, in each group that it still has.

    Shares are of these. Layers are a group of their own.
    """

    of: dict[str, list[int]]

    @classmethod
    def read(cls, model: Any, kinds: Sequence[str]) -> "Sizes":
        groups = model.prunable()
        layers = {"layers": [num_layers(model) or 0]}
        return cls({kind: layers.get(kind) or [len(units) for units in groups[kind]] for kind in kinds})

    def without_layers(self, kept: Sequence[int]) -> "Sizes":
        return replace(self, of={kind: _of_layers(kind, counts, kept) for kind, counts in self.of.items()})


def applicable(model: Any) -> list[str]:
    """The kinds of which a network can lose some; none of an ensemble."""
    groups = model.prunable() if hasattr(model, "prunable") else {}
    return [*(["layers"] if (num_layers(model) or 0) > 1 else []), *groups]


def cut(model: Any, sizes: Sizes, shares: Mapping[str, float], scores: Scores) -> tuple[Any, Sizes]:
    """Take out what matters least, layers first.

    Of heads, feed-forward units and filters the share is of all groups together, so that a layer that matters keeps
    more; of hidden units it is of each group. Each group keeps at least one.

    Args:
        sizes: before anything was cut.
        shares: to be gone of each kind, counted from `sizes`.

    Returns:
        The smaller network, which may be the one given, and the sizes of the groups that are left.
    """
    if "layers" in shares:
        (kept,) = most_important(scores["layers"], _num_kept(sizes.of["layers"], shares["layers"]))
        if len(kept) < len(scores["layers"][0]):
            model = keep_layers(model, kept)
        sizes = sizes.without_layers(kept)
        scores = {kind: _of_layers(kind, of_kind, kept) for kind, of_kind in scores.items()}
    for kind, share in shares.items():
        if kind == "layers":
            continue
        groups = scores[kind]
        if kind in _ALIKE:
            number = _num_kept(sizes.of[kind][:1], share)
            chosen = [most_important([of_group], number)[0] for of_group in groups]
        else:
            chosen = most_important(groups, _num_kept(sizes.of[kind], share))
        model.keep(kind, chosen)
    return model, sizes


def most_important(scores: Sequence[Tensor], num_kept: int) -> list[list[int]]:
    """Of each group the indices to keep: the best of all groups by norm-scaled score, at least one a group.

    The norm makes groups comparable (Michel et al. 2019).

    Args:
        num_kept: of all groups together; at least as many as there are groups, and no more than there are units.
    """
    scaled = [score / score.norm().clamp(min=1e-12) for score in scores]
    for score in scaled:
        score[score.argmax()] = torch.inf  # the one that each group keeps
    lengths = [len(score) for score in scores]
    num_kept = min(max(num_kept, len(scores)), sum(lengths))
    chosen = torch.zeros(sum(lengths), dtype=torch.bool)
    chosen[torch.cat(scaled).topk(num_kept).indices] = True
    return [torch.nonzero(part).flatten().tolist() for part in chosen.split(lengths)]


def _num_kept(counts: Sequence[int], share: float) -> int:
    return max(len(counts), round((1 - share) * sum(counts)))


def _of_layers(kind: str, groups: list[Any], kept: Sequence[int]) -> list[Any]:
    return [groups[i] for i in kept] if kind in _PER_LAYER else groups
