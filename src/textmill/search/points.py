"""How many different trials a finite search space has, and how many are left: for brute force."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from optuna.samplers._brute_force import _enumerate_candidates
from optuna.trial import FrozenTrial, TrialState

from textmill.search.liveness import ATTEMPT, DIED, ERROR, MAX_ATTEMPTS, STOPPED
from textmill.search.space import Dimension, Space, is_active


def num_points(space: Space, fixed: Mapping[str, Any]) -> int | None:
    """How many different trials a search space has, its conditions considered; None if it is not finite."""
    names = [name for name in space if name not in fixed]
    choices = {name: _choices(space[name]) for name in names}
    if None in choices.values():
        return None
    asked = {other for dimension in space.values() for other in dimension.when or {}}

    @cache
    def count(place: int, decided: tuple[tuple[str, int], ...]) -> int:
        """Of the keys from `place` on, where those that conditions ask for have these choices."""
        if place == len(names):
            return 1
        name = names[place]
        if not is_active(space[name], {**fixed, **{other: choices[other][i] for other, i in decided}}):  # type: ignore[index]
            return count(place + 1, decided)
        number = len(choices[name])  # type: ignore[arg-type]
        if name not in asked:
            return number * count(place + 1, decided)
        return sum(count(place + 1, (*decided, (name, i))) for i in range(number))

    return count(0, ())


def num_untried(trials: Sequence[FrozenTrial], points: int) -> int:
    """How many of the points of a space none of its trials has tried or is trying.

    Brute force has nothing left to propose at 0: it would repeat values at random.
    """
    return points - len({repr(sorted(trial.params.items())) for trial in trials if was_tried(trial)})


def was_tried(trial: FrozenTrial) -> bool:
    """Whether the values of a trial have been tried, or are; of those whose process died, in the last attempt.

    A trial that failed before it had all its values tells nothing about them.
    """
    told = trial.user_attrs
    given_up = ERROR in told or (told.get(STOPPED) == DIED and told.get(ATTEMPT, 1) >= MAX_ATTEMPTS)
    return bool(trial.params) and (trial.state != TrialState.FAIL or given_up)


def _choices(dimension: Dimension) -> Sequence[Any] | None:
    if dimension.kind == "categorical":
        return dimension.choices
    assert dimension.low is not None and dimension.high is not None
    if dimension.low == dimension.high:
        return [dimension.low]
    step = dimension.step or (1 if dimension.kind == "int" else None)
    return None if step is None else _enumerate_candidates(dimension.low, dimension.high, step)
