"""The search from its start to the choice."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial

from textmill.artifacts import write_json
from textmill.budget_search import setup
from textmill.budget_search.objective import RecipeObjective, names_on_front
from textmill.budget_search.report import describe
from textmill.budget_search.space import RecipeSpace
from textmill.budget_search.workshop import Workshop, measure
from textmill.config import Params
from textmill.errors import UserError
from textmill.evaluation.latency import hardware
from textmill.evaluation.selection import Budget, Preference
from textmill.paths import Paths
from textmill.search.claims import FINISHED
from textmill.search.study import open_study
from textmill.search.work import Limits, work

GRACE_S = 60.0  # of a heartbeat that nobody but this machine reads
_FULL = "full"  # attribute of the study: the full model's figures


class SearchIsRunning(UserError):
    """Another process searches in the same repository."""


@dataclass(frozen=True)
class Asked:
    """What the user wants: a budget, what counts within it, and how much may be tried."""

    budget: Budget
    prefer: Preference
    num_trials: int
    timeout_minutes: float | None


def search(
    params: Params,
    paths: Paths,
    asked: Asked,
    *,
    say: Callable[[str], None],
    on_trial: Callable[[FrozenTrial, list[FrozenTrial]], None],
) -> dict[str, Any]:
    """Work until `asked.num_trials` are finished or the time is up; write and return the record, see `describe`.

    The record is written after each trial too, so that it is of this search however it ends.

    Args:
        say: takes a line for the user.
        on_trial: told of each trial that ended, and of all of them.

    Raises: NothingToCompress, SearchIsRunning, TooManyFailures.
    """
    started = time.monotonic()
    deadline = None if asked.timeout_minutes is None else started + 60 * asked.timeout_minutes
    setup.check_there(paths)
    made = setup.making(params, paths)
    declared = RecipeSpace.of(params.compress.search.space)
    workshop = setup.build_workshop(params, paths, made, declared)
    space = setup.applicable(declared, workshop, say)
    with _alone(paths):
        settings = setup.study_settings(params, paths, made, space, asked.budget)
        study = open_study(settings)
        finished = count_finished(study.get_trials(deepcopy=False))
        kind = "continued" if study.trials else "new"
        say(f"Study {settings.name} is {kind}: {finished} of {asked.num_trials} trials finished.")
        write = partial(_write_record, params, paths, asked, study, workshop, made)
        if finished < asked.num_trials or _FULL not in study.user_attrs:
            # Now and here, as the trials are measured.
            study.set_user_attr(_FULL, measure(paths.bundle("full"), workshop.documents, workshop.settings))

            def tell(trial: FrozenTrial) -> None:
                write()  # after each, so that a search that is killed can be shown and adopted from
                on_trial(trial, study.get_trials(deepcopy=False))

            write()
            _work(params, asked, study, space, workshop, deadline, tell)
        if count_finished(study.get_trials(deepcopy=False)) >= asked.num_trials:
            workshop.tidy(names_on_front(workshop), is_over=True)
        return write()


def _write_record(
    params: Params, paths: Paths, asked: Asked, study: optuna.Study, workshop: Workshop, made: dict[str, Any]
) -> dict[str, Any]:
    """Write and return what was found so far."""
    trials = study.get_trials(deepcopy=False)
    record = {
        **describe(trials, study.user_attrs[_FULL], asked.budget, asked.prefer, params.task),
        "study": study.study_name,
        "num_trials": asked.num_trials,
        "bundles": str(workshop.folder.relative_to(paths.state) / "made"),
        "making": {name: made[name] for name in ("key", "params", "inputs")},
        "hardware": hardware(),
        "threads": params.evaluate.latency_threads,
    }
    write_json(paths.compression_search, record)
    return record


def _work(
    params: Params,
    asked: Asked,
    study: optuna.Study,
    space: RecipeSpace,
    workshop: Workshop,
    deadline: float | None,
    on_trial: Callable[[FrozenTrial], None],
) -> None:
    declared = params.compress.search
    reference = study.user_attrs[_FULL]["score"]
    objective = RecipeObjective(space, workshop, asked.budget, reference, declared.trial_minutes, deadline)
    limits = Limits(asked.num_trials, declared.max_failures, GRACE_S, deadline, setup.SECTION)
    work(study, objective, space.dimensions, {}, limits, first=space.first(), on_trial=on_trial)


def count_finished(trials: list[FrozenTrial]) -> int:
    return sum(trial.state in FINISHED for trial in trials)


@contextmanager
def _alone(paths: Paths) -> Iterator[None]:
    lock = paths.lock("compress-search")
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=1):
            yield
    except Timeout:
        raise SearchIsRunning(
            f"`textmill compress` is already running in another process, which holds {lock}. Wait for it, or end it."
        ) from None
