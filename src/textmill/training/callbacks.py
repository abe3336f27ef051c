"""What watches a training run: curves, early stopping, and the progress that a person sees."""

import math
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping, TQDMProgressBar

from textmill.training.lit_module import DivergedTraining

MONITOR = "validation_score"


class Curves(Callback):
    """Keeps what each validation saw; its state lies in the checkpoint, so that a resumed run keeps all of it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        if not math.isfinite(figures["validation_loss"]):
            raise DivergedTraining(
                f"The validation loss is {figures['validation_loss']} after epoch {row['epoch']}: the weights are "
                "not finite. Try a lower learning rate, or training.precision: 32-true."
            )
        names = {"train_loss_epoch": "train_loss", "validation_loss": "validation_loss", MONITOR: MONITOR}
        self.rows.append({**row, **{short: figures[name] for name, short in names.items()}})

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class Stopping(EarlyStopping):
    """Stops after `patience` epochs without a better score, however often an epoch is validated."""

    def __init__(self, patience: int):
        super().__init__(MONITOR, mode="max", patience=patience, check_on_train_epoch_end=True)

    def on_train_start(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        # A run that was killed after it had stopped would train on: that it stopped is not in the checkpoint.
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class EpochLines(Callback):
    """One line a validation, for logs, where a bar would fill pages."""

    def __init__(self, name: str):
        self.name = name

    def on_validation_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        figures = trainer.callback_metrics
        print(
            f"{self.name}: epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, step {trainer.global_step}, "
            f"validation loss {figures['validation_loss']:.4f}, macro-F1 {figures[MONITOR]:.4f}",
            flush=True,
        )


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, named after the work and without the columns that mean nothing here."""

    def __init__(self, name: str):
        super().__init__(refresh_rate=10)
        self.name = name

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(f"{self.name}, epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        hidden = {"v_num", "train_loss_epoch"}
        return {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k not in hidden}
