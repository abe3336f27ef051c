"""One training run: the loop that tune, train and the recipes share."""

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from torch import nn

from textmill.data.batches import ordered_batches, train_batches
from textmill.data.tokens import TokenArrays, read_meta
from textmill.tasks import Task
from textmill.training.callbacks import MONITOR, Curves, EpochLines, ProgressBar, Stopping
from textmill.training.lit_module import (
    Hyperparameters,
    LitClassifier,
    LogitsCollector,
    Loss,
    Schedule,
    cross_entropy,
)


@dataclass(frozen=True)
class TrainingData:
    """Token arrays of both splits; `indices` picks documents of the train split, None takes all."""

    train: TokenArrays
    validation: TokenArrays
    pad_id: int
    task: Task
    num_outputs: int  # logits of a document: labels, or 1 for regression
    indices: np.ndarray | None = None

    @classmethod
    def open(cls, folder: Path) -> "TrainingData":
        """Raises: MissingArtifact."""
        meta = read_meta(folder)
        splits = [TokenArrays.open(folder, split) for split in ("train", "validation")]
        return cls(splits[0], splits[1], meta["pad_id"], meta["task"], len(meta["labels"]) or 1)

    def sample(self, fraction: float, seed: int) -> "TrainingData":
        """The same share of each class of the train split, at least one document of each."""
        generator = np.random.default_rng(seed)
        kept = []
        for label in range(self.num_outputs):
            of_class = generator.permutation(np.flatnonzero(self.train.labels == label))
            kept.append(of_class[: max(1, round(fraction * len(of_class)))])
        return replace(self, indices=np.sort(np.concatenate(kept)))


@dataclass(frozen=True)
class Settings:
    """What the search does not choose."""

    batch_size: int  # most documents of a batch
    precision: str  # auto, 32-true, bf16-mixed or 16-mixed
    schedule: Schedule
    gradient_clip: float  # largest norm
    epochs: int
    patience: int  # epochs without a better validation macro-F1
    seed: int


@dataclass(frozen=True)
class Fitted:
    f1_macro: float  # best on validation
    curves: list[dict[str, float]]  # one entry a validation: epoch, step, losses, macro-F1


def fit(
    model: nn.Module,
    data: TrainingData,
    settings: Settings,
    hyper: Hyperparameters,
    *,
    loss: Loss = cross_entropy,
    checkpoints: Path | None = None,
    validations_per_epoch: int = 1,
    logger: Any = False,
    callbacks: Sequence[Callback] = (),
    progress: str | None = None,
) -> Fitted:
    """Train `model` in place; with `checkpoints`, it ends with the weights of its best epoch.

    Args:
        checkpoints: where the best and the last epoch are kept. A last epoch found there is continued:
            batches and dropout depend on seed and epoch only, so that the result is that of an undisturbed run.
        logger: a Lightning logger, or False.
        progress: what the progress bar calls this work, or None for no bar.

    Raises:
        DivergedTraining: the loss is not finite.
    """
    torch.manual_seed(settings.seed)
    curves = Curves()
    show_bar = progress is not None and sys.stdout.isatty()
    all_callbacks: list[Callback] = [curves, Stopping(settings.patience), *callbacks, *_checkpointing(checkpoints)]
    if progress:
        all_callbacks.append(ProgressBar(progress) if show_bar else EpochLines(progress))
    with _quiet():
        trainer = pl.Trainer(
            max_epochs=settings.epochs,
            accelerator="auto",
            devices=1,
            precision=_precision(settings.precision),
            gradient_clip_val=settings.gradient_clip,
            callbacks=all_callbacks,
            logger=logger,
            log_every_n_steps=20,
            num_sanity_val_steps=0,
            val_check_interval=1 / validations_per_epoch,
            enable_checkpointing=checkpoints is not None,
            enable_progress_bar=show_bar,
            enable_model_summary=False,
        )
        last = checkpoints / "last.ckpt" if checkpoints else None
        trainer.fit(
            LitClassifier(model.train(), hyper, settings.schedule, settings.seed, loss),
            train_batches(
                data.train, data.pad_id, batch_size=settings.batch_size, seed=settings.seed, indices=data.indices
            ),
            ordered_batches(data.validation, data.pad_id, batch_size=4 * settings.batch_size),
            ckpt_path=str(last) if last and last.exists() else None,
            weights_only=True,
        )
    if checkpoints:
        load_best(model, checkpoints)
    return Fitted(max((row[MONITOR] for row in curves.rows), default=float("nan")), curves.rows)


def _checkpointing(folder: Path | None) -> list[Callback]:
    """Keep the weights of the best epoch, and all that is needed to continue after the last one."""
    if folder is None:
        return []
    keep: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False}
    return [
        ModelCheckpoint(filename="best", monitor=MONITOR, mode="max", save_weights_only=True, **keep),
        ModelCheckpoint(filename="last", save_on_train_epoch_end=True, **keep),
    ]


def predict_logits(
    model: nn.Module, tokens: TokenArrays, pad_id: int, num_labels: int, settings: Settings
) -> torch.Tensor:
    """Logits of every document in its order: float32 [N, C], on the CPU."""
    collector = LogitsCollector(model, len(tokens), num_labels)
    with _quiet():
        trainer = pl.Trainer(
            accelerator="auto",
            devices=1,
            precision=_precision(settings.precision),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
        batches = ordered_batches(tokens, pad_id, batch_size=4 * settings.batch_size)
        trainer.validate(collector, batches, verbose=False)
    model.to("cpu")
    return collector.logits_NC


def load_best(model: nn.Module, checkpoints: Path) -> None:
    """Put the weights of the best epoch into the model."""
    state = torch.load(checkpoints / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model."
    model.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    model.to("cpu").eval()


def _precision(wanted: str) -> Any:
    """`auto` is bf16-mixed where matrix units for it exist, else full precision."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "32-true"


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's notes on hardware it found, on loader workers and on tips say nothing about this run."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
        warnings.filterwarnings("ignore", message=".*checkpoint.*directory.*exists.*", category=UserWarning)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
