"""Speed, loss, gradient norm, learning rate and memory while a model trains."""

import time
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

SECONDS = 5.0  # between two readings: each waits for the device, and each is one write to the logger


class Throughput(Callback):
    """Reads figures a few times a minute; `latest` has those of the last reading.

    train_loss: mean over the documents since the last reading. gradient_norm: mean over the steps, before clipping.
    learning_rate: of the head. documents_per_s, tokens_per_s: of all devices, without padding and validation.
    memory_mb: resident memory of this process. gpu_memory_mb: most that torch has held at once on the GPU.
    """

    def __init__(self) -> None:
        self.latest: dict[str, float] = {}
        self._clear()

    def _clear(self) -> None:
        self._num_documents, self._num_norms = 0, 0
        self._num_tokens: Any = 0
        self._loss: Any = 0.0
        self._norm: Any = 0.0
        self._since = time.perf_counter()

    def on_train_epoch_start(self, *_: Any) -> None:
        self._clear()

    def on_train_start(self, *_: Any) -> None:
        self._clear()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, _: Any, batch: Any, batch_idx: int) -> None:
        facts, size = pl_module.latest, len(batch["index_B"])
        self._num_documents += size
        self._num_tokens = self._num_tokens + batch["attention_mask_WT"].sum()
        self._loss = self._loss + facts.loss * size
        if facts.gradient_norm is not None:
            self._num_norms += 1
            self._norm = self._norm + facts.gradient_norm
        if time.perf_counter() - self._since >= SECONDS:
            self._read(trainer)

    def on_validation_start(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        self._read(trainer)

    def on_validation_end(self, *_: Any) -> None:
        self._clear()

    def _read(self, trainer: pl.Trainer) -> None:
        if not self._num_documents:
            return
        num_tokens = int(self._num_tokens)  # waits for the device
        seconds = time.perf_counter() - self._since
        self.latest = {
            "train_loss": float(self._loss) / self._num_documents,
            "learning_rate": max(group["lr"] for group in trainer.optimizers[0].param_groups),
            "documents_per_s": trainer.world_size * self._num_documents / seconds,
            "tokens_per_s": trainer.world_size * num_tokens / seconds,
            "memory_mb": psutil.Process().memory_info().rss / 1e6,
        }
        if self._num_norms:
            self.latest["gradient_norm"] = float(self._norm) / self._num_norms
        if torch.cuda.is_available():
            self.latest["gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 1e6
        if trainer.logger is not None and trainer.is_global_zero:
            trainer.logger.log_metrics(self.latest, step=trainer.global_step)
        self._clear()
