"""The samplers that params.yaml names."""

import copy
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import cmaes
import numpy as np
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, BruteForceSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from textmill.search.claims import DRAW
from textmill.search.points import num_points, num_untried, was_tried
from textmill.search.space import Space

NUM_STARTUP_TRIALS = 4  # drawn at random before a sampler has a model


def build_sampler(name: str, seed: int) -> BaseSampler:
    """A sampler whose suggestions for a trial depend on the seed, the trial's place and the trials before it.

    Its place is its number, or DRAW, for a trial that repeats one whose process died. So a study that was killed
    goes on as if it had not been, and two workers, or two starts, never draw the same.

    Args:
        name: of tune.sampler. `tpe` looks at several keys together, at those with a condition in groups of their own,
            and keeps away from what other workers try. `gp` and `cmaes` do so for keys that every trial has; others,
            and for `cmaes` all that are no numbers, they leave to chance. `cmaes` is for one objective, and what
            breaks a constraint is to it as good as anything else.
    """
    return SamplerOfTrial(name, seed)


def is_exhaustive(study: Study) -> bool:
    """Whether the study tries every point of its space once, and then has no more to propose."""
    return isinstance(study.sampler, SamplerOfTrial) and study.sampler.name == "brute_force"


def tell_exhausted(study: Study, space: Space, fixed: Mapping[str, Any]) -> str | None:
    """A line for the user, if the study has ended because there is nothing left to propose."""
    points = num_points(space, fixed) if is_exhaustive(study) else None
    if points is None or num_untried(study.get_trials(deepcopy=False), points):
        return None
    return f"all {points} points of tune.space have been tried, and tune.sampler brute_force has no others"


class SamplerOfTrial(BaseSampler):
    """A new sampler for each trial: what is kept in memory, random numbers included, would be lost by a kill.

    One trial at a time: its values are all drawn before the next trial is begun.
    """

    def __init__(self, name: str, seed: int):
        self.name, self.seed = name, seed
        self._number: int | None = None
        self._sampler: BaseSampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._number = None
        self._of(study, trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._of(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._of(study, trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Nothing: CMA-ES would warn of constraints, and brute force would stop a loop that is not Optuna's."""

    def _of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        if trial.number != self._number:
            seed = int(np.random.SeedSequence([self.seed, _place(trial)]).generate_state(1)[0])
            with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
                self._number, self._sampler = trial.number, _new_sampler(self.name, seed, study.pruner)
        return self._sampler


def _place(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(DRAW, trial.number))


def _new_sampler(name: str, seed: int, pruner: BasePruner) -> BaseSampler:
    match name:
        case "tpe":
            return TPESampler(seed=seed, n_startup_trials=NUM_STARTUP_TRIALS, multivariate=True, group=True)
        case "gp":
            # It warns, once, that a package is absent which would only make it faster.
            logging.getLogger("optuna._gp.batched_lbfgsb").setLevel(logging.ERROR)
            return GPWithPrunedTrials(seed=seed, n_startup_trials=NUM_STARTUP_TRIALS, warn_independent_sampling=False)
        case "cmaes":
            # Where a pruner stops most trials, complete ones would hardly fill a generation.
            stops_most = isinstance(pruner, HyperbandPruner | SuccessiveHalvingPruner)
            return ReplayedCmaEs(seed=seed, consider_pruned_trials=stops_most, warn_independent_sampling=False)
        case "random":
            return RandomSampler(seed=seed)
        case "brute_force":
            return BruteForce(seed=seed)
    raise AssertionError(name)


class ReplayedCmaEs(CmaEsSampler):
    """Optuna's CMA-ES without the pickled optimizer that it keeps in the attributes of trials.

    The optimizer follows from the finished generations: they are told to a new one, in their order. Its own random
    numbers do not matter, since it is seeded for each trial. A generation is made of the first trials of it that
    ended, so that a late one does not change it.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._direction, self._space = study.directions[0], search_space
        placed = copy.copy(trial)
        placed.number = _place(trial)  # which is added to the seed
        return super().sample_relative(study, placed, search_space)

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        """After all full generations: the caller finds none to tell, and so has nothing to store."""
        transform = _SearchSpaceTransform(self._space, transform_step=True, transform_0_1=True)
        sign = 1 if self._direction == StudyDirection.MINIMIZE else -1
        optimizer = self._init_optimizer(transform, self._direction)
        assert isinstance(optimizer, cmaes.CMA)
        ended = sorted(completed_trials, key=lambda trial: trial.datetime_complete.timestamp())  # type: ignore[union-attr]
        while len(members := self._get_solution_trials(ended, optimizer.generation)) >= optimizer.population_size:
            first = members[: optimizer.population_size]
            optimizer.tell([(transform.transform(trial.params), sign * (trial.value or 0.0)) for trial in first])
        return optimizer

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        raise AssertionError("no optimizer is stored")


class GPWithPrunedTrials(GPSampler):
    """Optuna's Gaussian process, which learns from pruned trials as well: else it proposes their values again.

    A trial that was pruned counts with its last report, or as the worst if it has none, which is so if it broke a
    limit before training; limits that were not looked at count as just kept.
    """

    def _sample_relative_impl(
        self,
        study: Study,
        completed_trials: list[FrozenTrial],
        running_trials: list[FrozenTrial],
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        worst = [
            max(values) if direction == StudyDirection.MINIMIZE else min(values)
            for direction, *values in zip(study.directions, *(trial.values for trial in completed_trials), strict=True)
        ]
        limits = completed_trials[0].constraints
        pruned = [
            create_trial(
                values=trial.values or worst,
                params=trial.params,
                distributions=trial.distributions,
                constraints={name: trial.constraints.get(name, 0.0) for name in limits},
            )
            for trial in study._get_trials(deepcopy=False, states=(TrialState.PRUNED,), use_cache=False)
            if search_space.keys() <= trial.params.keys()
        ]
        return super()._sample_relative_impl(study, [*completed_trials, *pruned], running_trials, search_space)


class BruteForce(BruteForceSampler):
    """Optuna's, for which every failed trial had tried its values, even one that had none yet."""

    @staticmethod
    def _populate_tree(tree: Any, trials: list[FrozenTrial], params: dict[str, Any]) -> None:
        BruteForceSampler._populate_tree(tree, [trial for trial in trials if was_tried(trial)], params)
