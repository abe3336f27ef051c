"""From params.yaml to plain arguments: here configuration stops."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from textmill import assets
from textmill.config import Params
from textmill.paths import Paths
from textmill.training.builders import settings
from textmill.training.dataset import TrainingData
from textmill.training.pretraining.language_model import LanguageModel, build_language_model
from textmill.training.pretraining.run import build_objective
from textmill.training.pretraining.texts import read_source_texts, tokenize_source
from textmill.training.settings import Settings

# Of the section training; the others are for fine-tuning.
SHARED = ("batch_size", "batch_tokens", "accumulate", "precision", "schedule", "gradient_clip")


def pretrain_settings(params: Params) -> Settings:
    shared = settings(params, epochs=params.pretrain.epochs, patience=params.pretrain.epochs)
    return replace(shared, checkpoint_minutes=params.train.checkpoint_minutes)


def declared(params: Params) -> dict[str, Any]:
    """The settings that decide what comes out, for the lineage key."""
    source = params.pretrain.source
    return {
        "seed": params.seed,
        "config": params.model.transformer.config,
        "pretrain": params.pretrain.model_dump(),
        "source": None
        if source is None
        else {**assets.provenance(source), "text": params.data.text, "header": params.data.header},
        "training": params.training.model_dump(include=set(SHARED)),
    }


def untrained_model(params: Params, paths: Paths) -> LanguageModel:
    """The language model that pretraining starts from. Raises: UnfitObjective, UnusableWeights, InvalidConfig."""
    torch.manual_seed(params.seed)
    objective = params.pretrain.objective
    assert objective != "none"
    return build_language_model(
        objective,
        config=params.model.transformer.config,
        tokens=paths.tokens,
        weights=assets.resolve(params.model.weights),
        next_sentence=params.pretrain.next_sentence,
    )


def objective(params: Params, paths: Paths) -> nn.Module:
    """What the model is asked. Raises: NoMaskToken."""
    chosen = params.pretrain
    assert chosen.objective != "none"
    return build_objective(
        chosen.objective,
        paths.tokens,
        mask_share=chosen.mask_share,
        whole_words=chosen.whole_words,
        next_sentence=chosen.next_sentence,
    )


def read_data(params: Params, paths: Paths, folder: Path) -> tuple[TrainingData, int]:
    """Token arrays, and how many documents of pretrain.source were left out because the validation split has them.

    Args:
        folder: where the arrays of pretrain.source are kept until pretraining is done.
    """
    data, source = TrainingData.open(paths.tokens), params.pretrain.source
    if source is None:
        return data, 0
    texts = read_source_texts(source, params.data.text, header=params.data.header)
    found = tokenize_source(texts, paths.tokens, folder / "source")
    return replace(data, train=found.tokens), found.num_left_out
