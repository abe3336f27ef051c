"""From params.yaml to plain arguments: here configuration stops."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from textmill import assets
from textmill.artifacts import read_json
from textmill.config import Params
from textmill.models.folder import family
from textmill.paths import Paths
from textmill.training.settings import (
    AugmentationSettings,
    Hyperparameters,
    LoraSettings,
    LossSettings,
    Settings,
    TrainerSettings,
)


def build_model(params: Params, paths: Paths, num_outputs: int, seed: int) -> Any:
    """An untrained head on the active family, with pretrained weights where the family has them.

    The encoder comes from models/pretrained if `pretrain` made one, else from model.weights; if the tokens' tokenizer
    was trained, its embeddings are transferred to that vocabulary.

    Args:
        num_outputs: logits of a document: labels, or 1 for regression.
        seed: decides the new weights.

    Raises: UnusableWeights.
    """
    made = read_json(paths.pretrained / "pretrained.json")["objective"] != "none"
    torch.manual_seed(seed)
    return family(params.model.family).build(
        params.family_settings.model_dump(),
        tokens=paths.tokens,
        weights=assets.resolve(params.model.weights),
        pretrained=paths.pretrained / "encoder" if made else None,
        num_labels=num_outputs,
    )


def settings(params: Params, *, epochs: int, patience: int) -> Settings:
    """What every training shares: on one device of the kind that train has, with checkpoints after each epoch."""
    training = params.training.model_dump()
    nested: dict[str, Any] = {
        "loss": LossSettings(**training.pop("loss")),
        "augmentation": AugmentationSettings(**training.pop("augmentation")),
        "lora": LoraSettings(**lora) if (lora := training.pop("lora")) else None,
    }
    device = TrainerSettings(accelerator=params.train.trainer.accelerator)
    return Settings(**training, **nested, epochs=epochs, patience=patience, seed=params.seed, trainer=device)


def train_settings(params: Params) -> Settings:
    """Those of the train stage, which has devices of its own and checkpoints within an epoch."""
    train = params.train
    return dataclasses.replace(
        settings(params, epochs=train.epochs, patience=train.patience),
        checkpoint_minutes=train.checkpoint_minutes,
        trainer=TrainerSettings(**train.trainer.model_dump()),
    )


def hyperparameters(values: Mapping[str, Any]) -> Hyperparameters:
    """Those among the values that a search found (best.json)."""
    return Hyperparameters(**{field.name: values[field.name] for field in dataclasses.fields(Hyperparameters)})
