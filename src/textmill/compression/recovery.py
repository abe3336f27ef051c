"""What a method that trains is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.training.fit import Settings, TrainingData
from textmill.training.lit_module import Hyperparameters


@dataclass(frozen=True)
class Recovery:
    """Data and settings of the training that follows a cut; a step overrides epochs and learning rate."""

    data: TrainingData
    settings: Settings
    hyper: Hyperparameters
    checkpoints: Path  # training state; a killed recipe continues from here
    logger: Any = False  # a Lightning logger
