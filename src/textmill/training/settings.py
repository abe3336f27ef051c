"""What a training run is told: what the search chooses, and everything else. Features are off unless asked for."""

from dataclasses import dataclass, field
from typing import Literal

Schedule = Literal["linear", "cosine", "constant"]
Averaging = Literal["none", "ema", "swa"]


@dataclass(frozen=True)
class Hyperparameters:
    """What the search chooses."""

    learning_rate: float  # peak, after warm-up
    weight_decay: float  # of matrices; biases and norms have none
    warmup_fraction: float  # share of all steps
    dropout: float


@dataclass(frozen=True)
class LossSettings:
    """training.loss of params.yaml."""

    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = 0.0  # share of the target spread over all
    focal_gamma: float = 0.0  # 0 is the plain loss


@dataclass(frozen=True)
class LoraSettings:
    """training.lora of params.yaml."""

    rank: int
    alpha: float  # scale of the update is alpha / rank
    dropout: float  # before the update


@dataclass(frozen=True)
class AugmentationSettings:
    """training.augmentation of params.yaml: shares of the words."""

    swap: float = 0.0
    delete: float = 0.0
    typo: float = 0.0
    replace: float = 0.0


@dataclass(frozen=True)
class TrainerSettings:
    """train.trainer of params.yaml, passed on to Lightning."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int | Literal["auto"] = 1
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"


@dataclass(frozen=True)
class Settings:
    """What the search does not choose."""

    batch_size: int  # most documents of a batch
    precision: str  # auto, 32-true, bf16-mixed or 16-mixed
    schedule: Schedule
    gradient_clip: float  # largest norm
    epochs: int
    patience: int  # epochs without a better validation score
    seed: int
    batch_tokens: int | None = None  # most tokens of a batch, padding included
    accumulate: int = 1  # batches of one optimizer step
    layer_decay: float = 1.0  # learning rate of a layer relative to the one above it
    freeze_layers: int = 0  # lowest layers, with the embeddings, that stay as they are
    lora: LoraSettings | None = None
    packing: bool = False
    averaging: Averaging = "none"
    ema_decay: float = 0.999  # share of the old average that is kept at each step
    swa_start: float = 0.75  # share of the steps after which weights are averaged
    loss: LossSettings = field(default_factory=LossSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    compile: bool = False
    checkpoint_minutes: float | None = None  # between checkpoints within an epoch; None keeps those of epochs only
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
