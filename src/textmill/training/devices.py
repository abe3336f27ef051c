"""Which arithmetic and which devices a run gets, in Lightning's words."""

import os
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from textmill.errors import UserError
from textmill.training.settings import Settings, TrainerSettings


class UnfitDevice(UserError):
    """train.trainer or training.precision asks for what this machine has not."""


def trainer_arguments(settings: Settings) -> dict[str, Any]:
    """accelerator, devices, strategy and precision for Lightning's Trainer.

    Raises: UnfitDevice.
    """
    trainer = settings.trainer
    gpu = uses_gpu(trainer)
    available = torch.cuda.device_count() if gpu else None
    if trainer.accelerator == "gpu" and not (gpu and available) and not torch.backends.mps.is_available():
        raise UnfitDevice("train.trainer.accelerator is gpu, but torch sees no GPU here. Set auto or cpu.")
    if available is not None and isinstance(trainer.devices, int) and trainer.devices > available:
        raise UnfitDevice(f"train.trainer.devices is {trainer.devices}, but torch sees {available} GPUs here.")
    if trainer.strategy == "fsdp":
        if not gpu:
            raise UnfitDevice("train.trainer.strategy is fsdp, which shards over GPUs; on CPUs set auto or ddp.")
        if settings.averaging != "none" or settings.lora or settings.layer_decay != 1 or settings.freeze_layers:
            raise UnfitDevice(
                "train.trainer.strategy is fsdp, which cuts the weights apart: training.averaging, lora, layer_decay "
                "and freeze_layers need them whole. Set these to none, null, 1 and 0, or take strategy ddp."
            )
    return {
        "accelerator": trainer.accelerator,
        "devices": trainer.devices,
        "strategy": trainer.strategy,
        "precision": precision(settings.precision, gpu),
    }


def uses_gpu(trainer: TrainerSettings) -> bool:
    return trainer.accelerator != "cpu" and torch.cuda.is_available()


def precision(wanted: str, gpu: bool) -> Any:
    """`auto` is bf16-mixed where matrix units for it exist, 16-mixed on older GPUs, else full precision.

    Raises: UnfitDevice.
    """
    if wanted == "16-mixed" and not gpu:
        raise UnfitDevice(
            "training.precision is 16-mixed, which needs a GPU. Set auto, bf16-mixed or 32-true for a CPU."
        )
    if wanted != "auto":
        return wanted
    if gpu:
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "32-true"


def share_batches(loader: DataLoader[Any], trainer: pl.Trainer) -> DataLoader[Any]:
    """This device's part of a loader whose batch sampler is a list: every n-th batch, as many as each of the others.

    The largest batches are halved until there are enough to share, because the devices wait for each other.

    Raises: UnfitDevice.
    """
    if trainer.world_size == 1:
        return loader
    batches = sorted(loader.batch_sampler, key=len)  # type: ignore[arg-type]
    if sum(map(len, batches)) < trainer.world_size:
        raise UnfitDevice(f"train.trainer.devices is {trainer.world_size}, more than there are validation documents.")
    while len(batches) % trainer.world_size:
        largest = batches.pop()
        middle = len(largest) // 2
        batches = sorted([*batches, largest[:middle], largest[middle:]], key=len)
    own = batches[trainer.global_rank :: trainer.world_size]
    return DataLoader(loader.dataset, batch_sampler=own, collate_fn=loader.collate_fn, pin_memory=loader.pin_memory)


def is_first_process() -> bool:
    """Whether this is the process that the user started; Lightning starts one more for each further device (ddp)."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0
