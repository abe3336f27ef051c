"""One training run: the loop that tune, train, its seeds and folds, and the recipes share."""

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from textmill.data.batches import ordered_batches, train_batches
from textmill.data.tokens import TokenArrays
from textmill.models.size import num_parameters
from textmill.tasks import PRIMARY, PRIMARY_NAMES
from textmill.training.augmentation import build_augment
from textmill.training.averaging import WeightAverage
from textmill.training.callbacks import MONITOR, Curves, EpochLines, EvenValidations, ProgressBar, Stopping
from textmill.training.checkpoints import AtomicCheckpoints, BestWeights, LastState, find_last, load_best
from textmill.training.dataset import TrainingData
from textmill.training.devices import share_batches, trainer_arguments
from textmill.training.failures import memory_explained
from textmill.training.lit_module import LitClassifier, LogitsCollector
from textmill.training.lora import low_rank_updates
from textmill.training.objective import Loss, build_loss, build_metric
from textmill.training.optimizer import freeze
from textmill.training.settings import Hyperparameters, Settings
from textmill.training.throughput import Throughput

VALIDATION_FACTOR = 4  # documents of a batch for one in training: no gradients are kept


@dataclass(frozen=True)
class Fitted:
    score: float  # best on validation: the task's primary figure
    curves: list[dict[str, float]]  # one entry an epoch: epoch, step, train_loss, validation_loss, validation_score


def fit(
    model: nn.Module,
    data: TrainingData,
    settings: Settings,
    hyper: Hyperparameters,
    *,
    loss: Loss | None = None,
    checkpoints: Path | None = None,
    validations_per_epoch: int = 1,
    logger: Any = False,
    callbacks: Sequence[Callback] = (),
    progress: str | None = None,
) -> Fitted:
    """Train `model` in place; with `checkpoints`, it ends with the weights of its best epoch.

    Args:
        loss: what is minimised instead of the task's own loss.
        checkpoints: folder of the best weights and the last state. A state found there is continued: batches and
            dropout depend on seed and place in the epoch only, so that the result is that of an undisturbed run.
        validations_per_epoch: the last of them at its end; fewer if the epoch has fewer batches.
        logger: a Lightning logger, or False.
        progress: what the progress bar calls this work, or None for no bar.

    Raises: DivergedTraining, OutOfMemory, UnusableCheckpoint, UnfitDevice, UnfitLoss, NoAttention, NoMaskedModel,
        TooManyFrozen.
    """
    torch.manual_seed(settings.seed)
    train = _train_batches(data, settings)
    module = LitClassifier(
        model.train(),
        hyper,
        settings,
        loss=loss or _own_loss(data, settings),
        plain_loss=build_loss(data.task, data.num_outputs, target=data.target),
        metric=build_metric(data.task, data.num_outputs, data.target),
        num_batches=train.__len__,
        stamp=_stamp(model, data, settings, hyper),
    )
    curves = Curves()
    watching = _callbacks(curves, data, settings, checkpoints, progress)
    if validations_per_epoch > 1:
        watching.append(EvenValidations(validations_per_epoch))
    with quiet(), memory_explained(settings, data), _prepared(model, settings):
        trainer = _trainer(settings, [*callbacks, *watching], logger)
        validation = share_batches(_scoring_batches(data.validation, data.pad_id, settings), trainer)
        last = find_last(checkpoints, module.stamp)
        trainer.fit(module, train, validation, ckpt_path=last, weights_only=True)
        if checkpoints:
            load_best(model, checkpoints)
    return Fitted(max((row[MONITOR] for row in curves.rows), default=float("nan")), curves.rows)


def _own_loss(data: TrainingData, settings: Settings) -> Loss:
    labels = data.train.labels if data.indices is None else data.train.labels[data.indices]
    return build_loss(
        data.task, data.num_outputs, **asdict(settings.loss), train_labels=np.asarray(labels), target=data.target
    )


