"""The LightningModule that trains every family.

Shape suffixes: B documents of a batch, W windows of them, T tokens, C outputs, N documents of a split.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from textmill.data.batches import Batch, pool_windows
from textmill.training.checkpoints import STAMP
from textmill.training.failures import StepFacts
from textmill.training.objective import Loss
from textmill.training.optimizer import build_optimizer, build_scheduler, step_mean_factor
from textmill.training.settings import Hyperparameters, Settings


def document_logits(model: nn.Module, batch: Batch) -> Tensor:
    """Logits of the batch's documents, those of windows averaged: float32 [B, C]."""
    logits_WC = model(batch["input_ids_WT"], batch["attention_mask_WT"]).float()
    return pool_windows(logits_WC, batch)


class LitClassifier(pl.LightningModule):
    """AdamW with warm-up and decay around a model of `models/`. Logs `validation_loss` and `validation_score`.

    Args:
        loss: what is minimised.
        plain_loss: what validation reports: the task's own, whatever is minimised.
        metric: the task's primary figure; its `update` takes logits [B, C] and labels.
        num_batches: of this device in an epoch, known when all devices have met.
        stamp: what the checkpoint says of this training.
    """

    def __init__(
        self,
        model: nn.Module,
        hyper: Hyperparameters,
        settings: Settings,
        *,
        loss: Loss,
        plain_loss: Loss,
        metric: Metric,
        num_batches: Callable[[], int],
        stamp: dict[str, Any] | None = None,
    ):
        super().__init__()
        self.model, self.hyper, self.settings = model, hyper, settings
        self.loss, self.plain_loss, self.metric = loss, plain_loss, metric
        self.num_batches, self.stamp = num_batches, stamp or {}
        self._facts: dict[str, Any] = {}
        self._is_checked = True
        self._gradient_norm: Tensor | None = None
        model.set_dropout(hyper.dropout)  # type: ignore[operator]

    def on_train_batch_start(self, _: Batch, batch_idx: int) -> None:
        # Dropout draws the same numbers whether or not the run was killed and continued before this batch.
        place = [self.settings.seed, self.current_epoch, batch_idx, self.global_rank]
        seed = int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0])
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:  # seeds every kind of device; those that are not there cost half a millisecond
            torch.manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.check_step()
        loss: Tensor = self.loss(document_logits(self.model, batch), batch)
        self._facts = {
            "step": self.global_step,
            "epoch": self.current_epoch,
            "learning_rate": max(group["lr"] for group in self.trainer.optimizers[0].param_groups),
            "loss": loss.detach(),
            "index_B": batch["index_B"],
            "may_overflow": self.trainer.precision == "16-mixed",
        }
        self._gradient_norm, self._is_checked = None, False
        return loss * step_mean_factor(batch_idx, self.num_batches(), self.settings.accumulate)

    @property
    def latest(self) -> StepFacts:
        """Of the last batch."""
        return StepFacts(**self._facts, gradient_norm=self._gradient_norm)

    def check_step(self) -> None:
        """Look at the loss and the gradient of the last batch, unless that was done; a GPU has finished it by now.

        Raises: DivergedTraining.
        """
        if not self._is_checked:
            self._is_checked = True
            self.latest.check()

    def on_validation_start(self) -> None:
        self.check_step()

    def validation_step(self, batch: Batch, _: int) -> None:
        logits_BC = document_logits(self.model, batch)
        self.metric.update(logits_BC, batch["labels_B"])
        size = len(batch["index_B"])
        self.log("validation_loss", self.plain_loss(logits_BC, batch), batch_size=size, sync_dist=True)
        self.log("validation_score", self.metric, prog_bar=True, batch_size=size)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # Lightning clips no gradients of a fused optimizer, for fp16's sake, where we do not use it.
        assert gradient_clip_val is not None
        if self.settings.trainer.strategy == "fsdp":  # the norm is of all devices' parts
            self._gradient_norm = self.trainer.model.clip_grad_norm_(gradient_clip_val)  # type: ignore[union-attr, operator]
        else:
            self._gradient_norm = nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(self.model, self.hyper, self.settings)
        # Lightning's own figure sets up the loader before the checkpoint is read, and would start the epoch anew.
        num_steps = math.ceil(self.num_batches() / self.settings.accumulate) * self.settings.epochs
        scheduler = build_scheduler(optimizer, self.settings.schedule, self.hyper.warmup_fraction, num_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[STAMP] = self.stamp


class LogitsCollector(pl.LightningModule):
    """Keeps the logits of every document that it is validated on, in evaluation mode."""

    def __init__(self, model: nn.Module, num_documents: int, num_labels: int):
        super().__init__()
        self.model = model
        self.logits_NC = torch.empty(num_documents, num_labels)

    def validation_step(self, batch: Batch, _: int) -> None:
        self.logits_NC[batch["index_B"].cpu()] = document_logits(self.model, batch).cpu()
