"""What watches a training run: curves, early stopping, and the progress that a person sees."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, TQDMProgressBar

from textmill.training.failures import DivergedTraining
from textmill.training.throughput import Throughput

MONITOR = "validation_score"


class Curves(Callback):
    """Keeps what each epoch saw; its state lies in the checkpoint, so that a resumed run keeps all of it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._loss: Any = 0.0  # summed over the documents of the epoch
        self._num_documents = 0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, _: Any, batch: Any, batch_idx: int) -> None:
        size = len(batch["index_B"])
        self._loss = self._loss + pl_module.latest.loss * size
        self._num_documents += size

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        figures = {name: float(trainer.callback_metrics[name]) for name in ("validation_loss", MONITOR)}
        row = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        if not math.isfinite(figures["validation_loss"]):
            raise DivergedTraining(
                f"The validation loss is {figures['validation_loss']} after epoch {row['epoch']}: the weights are "
                "not finite. Try a lower learning rate, or training.precision: 32-true."
            )
        sums = torch.as_tensor([float(self._loss), self._num_documents], device=pl_module.device)
        loss, num_documents = trainer.strategy.reduce(sums, reduce_op="sum").tolist()  # of all devices
        self.rows.append({**row, "train_loss": loss / num_documents, **figures})
        self._loss, self._num_documents = 0.0, 0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "loss": float(self._loss), "num_documents": self._num_documents}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._loss = state_dict["rows"], state_dict["loss"]
        self._num_documents = state_dict["num_documents"]


class Stopping(EarlyStopping):
    """Stops after `patience` epochs without a better score, however often an epoch is validated."""

    def __init__(self, patience: int):
        super().__init__(MONITOR, mode="max", patience=patience, check_on_train_epoch_end=True)

    def on_train_start(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        # A run that was killed after it had stopped would train on: that it stopped is not in the checkpoint.
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class EvenValidations(Callback):
    """Validates so many times an epoch, each after as many batches as may be, and at its end in any case.

    Lightning's own `val_check_interval` rounds down: with 13 batches, a half is 6, and the 13th is never validated;
    with 5 batches, a third is 1, and there are five validations.
    """

    def __init__(self, per_epoch: int):
        self.per_epoch = per_epoch

    def on_train_batch_start(self, trainer: pl.Trainer, _: Any, __: Any, batch_idx: int) -> None:
        number, total = batch_idx + 1, int(trainer.num_training_batches)
        is_due = number * self.per_epoch // total > batch_idx * self.per_epoch // total
        # Lightning asks after the batch whether its number is a multiple of this.
        trainer.val_check_batch = number if is_due else total


class EpochLines(Callback):
    """One line a validation, for logs, where a bar would fill pages."""

    def __init__(self, name: str, score: str, throughput: Throughput):
        self.name, self.score, self.throughput = name, score, throughput

    def on_validation_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        figures = trainer.callback_metrics
        print(
            f"{self.name}: epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, step {trainer.global_step}, "
            f"validation loss {figures['validation_loss']:.4f}, {self.score} {figures[MONITOR]:.4f}"
            + "".join(f", {value} {unit}" for unit, value in _rates(self.throughput).items()),
            flush=True,
        )


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, named after the work, with its speed and without the columns that mean nothing here."""

    def __init__(self, name: str, throughput: Throughput):
        super().__init__(refresh_rate=10)
        self.name, self.throughput = name, throughput

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(f"{self.name}, epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        shown = {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k != "v_num"}
        latest = self.throughput.latest
        return {
            **shown,
            **({"train_loss": f"{latest['train_loss']:.3f}"} if latest else {}),
            **_rates(self.throughput),
        }


def _rates(throughput: Throughput) -> dict[str, str]:
    units = {"documents/s": "documents_per_s", "tokens/s": "tokens_per_s"}
    return {unit: f"{throughput.latest[key]:,.0f}" for unit, key in units.items() if throughput.latest}