def _stamp(model: nn.Module, data: TrainingData, settings: Settings, hyper: Hyperparameters) -> dict[str, Any]:
    """What must be equal for a checkpoint to be continued."""
    told = asdict(settings)
    for irrelevant in ("checkpoint_minutes", "patience"):
        del told[irrelevant]
    return {
        **told,
        **asdict(hyper),
        "num_documents": len(data.train if data.indices is None else data.indices),
        "max_length": data.max_length,
        "num_parameters": num_parameters(model),
    }


@contextmanager
def _prepared(model: nn.Module, settings: Settings) -> Iterator[None]:
    """For training, some weights are frozen or stand aside, and calls are compiled; afterwards all is as it was."""
    trained = [parameter.requires_grad for parameter in model.parameters()]
    with low_rank_updates(model, settings.lora):
        # Before Lightning wraps the model: devices exchange gradients of what is trained then.
        freeze(cast(Any, model).depth_groups(), settings.freeze_layers)
        attends = hasattr(model, "set_training")  # training.packing is a key of the transformer's
        if attends:
            cast(Any, model).set_training(True, settings.packing)
        if settings.compile:
            model.compile(dynamic=True)  # in place: the names of the weights stay
        try:
            yield
        finally:
            model._compiled_call_impl = None
            if attends:
                cast(Any, model).set_training(False)
    for parameter, flag in zip(model.parameters(), trained, strict=True):
        parameter.requires_grad_(flag)


def _callbacks(
    curves: Curves, data: TrainingData, settings: Settings, folder: Path | None, progress: str | None
) -> list[Callback]:
    throughput = Throughput()
    found: list[Callback] = [throughput, curves, Stopping(settings.patience)]
    average = None
    if settings.averaging != "none":
        average = WeightAverage(settings.averaging, settings.ema_decay, settings.swa_start)
        found.append(average)
    if progress and sys.stdout.isatty():
        found.append(ProgressBar(progress, throughput))
    elif progress:
        found.append(EpochLines(progress, PRIMARY_NAMES[PRIMARY[data.task]], throughput))
    if folder:
        found += [BestWeights(folder, MONITOR, average), LastState(folder, settings.checkpoint_minutes)]
    return found


def _trainer(settings: Settings, callbacks: list[Callback], logger: Any) -> pl.Trainer:
    return pl.Trainer(
        **trainer_arguments(settings),
        max_epochs=settings.epochs,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.gradient_clip,
        callbacks=callbacks,
        logger=logger,
        plugins=[AtomicCheckpoints()],
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # ours share the batches themselves
        enable_checkpointing=any(isinstance(callback, LastState) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
        enable_model_summary=False,
    )


def _train_batches(data: TrainingData, settings: Settings) -> DataLoader[int]:
    return train_batches(
        data.train,
        data.pad_id,
        batch_size=settings.batch_size,
        batch_tokens=settings.batch_tokens,
        seed=settings.seed,
        indices=data.indices,
        augment=build_augment(data, settings.augmentation),
    )


def _scoring_batches(tokens: TokenArrays, pad_id: int, settings: Settings) -> DataLoader[int]:
    most = None if settings.batch_tokens is None else VALIDATION_FACTOR * settings.batch_tokens
    return ordered_batches(tokens, pad_id, batch_size=VALIDATION_FACTOR * settings.batch_size, batch_tokens=most)


def predict_logits(
    model: nn.Module, tokens: TokenArrays, pad_id: int, num_labels: int, settings: Settings
) -> torch.Tensor:
    """Logits of every document in its order: float32 [N, C], on the CPU."""
    collector = LogitsCollector(model, len(tokens), num_labels)
    with quiet():
        trainer = pl.Trainer(
            **{**trainer_arguments(settings), "devices": 1, "strategy": "auto"},
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.validate(collector, _scoring_batches(tokens, pad_id, settings), verbose=False)
    model.to("cpu")
    return collector.logits_NC


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning's notes on hardware it found, on loader workers and on tips say nothing about this run."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
        warnings.filterwarnings("ignore", message=".*is smaller than the logging interval.*")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
