"""AdamW over parameter groups, and the schedule of its learning rate.

A group is told by depth, which decides the learning rate, and by whether weights decay in it.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from textmill.errors import UserError
from textmill.training.devices import precision, uses_gpu
from textmill.training.settings import Hyperparameters, Schedule, Settings


class TooManyFrozen(UserError):
    """More layers are to be frozen than the model has."""


def build_optimizer(model: nn.Module, hyper: Hyperparameters, settings: Settings) -> torch.optim.AdamW:
    """AdamW over the model's trainable parameters; see `freeze`.

    `model.depth_groups()` lists parameters from the embeddings to the head. The head learns at `learning_rate`, each
    group below at `layer_decay` times the rate of the one above it (Howard and Ruder 2018, discriminative
    fine-tuning). Matrices decay by `weight_decay`; biases, norms and all else of one dimension do not.
    """
    depths: list[list[nn.Parameter]] = cast(Any, model).depth_groups()
    groups: list[dict[str, Any]] = []
    for height, parameters in enumerate(reversed(depths)):
        rate = hyper.learning_rate * settings.layer_decay**height
        for decay, members in (
            (hyper.weight_decay, [p for p in parameters if p.requires_grad and p.ndim > 1]),
            (0.0, [p for p in parameters if p.requires_grad and p.ndim <= 1]),
        ):
            if members:
                groups.append({"params": members, "lr": rate, "weight_decay": decay})
    grouped = {id(parameter) for group in groups for parameter in group["params"]}
    assert grouped == {id(p) for p in model.parameters() if p.requires_grad}, "depth_groups() misses parameters"
    wanted = settings.precision
    arithmetic = precision(wanted, uses_gpu(settings.trainer)) if wanted == "auto" else wanted
    # In fp16 a fused step unscales the gradients itself, after they were clipped.
    return torch.optim.AdamW(_merged(groups), lr=hyper.learning_rate, fused=arithmetic != "16-mixed")


def freeze(depths: Sequence[Sequence[nn.Parameter]], num_layers: int) -> None:
    """Freeze the embeddings and this many layers above them; 0 freezes nothing.

    Args:
        depths: the embeddings first, then the layers, the head last.

    Raises: TooManyFrozen.
    """
    most = len(depths) - 2
    if num_layers > most:
        raise TooManyFrozen(
            f"training.freeze_layers is {num_layers}, but the model has {most} layers between embeddings and head. "
            f"Allowed: 0 (train everything) to {most} (train the head alone)."
        )
    for parameters in depths[: num_layers + 1] if num_layers else []:
        for parameter in parameters:
            parameter.requires_grad_(False)


def build_scheduler(
    optimizer: torch.optim.Optimizer, schedule: Schedule, warmup_fraction: float, num_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Linear warm-up over `warmup_fraction` of the steps, then linear or cosine decay to zero, or none.

    Each group keeps its proportion to the others. Step it after every optimizer step.
    """
    from transformers import get_scheduler

    name = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}[schedule]
    num_warmup_steps = int(warmup_fraction * num_steps)
    return get_scheduler(name, optimizer, num_warmup_steps=num_warmup_steps, num_training_steps=num_steps)


def step_mean_factor(batch_idx: int, num_batches: int, accumulate: int) -> float:
    """By what a batch's loss is multiplied, so that the gradient of a step is the mean of its batches'.

    Lightning divides by `accumulate` also in the last step of an epoch, which may have fewer.
    """
    num_last = num_batches % accumulate
    return accumulate / num_last if batch_idx >= num_batches - num_last else 1.0


def _merged(groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups of the same rate and decay as one: a fused step is one call a group."""
    merged: dict[tuple[float, float], dict[str, Any]] = {}
    for group in groups:
        key = (group["lr"], group["weight_decay"])
        merged.setdefault(key, {**group, "params": []})["params"].extend(group["params"])
    return list(merged.values())
