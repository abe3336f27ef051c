"""From params.yaml to plain arguments: here configuration stops."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from textmill import assets
from textmill.config import Params, Space
from textmill.data.tokens import read_meta
from textmill.models.folder import family
from textmill.models.vocabulary import transfer_vocabulary
from textmill.training.fit import Settings
from textmill.training.search import Dimension


def build_model(params: Params, num_labels: int, tokens: Path) -> Any:
    """The pretrained model of the active family; the seed decides its new head.

    Args:
        tokens: data/tokens; if their tokenizer was trained, the embeddings are transferred to its vocabulary.

    Raises: UnusableWeights.
    """
    settings = getattr(params.model, params.model.family)
    weights = assets.resolve(settings.weights)
    torch.manual_seed(params.seed)
    model = family(params.model.family).from_weights(weights, num_labels, settings.pooling)
    if read_meta(tokens)["tokenizer"]["kind"] == "trained":
        transfer_vocabulary(model.encoder, weights / "tokenizer.json", tokens / "tokenizer.json")
    return model


def settings(params: Params, *, epochs: int, patience: int) -> Settings:
    training = params.training
    return Settings(
        batch_size=training.batch_size,
        precision=training.precision,
        schedule=training.schedule,
        gradient_clip=training.gradient_clip,
        epochs=epochs,
        patience=patience,
        seed=params.seed,
    )


def dimensions(space: Space) -> dict[str, Dimension]:
    names = [field.name for field in dataclasses.fields(Dimension)]
    return {
        key: Dimension(**{name: getattr(getattr(space, key), name) for name in names}) for key in Space.model_fields
    }
