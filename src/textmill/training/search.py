"""Hyperparameter search: an Optuna study of short training runs that can be killed and continued."""

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import optuna
import pytorch_lightning as pl
from optuna.trial import FrozenTrial, Trial, TrialState
from torch import nn

from textmill.errors import UserError
from textmill.training.callbacks import MONITOR
from textmill.training.dataset import TrainingData
from textmill.training.failures import DivergedTraining
from textmill.training.fit import fit
from textmill.training.settings import Hyperparameters, Settings

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
NUM_STARTUP_TRIALS = 4  # drawn at random before TPE has a model, and before the pruner may stop a trial


class NothingLearned(UserError):
    """A search ended without one complete trial."""


@dataclass(frozen=True)
class Dimension:
    """One searched key: a float range, on a logarithmic scale if `log`; `default` is tried first."""

    low: float
    high: float
    log: bool
    default: float


@dataclass(frozen=True)
class SearchSettings:
    num_trials: int  # finished trials wanted in all, complete or pruned
    reports_per_epoch: int
    prune: bool  # stop trials below the median of the others


class ReportToTrial(pl.Callback):
    """Report each validation to the trial, and stop it when the pruner says so."""

    def __init__(self, trial: Trial):
        self.trial = trial

    def on_validation_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        self.trial.report(float(trainer.callback_metrics[MONITOR]), step=trainer.global_step)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def search(
    model: nn.Module,
    data: TrainingData,
    settings: Settings,
    space: dict[str, Dimension],
    fixed: dict[str, float],
    limits: SearchSettings,
    *,
    storage: str,
    name: str,
    on_trial: Callable[[FrozenTrial], None] | None = None,
    progress: bool = True,
) -> optuna.Study:
    """Run the trials that the study still lacks; each trains a copy of `model` and is scored on validation.

    The study is found again by its name. Trials left RUNNING by a killed process are marked FAIL (the caller
    makes sure that nobody else works on the study), and precisely the missing ones are run.

    Args:
        space: searched keys of `Hyperparameters`; those in `fixed` are pinned.
        on_trial: told of every trial that this call finished.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=_pruner(limits.prune)
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    # A sampler seeded alike after a restart would repeat its first suggestions.
    study.sampler = optuna.samplers.TPESampler(
        seed=settings.seed + len(study.trials), n_startup_trials=NUM_STARTUP_TRIALS
    )
    # Also after a kill in the very first trial: what is compared with the defaults must have met them.
    if not study.get_trials(deepcopy=False, states=(*FINISHED, TrialState.WAITING)):
        study.enqueue_trial({key: dimension.default for key, dimension in space.items() if key not in fixed})
    finished = len(study.get_trials(deepcopy=False, states=FINISHED))

    def objective(trial: Trial) -> float:
        hyper = suggest(trial, space, fixed)
        bar = f"trial {len(study.get_trials(deepcopy=False, states=FINISHED)) + 1}/{limits.num_trials}"
        try:
            fitted = fit(
                copy.deepcopy(model),
                data,
                settings,
                hyper,
                validations_per_epoch=limits.reports_per_epoch,
                callbacks=[ReportToTrial(trial)],
                progress=bar if progress else None,
            )
        except DivergedTraining as error:
            trial.set_user_attr("error", str(error))
            raise optuna.TrialPruned from error
        return fitted.score

    callbacks = [lambda _, trial: on_trial(trial)] if on_trial else []
    if finished < limits.num_trials:
        study.optimize(objective, n_trials=limits.num_trials - finished, callbacks=callbacks)
    return study


def suggest(trial: Trial, space: dict[str, Dimension], fixed: dict[str, float]) -> Hyperparameters:
    values = {
        key: fixed[key] if key in fixed else trial.suggest_float(key, d.low, d.high, log=d.log)
        for key, d in space.items()
    }
    return Hyperparameters(**values)


def defaults(space: dict[str, Dimension], fixed: dict[str, float]) -> Hyperparameters:
    """What is tried first, and what is used without a search."""
    return Hyperparameters(**{key: fixed.get(key, dimension.default) for key, dimension in space.items()})


def best(study: optuna.Study, fixed: dict[str, float]) -> dict[str, Any]:
    """The best complete trial: `values` of all hyperparameters, its number (`trial`) and `score`.

    Raises:
        NothingLearned: no trial ran to its end.
    """
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        reasons = {trial.user_attrs.get("error", "stopped by the pruner") for trial in study.trials}
        raise NothingLearned(
            f"None of the {len(study.trials)} trials of study {study.study_name} ran to its end: "
            f"{'; '.join(sorted(reasons))} Lower tune.space.learning_rate, or set tune.pruner: none."
        )
    values = asdict(Hyperparameters(**{**study.best_params, **fixed}))
    return {"values": values, "trial": study.best_trial.number, "score": study.best_value}


def describe(trial: FrozenTrial) -> dict[str, Any]:
    """A trial as plain JSON: number, state, score (its last report when pruned), values, seconds."""
    score = trial.value
    if score is None and trial.intermediate_values:
        score = trial.intermediate_values[max(trial.intermediate_values)]
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "score": score,
        "values": trial.params,
        "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else None,
    }


def _pruner(prune: bool) -> optuna.pruners.BasePruner:
    if not prune:
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=NUM_STARTUP_TRIALS)
