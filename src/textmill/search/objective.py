"""What a trial does: it trains with its values on a part of the train split, and is measured on validation."""

import copy
import gc
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from optuna.trial import Trial
from torch import nn

from textmill.search.measures import OVER_LIMIT, UNTRAINED, Constraint, measure_model
from textmill.search.work import OutOfTime
from textmill.training.callbacks import MONITOR
from textmill.training.crossvalidation import take
from textmill.training.dataset import TrainingData
from textmill.training.failures import DivergedTraining
from textmill.training.fit import Fitted, fit
from textmill.training.settings import Hyperparameters, Settings

EPOCHS = "epochs"  # attribute of a trial: epochs of training that it cost, a fraction where it was stopped
FIGURES = "figures"  # attribute: all that was measured, by metric; without quality and loss if it was stopped
_LOGGED = {"quality": MONITOR, "loss": "validation_loss"}  # by metric, what training calls it
_ROUNDING = 1e-6  # of an epoch


@dataclass(frozen=True)
class Plan:
    """What one training of a trial is made of."""

    model: nn.Module  # untrained; a copy is trained
    data: TrainingData
    settings: Settings
    hyper: Hyperparameters


@dataclass(frozen=True)
class Measuring:
    objectives: Sequence[str]  # of measures.METRICS
    constraints: Sequence[Constraint]
    reports_per_epoch: int
    fold_N: NDArray[np.integer[Any]] | None = None  # with repeats over folds: where each train document is held out
    num_repeats: int = 1
    deadline: float | None = None  # by time.monotonic()

    @property
    def metrics(self) -> list[str]:
        """All that is asked for."""
        return list(dict.fromkeys([*self.objectives, *(constraint.metric for constraint in self.constraints)]))

    @property
    def reported(self) -> str | None:
        """What a trial reports as it goes on; nothing where Optuna cannot prune, or where training changes nothing."""
        return self.objectives[0] if len(self.objectives) == 1 and self.objectives[0] in _LOGGED else None


class Clock(pl.Callback):
    """Counts the epochs that a trial costs, and ends it when there is no time left."""

    def __init__(self, deadline: float | None):
        self.deadline, self.epochs = deadline, 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.epochs += 1 / trainer.num_training_batches
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime


class ReportToTrial(pl.Callback):
    """Report each validation to the trial, which stops if the pruner says so.

    The step is the number of even parts of an epoch, not of the optimizer step: trials with other batch sizes are
    compared after the same number of documents. After the last report nothing could be saved, and the pruner is not
    asked.
    """

    def __init__(self, trial: Trial, logged: str, reports_per_epoch: int, num_reports: int, clock: Clock):
        self.trial, self.logged, self.clock = trial, logged, clock
        self.reports_per_epoch, self.num_reports = reports_per_epoch, num_reports

    def on_validation_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        value = float(trainer.callback_metrics[self.logged])
        if not math.isfinite(value):
            raise DivergedTraining(
                f"The {self.logged} is {value} after {self.clock.epochs:.2f} epochs. Lower the highest learning rate "
                "of tune.space, or set training.precision: 32-true."
            )
        step = math.floor((self.clock.epochs + _ROUNDING) * self.reports_per_epoch)
        self.trial.report(value, step=step)
        if step < self.num_reports and self.trial.should_prune():
            raise optuna.TrialPruned


