"""The choice among variants: Pareto front on validation figures, and the best one within the budget."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from textmill.errors import UserError

REFERENCE = "full"  # what `drop` is measured against

Preference = Literal["quality", "latency_ms", "size_mb"]


class NoVariantInBudget(UserError):
    """Every variant breaks a limit of the budget.

    Attributes:
        candidates: as `select` returns them, the nearest first.
    """

    def __init__(self, told: str, candidates: list[dict[str, Any]]):
        super().__init__(told)
        self.candidates = candidates


@dataclass(frozen=True)
class Candidate:
    """The validation figures that decide: the task's primary one, and the costs; latency is the median at batch 1."""

    name: str
    score: float
    size_mb: float
    latency_p50_ms: float
    throughput_per_s: float
    is_baseline: bool = False


@dataclass(frozen=True)
class Budget:
    """Largest values allowed; None sets no limit. `max_drop` is of the score, lost against `full`."""

    max_size_mb: float | None = None
    max_latency_ms: float | None = None
    max_drop: float | None = None


def pareto_front(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of `points` [N, D], all to be made small, no other row dominates.

    A row dominates another if it is nowhere larger and somewhere smaller; equal rows do not.
    """
    no_larger_NN = (points[:, None] <= points[None]).all(axis=-1)
    smaller_NN = (points[:, None] < points[None]).any(axis=-1)
    return ~np.any(no_larger_NN & smaller_NN, axis=0)


def select(
    candidates: Sequence[Candidate], budget: Budget, prefer: Preference, *, allow_baseline: bool, figure: str
) -> dict[str, Any]:
    """Choose the best candidate within the budget.

    The front weighs the score, size and latency, and includes the baseline, so that the table says honestly
    when it beats a variant; the baseline itself is chosen only if allowed. Equal in what is preferred, the
    better score wins, then the lower latency, the smaller size and the earlier name.

    Args:
        figure: what the score is, in words.

    Returns:
        The content of reports/selection.json.

    Raises:
        NoVariantInBudget: with each candidate's reasons, nearest first.
    """
    reference = next(candidate for candidate in candidates if candidate.name == REFERENCE)
    front_N = pareto_front(np.array([[-c.score, c.size_mb, c.latency_p50_ms] for c in candidates]))
    rows, choices = [], []
    for candidate, on_front in zip(candidates, front_N, strict=True):
        excesses = _excesses(candidate, reference.score, budget, figure)
        rows.append(
            {
                **asdict(candidate),
                "drop": reference.score - candidate.score,
                "on_pareto_front": bool(on_front),
                "within_budget": not excesses,
                "reasons": [reason for reason, _ in excesses],
            }
        )
        if not candidate.is_baseline or allow_baseline:
            choices.append((sum(excess for _, excess in excesses), candidate, rows[-1]))
    within = [candidate for _, candidate, row in choices if row["within_budget"]]
    if not within:
        nearest = sorted(choices, key=lambda choice: (choice[0], choice[1].name))
        raise NoVariantInBudget(_explain(nearest), [row for _, _, row in nearest])
    chosen = min(within, key=lambda candidate: _rank(candidate, prefer))
    return {
        "chosen": chosen.name,
        "parent": REFERENCE,
        "prefer": prefer,
        "budget": asdict(budget),
        "candidates": rows,
    }


def violations(candidate: Candidate, reference: float, budget: Budget) -> dict[str, float]:
    """How far each limit that is set is broken, as a share of it; 0 or less keeps it.

    Args:
        reference: the score of `full`.
    """
    values = {
        "max_size_mb": candidate.size_mb,
        "max_latency_ms": candidate.latency_p50_ms,
        "max_drop": reference - candidate.score,
    }
    limits = {name: limit for name, limit in asdict(budget).items() if limit is not None}
    return {name: (values[name] - limit) / max(limit, 1e-3) for name, limit in limits.items()}


def _excesses(candidate: Candidate, reference: float, budget: Budget, figure: str) -> list[tuple[str, float]]:
    """Each limit that is broken: in words, and by what share of it."""
    words = {
        "max_size_mb": f"size {candidate.size_mb:.1f} MB",
        "max_latency_ms": f"{candidate.latency_p50_ms:.2f} ms",
        "max_drop": f"{figure} {reference - candidate.score:.4f} below {REFERENCE}",
    }
    limits = asdict(budget)
    return [
        (f"{words[name]}, above {name}: {limits[name]:g}", excess)
        for name, excess in violations(candidate, reference, budget).items()
        if excess > 0
    ]


def _rank(candidate: Candidate, prefer: Preference) -> tuple[float, float, float, float, str]:
    preferred = {
        "quality": -candidate.score,
        "latency_ms": candidate.latency_p50_ms,
        "size_mb": candidate.size_mb,
    }[prefer]
    return preferred, -candidate.score, candidate.latency_p50_ms, candidate.size_mb, candidate.name


def _explain(choices: Sequence[tuple[float, Candidate, dict[str, Any]]]) -> str:
    nearest = "\n".join(f"  {candidate.name}: {'; '.join(row['reasons'])}" for _, candidate, row in choices[:3])
    return (
        f"No recipe meets select.budget; the nearest are\n{nearest}\n"
        "Raise a limit of select.budget in params.yaml (null removes it), or add a recipe to compress.recipes that "
        "saves more (quantize, distill to fewer layers) or loses less (prune less, more epochs)."
    )
