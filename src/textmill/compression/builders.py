"""From params.yaml and a parent's folder to what a recipe is given: here configuration stops."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill import tracking
from textmill.artifacts import read_json
from textmill.config import Params
from textmill.config.compression import Recipe
from textmill.config.searched import override
from textmill.paths import Paths

if TYPE_CHECKING:
    from textmill.compression.recipes import Step
    from textmill.compression.recovery import Recovery

# What the lineage key of a recipe covers.
CODE = (
    *tracking.TRAINING_CODE,
    "bundle.py",
    "compression",
    "engines.py",
    "data/sources",
    "data/tokenization/encoding.py",
    "evaluation/temperature.py",
    "evaluation/thresholds.py",
    "runtime.py",
)


def describe(parent: Path) -> dict[str, Any]:
    """model.json of a network, bundle.json of the TF-IDF model, which has no other."""
    network = parent / "torch/model.json"
    described: dict[str, Any] = read_json(network if network.exists() else parent / "bundle/bundle.json")
    return described


def made_of(parent: Path) -> list[Path]:
    """What of a model folder decides what is made of it: not its evidence, which has times that are never the same."""
    return [folder for folder in (parent / name for name in ("torch", "bundle", "vocabulary")) if folder.exists()]


def steps_of(recipe: Recipe) -> "list[Step]":
    """The steps of a recipe, all their settings told."""
    from textmill.compression.recipes import Step

    return [Step(step.method, step.model_dump(exclude={"method"})) for step in recipe.steps]


def build_recovery(params: Params, paths: Paths, parent: Path, checkpoints: Path, logger: Any = False) -> "Recovery":
    """What a recipe from the model folder `parent` is given.

    Args:
        checkpoints: where a killed training goes on from.
        logger: a Lightning logger.
    """
    from textmill.compression.recovery import Recovery
    from textmill.compression.vocabulary.retokenizing import SPLITS, open_tokens
    from textmill.training.builders import hyperparameters, settings
    from textmill.training.settings import Hyperparameters

    splits = {name: paths.split(name) for name in SPLITS}
    description = describe(parent)
    # Those of `train`, searched keys of `training` among them; behind ONNX there are none, and nothing trains.
    values = description.get("hyperparameters")
    return Recovery(
        data=open_tokens(parent, paths.tokens, splits, description["max_length"], checkpoints / "tokens"),
        settings=settings(override(params, values or {}), epochs=1, patience=1),  # a step sets its own epochs
        hyper=hyperparameters(values) if values else Hyperparameters(*[math.nan] * 4),
        checkpoints=checkpoints,
        logger=logger,
        answers=paths.answers,
        splits=splits,
    )
