"""Which trial a worker takes next: an exact number over all workers, and nothing twice, without a lock.

A trial comes into being with its number and all that it claims (who runs it, what it repeats) in one write. So of two
that must not both be, the younger one sees the older, and gives itself up. Nothing waits in Optuna's queue, where a
kill between two writes would lose it: what is still to be run again follows from the trials themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from textmill.search.liveness import ATTEMPT, DIED, MAX_ATTEMPTS, RETRY_OF, STOPPED, WORKER, identity, retire
from textmill.search.space import Space, defaults, from_params, is_active, to_params

DRAW = "draw"  # attribute: which draw of the sampler; a retried trial is drawn as the one that it repeats
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
SURPLUS = "others were faster"
_FIXED = "fixed_params"  # Optuna's attribute of an enqueued trial: values that are not suggested

Claim = tuple[int | None, dict[str, Any]]  # which trial it repeats, and the values that it must have


def claim(
    study: optuna.Study,
    space: Space,
    fixed: Mapping[str, Any],
    num_trials: int,
    first: Sequence[Mapping[str, Any]] | None = None,
) -> Trial | None:
    """Take a trial: the known-good values first, then those whose process died, then new ones.

    Of any num_trials + 1 trials that are finished or running the youngest saw the others, so that they are never more.

    Args:
        first: values to try before the sampler is asked, in this order; None for the defaults alone.

    Returns: a trial that is running; None where another worker took the same, or the last one.
    """
    trials = study.get_trials(deepcopy=False)
    repeated, values = mine = _choose(trials, space, fixed, [defaults(space, fixed)] if first is None else first)
    attributes: dict[str, Any] = {WORKER: identity()}
    if repeated is not None:
        attributes |= {RETRY_OF: repeated, ATTEMPT: _next_attempt(trials[repeated])}
    template = create_trial(
        state=TrialState.RUNNING, user_attrs=attributes, system_attrs={_FIXED: values} if values else {}
    )
    storage = study._storage
    trial_id = storage.create_new_trial(study._study_id, template)
    made = storage.get_trial(trial_id)
    older = study.get_trials(deepcopy=False)[: made.number]
    num_taken = sum(trial.state in (*FINISHED, TrialState.RUNNING) for trial in older)
    if num_taken >= num_trials or (mine != (None, {}) and mine in _claims(older)):
        retire(study, made, SURPLUS)
        return None
    storage.set_trial_user_attr(trial_id, DRAW, _count_draws(older, repeated))
    study._thread_local.cached_all_trials = None  # as Study.ask does
    return Trial(study, trial_id)


def _choose(
    trials: Sequence[FrozenTrial], space: Space, fixed: Mapping[str, Any], first: Sequence[Mapping[str, Any]]
) -> Claim:
    claims = _claims(trials)
    for values in first:
        known: Claim = (None, to_params(values, space, fixed))
        if known not in claims:
            return known
    taken = {repeated for repeated, _ in claims}
    for trial in trials:
        if trial.number not in taken and _is_owed(trial) and not _is_second(trial, trials):
            return trial.number, _values_to_repeat(trial, space, fixed)
    return None, {}


def _claims(trials: Sequence[FrozenTrial]) -> list[Claim]:
    return [_claim_of(trial) for trial in trials if trial.user_attrs.get(STOPPED) != SURPLUS]


def _claim_of(trial: FrozenTrial) -> Claim:
    return trial.user_attrs.get(RETRY_OF), trial.system_attrs.get(_FIXED, {})


def _is_second(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether an older trial claimed the same, and this one's process was killed before it saw so."""
    mine = _claim_of(trial)
    return mine != (None, {}) and mine in _claims(trials[: trial.number])


def _is_owed(trial: FrozenTrial) -> bool:
    """Whether a trial that was stopped is to be run again."""
    stopped = trial.user_attrs.get(STOPPED)
    return trial.state == TrialState.FAIL and stopped not in (None, SURPLUS) and _next_attempt(trial) <= MAX_ATTEMPTS


def _next_attempt(trial: FrozenTrial) -> int:
    """Only a death counts as an attempt: a trial is not to blame for a time limit."""
    return int(trial.user_attrs.get(ATTEMPT, 1)) + (trial.user_attrs[STOPPED] == DIED)


def _values_to_repeat(trial: FrozenTrial, space: Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """All values of the trial, if it had got that far. Some of them are left to be drawn with the others again."""
    values = from_params(trial.params, space, fixed)
    is_whole = all(name in values or not is_active(dimension, values) for name, dimension in space.items())
    return dict(trial.params) if is_whole else dict(trial.system_attrs.get(_FIXED, {}))


def _count_draws(older: Sequence[FrozenTrial], repeated: int | None) -> int:
    """How often the sampler was asked before; for a repeated trial, before the first of its line."""
    while repeated is not None:
        older, repeated = older[:repeated], older[repeated].user_attrs.get(RETRY_OF)
    return sum(RETRY_OF not in trial.user_attrs for trial in older)
