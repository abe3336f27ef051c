"""From params.yaml to plain arguments: here configuration stops."""

import dataclasses
from typing import Any

import torch

from textmill import assets
from textmill.artifacts import read_json
from textmill.config import Params
from textmill.config.base import Section
from textmill.models.folder import family
from textmill.paths import Paths
from textmill.training.search import Dimension
from textmill.training.settings import AugmentationSettings, LoraSettings, LossSettings, Settings, TrainerSettings


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
    """What every training shares: on one device, with checkpoints after each epoch."""
    training = params.training.model_dump()
    nested: dict[str, Any] = {
        "loss": LossSettings(**training.pop("loss")),
        "augmentation": AugmentationSettings(**training.pop("augmentation")),
        "lora": LoraSettings(**lora) if (lora := training.pop("lora")) else None,
    }
    return Settings(**training, **nested, epochs=epochs, patience=patience, seed=params.seed)


def train_settings(params: Params) -> Settings:
    """Those of the train stage, which has devices of its own and checkpoints within an epoch."""
    train = params.train
    return dataclasses.replace(
        settings(params, epochs=train.epochs, patience=train.patience),
        checkpoint_minutes=train.checkpoint_minutes,
        trainer=TrainerSettings(**train.trainer.model_dump()),
    )


def dimensions(space: Section) -> dict[str, Dimension]:
    """Of the active family's search space; none for the baseline."""
    names = [field.name for field in dataclasses.fields(Dimension)]
    return {
        key: Dimension(**{name: getattr(getattr(space, key), name) for name in names})
        for key in type(space).model_fields
    }