class TrialObjective:
    """Called with a trial and its values, it returns a figure for each of `measuring.objectives`.

    quality is the best validation score of the epochs, loss their lowest validation loss; with repeats, the means over
    the trainings. With folds, the part of the train split that is held out takes the place of validation.
    """

    def __init__(
        self,
        plan: Callable[[Mapping[str, Any], int], Plan],
        measuring: Measuring,
        progress: Callable[[Trial], str | None] = lambda trial: None,
    ):
        """Args:
        plan: makes the parts of a training from the values and the number of the repeat, from 0 on.
        progress: what the progress bar calls the trial, or None for no bar.
        """
        self.plan, self.measuring, self.progress = plan, measuring, progress
        self._untrained: dict[str, float] = {}
        self._measured: tuple[nn.Module, int] | None = None  # which model, at which length, `_untrained` is of

    def __call__(self, trial: Trial, values: Mapping[str, Any]) -> list[float]:
        """Raises: TrialPruned, OutOfTime, DivergedTraining, OutOfMemory."""
        with _leaving_nothing():
            figures = self._measure(trial, values)
        return [figures[name] for name in self.measuring.objectives]

    def _measure(self, trial: Trial, values: Mapping[str, Any]) -> dict[str, float]:
        clock = Clock(self.measuring.deadline)
        try:
            plan = self.plan(values, 0)
            figures = self._measure_untrained(trial, plan)
            if set(_LOGGED) & set(self.measuring.metrics):
                figures |= self._train(trial, values, plan, clock)
        finally:
            trial.set_user_attr(EPOCHS, round(clock.epochs, 3))
        self._judge(trial, figures)
        return figures

    def _measure_untrained(self, trial: Trial, plan: Plan) -> dict[str, float]:
        """Latency and size. Raises: TrialPruned: they break a limit, so that training would be in vain."""
        if (plan.model, plan.data.max_length) != self._measured:
            wanted = [name for name in UNTRAINED if name in self.measuring.metrics]
            self._untrained = measure_model(plan.model, plan.data, wanted)
            self._measured = plan.model, plan.data.max_length
        figures = dict(self._untrained)
        if figures and (broken := self._judge(trial, figures)):
            trial.set_user_attr(OVER_LIMIT, ", ".join(broken))
            raise optuna.TrialPruned
        return figures

    def _judge(self, trial: Trial, figures: Mapping[str, float]) -> list[str]:
        """Keep the figures with the trial, and its place within the limits; return the limits that it breaks."""
        trial.set_user_attr(FIGURES, dict(figures))
        broken = []
        for constraint in self.measuring.constraints:
            if constraint.metric in figures and str(constraint) not in trial.constraints:
                value = figures[constraint.metric]
                trial.set_constraint(str(constraint), constraint.violation(value))
                broken += [f"{constraint} ({value:.4g})"] if constraint.violation(value) > 0 else []
        return broken

    def _train(self, trial: Trial, values: Mapping[str, Any], plan: Plan, clock: Clock) -> dict[str, float]:
        """Quality and loss: of one training, or the means over the repeats, which are reported one by one."""
        number, reported = self.measuring.num_repeats, self.measuring.reported
        if number == 1:
            return _figures(self._fit(trial, plan, clock, self.progress(trial), reports=reported))
        repeats: list[dict[str, float]] = []
        for repeat in range(number):
            part = self._part(self.plan(values, repeat), repeat)
            label = self.progress(trial)
            label = label and f"{label}, {repeat + 1}/{number}"
            repeats.append(_figures(self._fit(trial, part, clock, label, reports=None)))
            if reported:
                trial.report(repeats[-1][reported], step=repeat + 1)
                if repeat + 1 < number and trial.should_prune():
                    raise optuna.TrialPruned
        return {name: fmean(figures[name] for figures in repeats) for name in _LOGGED}

    def _part(self, plan: Plan, repeat: int) -> Plan:
        """Of a repeat over folds: what it learns from and what is held out; a repeat over seeds has all documents."""
        fold_N = self.measuring.fold_N
        if fold_N is None:
            return plan
        data = plan.data
        indices = np.arange(len(data.train)) if data.indices is None else data.indices
        held_out = take(data.train, np.flatnonzero(fold_N == repeat))
        return replace(plan, data=replace(data, indices=indices[fold_N[indices] != repeat], validation=held_out))

    def _fit(self, trial: Trial, plan: Plan, clock: Clock, label: str | None, *, reports: str | None) -> Fitted:
        callbacks: list[pl.Callback] = [clock]
        per_epoch = self.measuring.reports_per_epoch if reports else 1
        if reports:
            num_reports = plan.settings.epochs * per_epoch
            callbacks.append(ReportToTrial(trial, _LOGGED[reports], per_epoch, num_reports, clock))
        return fit(
            copy.deepcopy(plan.model),
            plan.data,
            plan.settings,
            plan.hyper,
            validations_per_epoch=per_epoch,
            callbacks=callbacks,
            progress=label,
        )


@contextmanager
def _leaving_nothing() -> Iterator[None]:
    """Free the memory of a training, whose parts refer to each other in circles that only a collection opens.

    What was there before is not looked at, so that it takes milliseconds.
    """
    gc.freeze()
    try:
        yield
    except BaseException as error:
        reason: BaseException | None = error
        while reason:  # their frames hold the model
            traceback.clear_frames(reason.__traceback__)
            reason = reason.__cause__ or reason.__context__
        raise
    finally:
        gc.collect()
        gc.unfreeze()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _figures(fitted: Fitted) -> dict[str, float]:
    """Of one training, by metric."""
    return {"quality": fitted.score, "loss": min(row["validation_loss"] for row in fitted.curves)}
