"""The LightningModule that trains every family.

Shape suffixes: B documents of a batch, T tokens, C classes, N documents of the train split.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.classification import MulticlassF1Score

from textmill.data.batches import Batch, pool_windows
from textmill.errors import UserError

Schedule = Literal["linear", "cosine", "constant"]


class DivergedTraining(UserError):
    """The loss is not a number any more."""


@dataclass(frozen=True)
class Hyperparameters:
    """What the search chooses."""

    learning_rate: float  # peak, after warm-up
    weight_decay: float  # of matrices; biases and norms have none
    warmup_fraction: float  # share of all steps
    dropout: float


class Loss(Protocol):
    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        """Mean loss of a batch, a float32 scalar."""


def document_logits(model: nn.Module, batch: Batch) -> Tensor:
    """Logits of the batch's documents, those of windows averaged: float32 [B, C]."""
    logits_WC = model(batch["input_ids_WT"], batch["attention_mask_WT"]).float()
    return pool_windows(logits_WC, batch)


def cross_entropy(logits_BC: Tensor, batch: Batch) -> Tensor:
    return F.cross_entropy(logits_BC, batch["labels_B"])


class LitClassifier(pl.LightningModule):
    """AdamW with warm-up and decay around a model of `models/`.

    Logs `train_loss`, `validation_loss` and `validation_score`.
    """

    def __init__(
        self, model: nn.Module, hyper: Hyperparameters, schedule: Schedule, seed: int, loss: Loss = cross_entropy
    ):
        super().__init__()
        self.model, self.hyper, self.schedule, self.seed, self.loss = model, hyper, schedule, seed, loss
        model.set_dropout(hyper.dropout)  # type: ignore[operator]
        self.f1_macro = MulticlassF1Score(model.head.out_features, average="macro")  # type: ignore[union-attr, arg-type]

    def on_train_batch_start(self, *_: Any) -> None:
        # Dropout draws the same numbers whether or not the run was killed and continued before this step.
        torch.manual_seed(self.seed * 1_000_003 + self.global_step)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        logits_BC = document_logits(self.model, batch)
        loss = self.loss(logits_BC, batch)
        if not torch.isfinite(loss):
            raise DivergedTraining(
                f"The training loss is {loss.item()} at step {self.global_step} (epoch {self.current_epoch}). "
                f"The peak learning rate is {self.hyper.learning_rate:g}: try a lower one, "
                "or training.precision: 32-true."
            )
        self.log("train_loss", loss, on_step=True, on_epoch=True, prog_bar=True, batch_size=len(logits_BC))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        logits_BC = document_logits(self.model, batch)
        self.f1_macro(logits_BC, batch["labels_B"])
        self.log("validation_loss", cross_entropy(logits_BC, batch), batch_size=len(logits_BC))
        self.log("validation_score", self.f1_macro, prog_bar=True)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # Lightning clips no gradients of a fused optimizer, for fp16's sake, where we do not use it.
        if gradient_clip_val is not None:
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> Any:
        decayed = [p for p in self.model.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.model.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.hyper.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        # The fused step unscales fp16 gradients itself, after clipping: it would clip scaled ones.
        fused = self.trainer.precision != "16-mixed"
        optimizer = torch.optim.AdamW(groups, lr=self.hyper.learning_rate, fused=fused)
        num_steps = int(self.trainer.estimated_stepping_batches)
        scheduler = _scheduler(optimizer, self.schedule, int(self.hyper.warmup_fraction * num_steps), num_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class LogitsCollector(pl.LightningModule):
    """Keeps the logits of every document that it is validated on, in evaluation mode."""

    def __init__(self, model: nn.Module, num_documents: int, num_labels: int):
        super().__init__()
        self.model = model
        self.logits_NC = torch.empty(num_documents, num_labels)

    def validation_step(self, batch: Batch, _: int) -> None:
        self.logits_NC[batch["index_B"].cpu()] = document_logits(self.model, batch).cpu()


def _scheduler(
    optimizer: torch.optim.Optimizer, schedule: Schedule, num_warmup_steps: int, num_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    from transformers import get_scheduler

    name = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}[schedule]
    return get_scheduler(name, optimizer, num_warmup_steps=num_warmup_steps, num_training_steps=num_steps)
