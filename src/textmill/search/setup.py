"""From params.yaml to a study and what its trials do: here configuration stops."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, Trial

from textmill import tracking
from textmill.artifacts import read_table
from textmill.config import Params
from textmill.config.dimensions import MAX_LENGTH, equal
from textmill.config.dimensions import Dimension as DeclaredDimension
from textmill.config.searched import FAMILIES, override, searchable
from textmill.paths import Paths
from textmill.search.measures import Constraint
from textmill.search.objective import Measuring, Plan, TrialObjective
from textmill.search.space import Dimension, Space
from textmill.search.storage import storage_url
from textmill.search.study import StudySettings
from textmill.search.work import Limits, work
from textmill.training.builders import build_model, hyperparameters, settings
from textmill.training.dataset import TrainingData

# What decides a trial's result, beside the code that trains; how a study is kept, shared and shown does not.
_JUDGING = ("measures", "objective", "points", "pruners", "samplers", "setup", "space")
SEARCH_CODE = tuple(f"search/{name}.py" for name in _JUDGING)
# Keys of tune that do not: a study can be continued to more trials, by more workers, for longer, or be moved.
_FREE = ("num_trials", "timeout_minutes", "max_failures", "storage", "workers", "grace_seconds", "choice")


def lineage(params: Params, paths: Paths) -> dict[str, Any]:
    """What the study is made from, with the key that names it."""
    family = params.model.family
    declared = {
        "task": params.task,
        "model": {family: params.family_settings.model_dump()},
        "training": params.training.model_dump(),
        "tune": {
            **params.tune.model_dump(exclude={*_FREE, "space", "fixed"}),  # these two are the active family's
            "space": {name: one.model_dump() for name, one in getattr(params.tune.space, family).items()},
            "fixed": family_space(params)[1],
        },
        "seed": params.seed,
    }
    inputs = [paths.tokens, paths.pretrained, *([paths.folds] if params.tune.repeats.over == "folds" else [])]
    return tracking.lineage("tune", declared, [*tracking.TRAINING_CODE, *SEARCH_CODE], inputs)


def family_space(params: Params) -> tuple[Space, dict[str, Any]]:
    """The active family's search space, and the values that are pinned; the baseline has neither."""
    family = params.model.family
    if family not in FAMILIES:
        return {}, {}
    written = searchable(params, family)
    space = {name: _dimension(one, written[name]) for name, one in getattr(params.tune.space, family).items()}
    return space, {name: value for name, value in params.tune.fixed.items() if name in written}


def _dimension(declared: DeclaredDimension, written: Any) -> Dimension:
    """Args:
    written: the key's value in params.yaml, None for those that stand in tune.space only.
    """
    told = declared.model_dump()
    kind, default = told.pop("type"), told.pop("default")
    default = written if default is None else default
    when = {key: tuple(v) if isinstance(v, list) else (v,) for key, v in (told.pop("when") or {}).items()}
    choices = tuple(told.pop("choices", ()))
    if kind == "categorical":  # 1.0 may be written for 1: the same choice, but Optuna would give back the other
        default = next(choice for choice in choices if equal(choice, default))
    return Dimension(kind, default, choices=choices, when=when or None, **told)


def study_settings(params: Params, paths: Paths) -> StudySettings:
    """The study that params.yaml asks for."""
    tune, declared = params.tune, lineage(params, paths)
    return StudySettings(
        name=f"{params.project}-{declared['key'][:12]}",
        storage=storage_url(tune.storage, paths),
        sampler=tune.sampler,
        pruner=tune.pruner,
        seed=params.seed,
        num_reports=tune.repeats.number if tune.repeats.over != "none" else tune.epochs * tune.reports_per_epoch,
        objectives=tune.objectives,
        declared=declared,
    )


def is_searched(params: Params) -> bool:
    """Whether there is anything to search, and a trial to search it with."""
    space, fixed = family_space(params)
    return bool(params.tune.num_trials and space.keys() - fixed.keys())


def run_trials(
    params: Params,
    paths: Paths,
    study: optuna.Study,
    *,
    deadline: float | None,
    on_trial: Callable[[FrozenTrial], None] | None = None,
    progress: Callable[[Trial], str | None] = lambda trial: None,
) -> None:
    """Work on the study until it has the trials that params.yaml asks for, or the time is up.

    Args:
        deadline: by time.monotonic().

    Raises: TooManyFailures.
    """
    tune = params.tune
    space, fixed = family_space(params)
    limits = Limits(tune.num_trials, tune.max_failures, tune.grace_seconds, deadline)
    work(study, build_objective(params, paths, deadline, progress), space, fixed, limits, on_trial=on_trial)


def build_objective(
    params: Params, paths: Paths, deadline: float | None, progress: Callable[[Trial], str | None]
) -> TrialObjective:
    """What each trial does."""
    tune = params.tune
    whole = TrainingData.open(paths.tokens, paths.pretrained)
    planner = Planner(params, paths, whole.sample(tune.train_fraction, params.seed))
    measuring = Measuring(
        objectives=tune.objectives,
        constraints=[Constraint.parse(line) for line in tune.constraints],
        reports_per_epoch=tune.reports_per_epoch,
        fold_N=_folds(params, paths, whole) if tune.repeats.over == "folds" else None,
        num_repeats=tune.repeats.number,
        deadline=deadline,
    )
    return TrialObjective(planner, measuring, progress)


class Planner:
    """Makes the parts of a training from a trial's values and the number of the repeat.

    Token arrays are mapped once and cut once for each of the last lengths; weights are read once for each architecture
    and seed, as long as all of them together are no larger than `HELD_BYTES`.
    """

    HELD_BYTES = 2 * 10**9

    def __init__(self, params: Params, paths: Paths, data: TrainingData):
        self.params, self.paths, self.data = params, paths, data
        self._truncate = lru_cache(maxsize=4)(data.truncate)
        self._models: dict[str, Any] = {}

    def __call__(self, values: Mapping[str, Any], repeat: int) -> Plan:
        """Raises: UnusableValues, UnfitLength, UnusableWeights."""
        tune = self.params.tune
        seed = self.params.seed + (repeat if tune.repeats.over == "seeds" else 0)
        params = override(self.params.model_copy(update={"seed": seed}), values)
        return Plan(
            self._model(params),
            self._truncate(values.get(MAX_LENGTH)),
            settings(params, epochs=tune.epochs, patience=tune.epochs),
            hyperparameters(values),
        )

    def _model(self, params: Params) -> Any:
        """The untrained model, of which a copy is trained."""
        name = repr((params.seed, params.family_settings))
        if name not in self._models:
            model = build_model(params, self.paths, self.data.num_outputs, params.seed)
            if sum(map(_num_bytes, [model, *self._models.values()])) > self.HELD_BYTES:
                self._models.clear()
            self._models[name] = model
        return self._models[name]


def _num_bytes(model: Any) -> int:
    return sum(parameter.nbytes for parameter in model.parameters())


def _folds(params: Params, paths: Paths, data: TrainingData) -> NDArray[np.integer[Any]]:
    """The fold in which each document of the train split is held out."""
    ids = read_table(paths.split("train"), ["id"])["id"]
    assert len(ids) == len(data.train), "token arrays have the rows of the train split"
    return read_table(paths.folds).set_index("id")["fold"].loc[ids].to_numpy()
