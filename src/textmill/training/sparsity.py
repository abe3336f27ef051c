"""Training in which weights that were taken out stay out."""

from typing import Any

import torch
from pytorch_lightning.callbacks import Callback
from torch import nn


class HeldZeros(Callback):
    """Keeps the zeros that a model's matrices have when this is made.

    It comes before what averages or writes the weights.
    """

    def __init__(self, model: nn.Module):
        self.masks = {name: p.detach() != 0 for name, p in model.named_parameters() if p.ndim > 1}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        for name, parameter in pl_module.model.named_parameters():
            if name in self.masks:
                self.masks[name] = self.masks[name].to(parameter.device)
                parameter.mul_(self.masks[name])
