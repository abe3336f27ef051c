"""One worker: takes trials of a study until the declared number is finished, whoever else works on it."""

import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from textmill.errors import UserError
from textmill.search.claims import DRAW, FINISHED, claim
from textmill.search.liveness import ATTEMPT, BEAT, ERROR, RETRY_OF, STOPPED, WORKER, Watch, beating, retire
from textmill.search.points import num_points, num_untried
from textmill.search.samplers import is_exhaustive
from textmill.search.space import Space, suggest
from textmill.search.storage_errors import is_of_storage

COPY_OF, TRACEBACK = "copy_of", "traceback"
OUT_OF_TIME, INTERRUPTED = "timeout_minutes had passed", "interrupted"
_OF_ITS_RUN = (WORKER, BEAT, ATTEMPT, RETRY_OF, STOPPED, DRAW, COPY_OF, "epochs")  # attributes that are not copied
_POLL_S = 0.1

Objective = Callable[[Trial, Mapping[str, Any]], Sequence[float]]


class OutOfTime(Exception):
    """Raised by an objective when the deadline has passed."""


class TooManyFailures(UserError):
    """As many trials as max_failures allows ended with an error."""


@dataclass(frozen=True)
class Limits:
    num_trials: int  # finished trials wanted in all, complete or pruned
    max_failures: int  # by any worker, from the start of this call on
    grace_s: float  # silence after which a worker elsewhere is dead; as long is a storage waited for that is away
    deadline: float | None = None  # by time.monotonic()
    section: str = "tune"  # of params.yaml, which sets the limits and the space

    def is_over(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline


def work(
    study: optuna.Study,
    objective: Objective,
    space: Space,
    fixed: Mapping[str, Any],
    limits: Limits,
    *,
    first: Sequence[Mapping[str, Any]] | None = None,
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> None:
    """Run trials until `limits.num_trials` are finished by all workers together, or the deadline has passed.

    Args:
        objective: trains with the values; returns a figure for each direction of the study, or raises TrialPruned.
        first: values to try before the sampler is asked, in this order; None for the defaults alone.
        on_trial: told of every trial that this worker ended.

    Raises: TooManyFailures; what the storage raises, if it stays away.
    """
    worker = _Worker(study, objective, space, fixed, limits, first)
    away_since = None
    while not limits.is_over():
        try:
            worker.watch.retire_dead()
            trials = study.get_trials(deepcopy=False)
            if worker.is_done(trials):
                return
            if trial := worker.take(trials):
                worker.run(trial)
                trials = study.get_trials(deepcopy=False)
        except Exception as error:
            away_since = away_since or time.monotonic()
            if not is_of_storage(error) or time.monotonic() - away_since > limits.grace_s:
                raise
            time.sleep(_POLL_S)
            continue
        away_since = None
        if trial is None:
            time.sleep(_POLL_S)
        elif on_trial:
            on_trial(trials[trial.number])


class _Worker:
    def __init__(
        self,
        study: optuna.Study,
        objective: Objective,
        space: Space,
        fixed: Mapping[str, Any],
        limits: Limits,
        first: Sequence[Mapping[str, Any]] | None = None,
    ):
        self.study, self.objective, self.space, self.fixed, self.limits = study, objective, space, fixed, limits
        self.first = first
        self.watch = Watch(study, limits.grace_s)
        self.num_before = len(study.get_trials(deepcopy=False))
        self.num_points = num_points(space, fixed) if is_exhaustive(study) else None

    def is_done(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether no trials are missing, be they running. Raises: TooManyFailures."""
        if sum(trial.state in FINISHED for trial in trials) >= self.limits.num_trials:
            return True
        if self._is_exhausted(trials) and not any(trial.state == TrialState.RUNNING for trial in trials):
            return True
        failed = [trial for trial in trials[self.num_before :] if trial.state == TrialState.FAIL]
        failed = [trial for trial in failed if ERROR in trial.user_attrs]
        if len(failed) >= self.limits.max_failures:
            raise TooManyFailures(
                f"{len(failed)} trials of study {self.study.study_name} ended with an error, which is what "
                f"{self.limits.section}.max_failures allows. {_tell_errors(failed)} What is finished is kept. Narrow "
                f"{self.limits.section}.space, or raise {self.limits.section}.max_failures."
            )
        return False

    def take(self, trials: Sequence[FrozenTrial]) -> Trial | None:
        """A trial to run, or None while others are at the last ones: should one of them fail, there is room again."""
        num_taken = sum(trial.state in (*FINISHED, TrialState.RUNNING) for trial in trials)
        if num_taken >= self.limits.num_trials or self._is_exhausted(trials):
            return None
        return claim(self.study, self.space, self.fixed, self.limits.num_trials, self.first)

    def _is_exhausted(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether brute force has tried every point of the space, so that it would repeat some."""
        return self.num_points is not None and num_untried(trials, self.num_points) == 0

    def run(self, trial: Trial) -> None:
        """Run a trial to its end, which is written before an interrupt goes on."""
        self.watch.current = trial.number
        try:
            with beating(trial, self.limits.grace_s):
                state, figures, story = self._attempt(trial)
            for key, value in story.items():
                trial.set_user_attr(key, value)
            # A trial that others have given up, because this process was silent, is in other hands: it is left alone.
            self.study.tell(trial, figures, state=state, skip_if_finished=True)
        except UpdateFinishedTrialError:
            pass
        except OutOfTime:
            retire(self.study, trial, OUT_OF_TIME)
        except (KeyboardInterrupt, SystemExit):
            with suppress(Exception):  # a storage that is away must not stop the interrupt: others see that we are gone
                retire(self.study, trial, INTERRUPTED)
            raise
        finally:
            self.watch.current = None

    def _attempt(self, trial: Trial) -> tuple[TrialState, Sequence[float] | None, dict[str, str]]:
        """How the trial ended: its state, figures, and attributes that tell of an error."""
        try:
            values = suggest(trial, self.space, self.fixed)
            twin = self._find_twin(trial)
            figures = self.objective(trial, values) if twin is None else _copy(trial, twin)
        except optuna.TrialPruned:
            return TrialState.PRUNED, None, {}
        except (OutOfTime, UpdateFinishedTrialError):
            raise
        except Exception as error:
            if is_of_storage(error):  # the trial is not to blame
                raise
            story = {} if isinstance(error, UserError) else {TRACEBACK: traceback.format_exc()}
            return TrialState.FAIL, None, {ERROR: f"{error}" or type(error).__name__, **story}
        if any(map(math.isnan, figures)):
            return TrialState.FAIL, None, {ERROR: f"It was measured as {list(figures)}, which is no number."}
        return TrialState.COMPLETE, figures, {}

    def _find_twin(self, trial: Trial) -> FrozenTrial | None:
        """An older trial with the same values, finished; one that still runs is waited for. Raises: OutOfTime."""
        mine = trial.params
        while True:
            older = self.study.get_trials(deepcopy=False)[: trial.number]
            for other in older:
                if other.state in FINISHED and other.params == mine:
                    return other
            # One that has only some of its values yet may get the same for the rest.
            if not any(one.state == TrialState.RUNNING and one.params.items() <= mine.items() for one in older):
                return None
            if self.limits.is_over():
                raise OutOfTime
            time.sleep(_POLL_S)
            self.watch.retire_dead()


def _tell_errors(failed: Sequence[FrozenTrial]) -> str:
    """Each error once, with the trials that it ended."""
    numbers: dict[str, list[str]] = {}
    for trial in failed:
        numbers.setdefault(trial.user_attrs[ERROR], []).append(str(trial.number))
    return " ".join(
        f"Trial{'s' if len(found) > 1 else ''} {', '.join(found)}: {error.rstrip('.')}."
        for error, found in numbers.items()
    )


def _copy(trial: Trial, twin: FrozenTrial) -> Sequence[float]:
    """The same values are not trained twice: the result is the older trial's. Raises: TrialPruned."""
    measured = {key: value for key, value in twin.user_attrs.items() if key not in _OF_ITS_RUN}
    for key, value in {**measured, COPY_OF: twin.number}.items():
        trial.set_user_attr(key, value)
    for key, violation in twin.constraints.items():
        trial.set_constraint(key, violation)
    for step, score in twin.intermediate_values.items():
        trial.report(score, step)
    if twin.state == TrialState.PRUNED:
        raise optuna.TrialPruned
    return list(twin.values)
