"""What is kept and printed of a pretraining run, epoch by epoch."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from textmill.training.failures import DivergedTraining
from textmill.training.throughput import Throughput

Row = dict[str, float | None]
_FIGURES = ("validation_loss", "perplexity", "next_sentence_accuracy")


class PerplexityCurve(pl.Callback):
    """A row for each validation; its state lies in the checkpoint, so that a continued run keeps all of it."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._loss: Any = 0.0  # summed over the documents of the epoch
        self._num_documents = 0

    def before(self, figures: Mapping[str, Any]) -> None:
        """The row of the model as it was built, which no training loss belongs to."""
        self.rows = [{"epoch": 0, "step": 0, "train_loss": None, **_shown(figures)}]

    def on_train_batch_end(self, _: pl.Trainer, pl_module: Any, __: Any, batch: Any, batch_idx: int) -> None:
        size = len(batch["index_B"])
        self._loss = self._loss + pl_module.latest.loss * size
        self._num_documents += size

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        pl_module.check_step()
        figures = _shown(trainer.callback_metrics)
        if not figures["perplexity"] < float("inf"):
            raise DivergedTraining(
                f"The perplexity on validation is {figures['perplexity']} after epoch {trainer.current_epoch + 1}: the "
                "weights are not finite. Lower pretrain.learning_rate, or set training.precision: 32-true."
            )
        row: Row = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        self.rows.append({**row, "train_loss": float(self._loss) / self._num_documents, **figures})
        self._loss, self._num_documents = 0.0, 0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "loss": float(self._loss), "num_documents": self._num_documents}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._loss = state_dict["rows"], state_dict["loss"]
        self._num_documents = state_dict["num_documents"]


class PerplexityLines(pl.Callback):
    """One line an epoch, for logs, where a bar would fill pages."""

    def __init__(self, throughput: Throughput):
        self.throughput = throughput

    def on_validation_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        speed = self.throughput.latest.get("tokens_per_s")
        print(
            f"pretrain: epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, step {trainer.global_step}, "
            f"perplexity on validation {float(trainer.callback_metrics['perplexity']):.2f}"
            + (f", {speed:,.0f} tokens/s" if speed else ""),
            flush=True,
        )


def _shown(figures: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(figures[name]) for name in _FIGURES if name in figures}
