"""What a search found, as plain JSON: its trials, the Pareto front, and the choice under the budget."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from textmill.budget_search.objective import FIGURES, STEPS
from textmill.budget_search.space import RECIPE, name_steps
from textmill.evaluation.primary import name_primary
from textmill.evaluation.selection import REFERENCE, Budget, Candidate, NoVariantInBudget, Preference, select
from textmill.search.liveness import ERROR, STOPPED
from textmill.search.work import COPY_OF
from textmill.tasks import Task


def describe(
    trials: Sequence[FrozenTrial], full: dict[str, float], budget: Budget, prefer: Preference, task: Task
) -> dict[str, Any]:
    """What the trials of a study say under a budget, by the rules of stage select.

    Args:
        full: figures of the full model.

    Returns:
        budget, prefer, figure (what the score is, in words). trials: number, state, recipe, steps, folder (its name in
        the state folder), figures, seconds, error, stopped, copy_of. candidates: `full` and each complete trial, named
        by its number, as `select` tells them. chosen: a name of these, or None if none keeps the budget; nearest: names
        of those that come nearest to it then.
    """
    told = [_describe(trial) for trial in trials]
    complete = [trial for trial in told if trial["state"] == "complete" and trial["copy_of"] is None]
    candidates = [Candidate(name=str(trial["number"]), **trial["figures"]) for trial in complete]
    choice = _choose([Candidate(name=REFERENCE, is_baseline=False, **full), *candidates], budget, prefer, task)
    return {"budget": asdict(budget), "prefer": prefer, "figure": name_primary(task), "trials": told, **choice}


def _choose(candidates: Sequence[Candidate], budget: Budget, prefer: Preference, task: Task) -> dict[str, Any]:
    try:
        found = select(candidates, budget, prefer, allow_baseline=False, figure=name_primary(task))
    except NoVariantInBudget as error:
        rows = error.candidates
        return {"chosen": None, "nearest": [row["name"] for row in rows[:3]], "candidates": rows}
    return {"chosen": found["chosen"], "nearest": [], "candidates": found["candidates"]}


def _describe(trial: FrozenTrial) -> dict[str, Any]:
    attributes = trial.user_attrs
    steps = attributes.get(STEPS)
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "recipe": trial.params.get(RECIPE),
        "steps": steps,
        "folder": name_steps(steps) if steps else None,
        "figures": attributes.get(FIGURES) if trial.state == TrialState.COMPLETE else None,
        "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 1),
        "error": attributes.get(ERROR),
        "stopped": attributes.get(STOPPED),
        "copy_of": attributes.get(COPY_OF),
    }


def tell_unmet(record: dict[str, Any]) -> str | None:
    """That no recipe meets the budget, with those that come nearest and what they exceed; None if one does."""
    if record["chosen"] is not None:
        return None
    trials = {str(trial["number"]): trial for trial in record["trials"]}
    rows = {row["name"]: row for row in record["candidates"]}
    nearest = "\n".join(f"  {_name(name, trials)}: {'; '.join(rows[name]['reasons'])}" for name in record["nearest"])
    return (
        f"No recipe meets the budget; the nearest are\n{nearest}\n"
        "Raise a limit, give more --trials, or add recipes and wider ranges to compress.search.space in params.yaml."
    )


def _name(name: str, trials: dict[str, Any]) -> str:
    return "the full model" if name == REFERENCE else f"trial {name}, {trials[name]['recipe']}"
