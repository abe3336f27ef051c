"""Averages of the weights along training: what is validated and kept instead of the last step's weights.

Lightning's own callbacks would validate the untrained weights until an average begins, and their moving average is of
the first steps for as long as 1 / (1 - decay) steps, which is most of a fine-tuning.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from textmill.training.settings import Averaging

_NUM_DAMPED = 10  # steps until a moving average has half of its memory


class WeightAverage(Callback):
    """Keep the average of the trained parameters, and put it in their place while the model is judged.

    ema: after step n, average = d * average + (1 - d) * weights with d = min(decay, (1 + n) / (10 + n)), n counted from
    0; the growing decay is TensorFlow's (tf.train.ExponentialMovingAverage, `num_updates`).
    swa: the mean of the weights after each step, once the given share of all steps is done (Izmailov et al.: Averaging
    Weights Leads to Wider Optima, 2018, https://arxiv.org/abs/1803.05407).

    Until an average begins, the weights themselves are judged.
    """

    def __init__(self, kind: Averaging, decay: float, start: float):
        assert kind in ("ema", "swa")
        self.kind, self.decay, self.start = kind, decay, start
        self.average: list[Tensor] = []
        self.num_averaged = 0
        self._latest_step = 0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.average = [
            a.to(p.device) for a, p in zip(self.average, _trained(pl_module.model), strict=bool(self.average))
        ]

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if trainer.global_step == self._latest_step:  # gradients were accumulated only
            return
        self._latest_step = trainer.global_step
        if self.kind == "swa" and trainer.global_step <= self.start * trainer.estimated_stepping_batches:
            return
        self.update(pl_module.model)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's present weights into the average."""
        current = [parameter.detach() for parameter in _trained(model)]
        if not self.average:
            self.average = [tensor.clone() for tensor in current]
        elif self.kind == "ema":
            n = self.num_averaged
            decay = min(self.decay, (1 + n) / (_NUM_DAMPED + n))
            get_ema_multi_avg_fn(decay)(self.average, current, n)
        else:
            get_swa_multi_avg_fn()(self.average, current, self.num_averaged)
        self.num_averaged += 1

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange the model's weights and their average; nothing before an average has begun."""
        for average, parameter in zip(self.average, _trained(model), strict=bool(self.average)):
            kept = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(kept)

    @contextmanager
    def in_place(self, model: nn.Module) -> Iterator[None]:
        """The average stands in the model."""
        self.swap(model)
        try:
            yield
        finally:
            self.swap(model)

    def on_validation_epoch_start(self, _: pl.Trainer, pl_module: Any) -> None:
        self.swap(pl_module.model)

    def on_validation_epoch_end(self, _: pl.Trainer, pl_module: Any) -> None:
        self.swap(pl_module.model)

    def on_train_end(self, _: pl.Trainer, pl_module: Any) -> None:
        self.swap(pl_module.model)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "num_averaged": self.num_averaged, "step": self._latest_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.average, self.num_averaged = state_dict["average"], state_dict["num_averaged"]
        self._latest_step = state_dict["step"]


def _trained(model: Any) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
