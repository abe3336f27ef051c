"""What a run leaves on disk while it trains: the state to go on from, and the weights of the best epoch.

A folder holds last.ckpt (weights, optimizer, schedule, position in the data, callbacks) and best.safetensors.
"""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint
from safetensors.torch import load_file, save_file
from torch import nn

from textmill.artifacts import atomic
from textmill.errors import UserError
from textmill.training.averaging import WeightAverage

LAST, BEST = "last.ckpt", "best.safetensors"
STAMP = "textmill"  # what a run says of itself in its checkpoint


class UnusableCheckpoint(UserError):
    """The state of an interrupted training is damaged, or of another training."""


class AtomicCheckpoints(TorchCheckpointIO):
    """Written beside the old file, then renamed; Lightning's own goes through memory, and through /tmp."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with atomic(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


class BestWeights(Checkpoint):
    """Writes the weights of an epoch that scores higher than all before; averaged ones where weights are averaged."""

    def __init__(self, folder: Path, monitor: str, average: WeightAverage | None):
        self.path, self.monitor, self.average = folder / BEST, monitor, average
        self.score = float("-inf")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        score = float(trainer.callback_metrics[self.monitor])
        if score <= self.score:
            return
        self.score = score
        if self.average is None:
            self._write(trainer)
        else:
            with self.average.in_place(pl_module.model):
                self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        prefix = "model."
        state = trainer.strategy.lightning_module_state_dict()  # whole, also where devices hold parts
        if trainer.is_global_zero:
            weights = {k.removeprefix(prefix): v.contiguous() for k, v in state.items() if k.startswith(prefix)}
            with atomic(self.path) as temporary:
                save_file(weights, temporary)

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.score = state_dict["score"]


class LastState(Checkpoint):
    """Writes the whole state after each epoch and, within one, when `minutes` have passed since the last time."""

    def __init__(self, folder: Path, minutes: float | None):
        self.path, self.minutes = folder / LAST, minutes
        self._written = time.monotonic()

    def on_train_start(self, *_: Any) -> None:
        self._written = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, _: Any, __: Any, ___: Any, batch_idx: int) -> None:
        if self.minutes is None:
            return
        num_batches = batch_idx + 1
        # Gradients are not in a checkpoint, nor is how far a validation has come.
        between_steps = num_batches % trainer.accumulate_grad_batches == 0
        interval = trainer.val_check_batch
        assert interval is not None
        validation_follows = num_batches % interval == 0 or num_batches == trainer.num_training_batches
        if between_steps and not validation_follows and self._is_due(trainer):
            self._write(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        self._write(trainer)

    def _is_due(self, trainer: pl.Trainer) -> bool:
        assert self.minutes is not None
        due = time.monotonic() - self._written >= 60 * self.minutes
        return bool(trainer.strategy.broadcast(due)) if trainer.world_size > 1 else due

    def _write(self, trainer: pl.Trainer) -> None:
        trainer.lightning_module.check_step()  # type: ignore[operator]  # never keep weights that cannot be trained on
        trainer.save_checkpoint(self.path)
        self._written = time.monotonic()


def find_last(folder: Path | None, stamp: dict[str, Any]) -> str | None:
    """The checkpoint to go on from, or None.

    Args:
        stamp: what this training says of itself, as plain JSON; the checkpoint must say the same.

    Raises: UnusableCheckpoint.
    """
    if folder is None or not (folder / LAST).exists():
        return None
    path = folder / LAST
    way_out = f"Delete {folder} to train from the beginning, or put the right file back."
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=False)[STAMP]
    except Exception as error:  # of zipfile, pickle, torch: whatever a damaged file causes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnusableCheckpoint(
            f"{path}, from which an interrupted training would go on, cannot be read: {reason}. {way_out}"
        ) from None
    differing = [
        f"{key} ({found.get(key)!r} there, {stamp.get(key)!r} here)"
        for key in sorted(found.keys() | stamp.keys())
        if found.get(key) != stamp.get(key)
    ]
    if differing:
        raise UnusableCheckpoint(f"{path} is of another training; it differs in {', '.join(differing)}. {way_out}")
    return str(path)


def load_best(model: nn.Module, folder: Path) -> None:
    """Put the weights of the best epoch into the model, on the CPU. Raises: UnusableCheckpoint."""
    try:
        weights = load_file(folder / BEST)
    except Exception as error:
        raise UnusableCheckpoint(
            f"{folder / BEST}, the weights of the best epoch, cannot be read: {error}. Delete {folder} to train anew."
        ) from None
    model.to("cpu").load_state_dict(weights)
    model.eval()
