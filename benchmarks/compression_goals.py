"""What the variants of bench_compression should reach beside the full model in PyTorch."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Figures = Mapping[str, Any]  # of one variant


class Goal(NamedTuple):
    """At least so many times smaller and faster, at most so many points of macro-F1 lost; None asks for nothing."""

    title: str
    applies: Callable[[Figures], bool]
    times_smaller: float | None
    times_faster: float
    points_lost: float

    def is_met(self, figures: Figures) -> bool:
        small_enough = self.times_smaller is None or figures["times_smaller"] >= self.times_smaller
        return (
            small_enough and figures["times_faster"] >= self.times_faster and -figures["f1_points"] <= self.points_lost
        )


def _methods(figures: Figures) -> list[str]:
    return [step["method"] for step in figures["steps"]]


GOALS = (
    Goal("some variant: 10x smaller, 10x faster, at most 1 point lost", lambda _: True, 10, 10, 1.0),
    Goal(
        "int8 alone: about 4x smaller (3.5x), 2x faster, at most 0.5 point lost",
        lambda figures: _methods(figures) == ["quantize"],
        3.5,
        2,
        0.5,
    ),
    Goal(
        "structured pruning alone: 2x faster, at most 1 point lost",
        lambda figures: set(_methods(figures)) == {"prune"},
        None,
        2,
        1.0,
    ),
    Goal(
        "a student that is no transformer: 50x faster, at most 2 points lost",
        lambda figures: figures["family"] != "transformer" and "distill" in _methods(figures),
        None,
        50,
        2.0,
    ),
)


def judge(variants: Mapping[str, Figures]) -> list[dict[str, Any]]:
    """For each goal, the variants that it speaks of and those that meet it."""
    return [
        {
            "goal": goal.title,
            "tried": [name for name, figures in variants.items() if goal.applies(figures)],
            "met_by": [name for name, figures in variants.items() if goal.applies(figures) and goal.is_met(figures)],
        }
        for goal in GOALS
    ]
