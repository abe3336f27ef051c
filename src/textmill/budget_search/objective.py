"""What a trial does: it makes a recipe, measures it, and says how far it is from keeping the budget."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import Trial

from textmill.artifacts import read_json
from textmill.budget_search.limits import within
from textmill.budget_search.space import RecipeSpace
from textmill.budget_search.workshop import Workshop
from textmill.compression.draft import DoesNotApply
from textmill.compression.recipes import Step, why_not
from textmill.config.compression_search import Settings
from textmill.evaluation.selection import Budget, Candidate, pareto_front, violations

OBJECTIVES = ("quality", "size_mb", "latency_ms")
STEPS, FIGURES = "steps", "figures"  # attributes of trials


@dataclass(frozen=True)
class RecipeObjective:
    """Attributes:
    reference: the full model's score.
    deadline: of the search, by time.monotonic().
    """

    space: RecipeSpace
    workshop: Workshop
    budget: Budget
    reference: float
    trial_minutes: float | None
    deadline: float | None

    def __call__(self, trial: Trial, values: Mapping[str, Any]) -> list[float]:
        """Quality, size and latency. Raises: UserError: the recipe cannot be made so."""
        steps = self.space.steps_of(values)
        trial.set_user_attr(STEPS, steps)
        if reason := explain_unfit(steps, self.workshop):
            raise DoesNotApply(f"{reason[0].upper()}{reason[1:]}.")
        with within(self.trial_minutes, self.deadline):
            figures = self.workshop.measured(steps)
        trial.set_user_attr(FIGURES, figures)
        candidate = Candidate(name=str(trial.number), is_baseline=False, **figures)
        for limit, violation in violations(candidate, self.reference, self.budget).items():
            trial.set_constraint(limit, violation)
        self.workshop.tidy(names_on_front(self.workshop), is_over=False)
        return [candidate.score, candidate.size_mb, candidate.latency_p50_ms]


def explain_unfit(steps: list[Settings], workshop: Workshop) -> str | None:
    """Why a recipe does not apply to the full model, or None."""
    given = [Step(step["method"], {key: one for key, one in step.items() if key != "method"}) for step in steps]
    return why_not(given, workshop.full)


def names_on_front(workshop: Workshop) -> Set[str]:
    """The recipes that nothing beats of all that was measured of this full model, under any budget."""
    files = sorted((workshop.folder / "figures").glob("*.json"))
    found = {file.stem: read_json(file)["figures"] for file in files}
    points = np.array([[-one["score"], one["size_mb"], one["latency_p50_ms"]] for one in found.values()])
    return {name for name, is_on in zip(found, pareto_front(points), strict=True) if is_on} if found else set()
