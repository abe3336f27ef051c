"""What a method that trains is given."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from textmill.training.dataset import TrainingData
from textmill.training.objective import Loss, build_loss
from textmill.training.settings import AugmentationSettings, Hyperparameters, Settings


@dataclass(frozen=True)
class Recovery:
    """Data and settings of the training that follows a cut; a step overrides epochs and learning rate."""

    data: TrainingData
    settings: Settings
    hyper: Hyperparameters
    checkpoints: Path  # training state; a killed recipe continues from here
    logger: Any = False  # a Lightning logger
    answers: Path | None = None  # what teachers answered, for other recipes to take; None: for this recipe only
    splits: Mapping[str, Path] | None = None  # tables of the texts, for trim_vocabulary: `train` and `validation`

    def settings_for(self, epochs: int) -> Settings:
        """Settings under which all weights learn: after a cut, all of them have to make up for it.

        Documents are not augmented: a teacher has answered them as they are.
        """
        return replace(
            self.settings,
            epochs=epochs,
            patience=epochs,
            freeze_layers=0,
            lora=None,
            augmentation=AugmentationSettings(),
        )

    def loss(self) -> Loss:
        """The task's loss with the options of training.loss."""
        labels = np.asarray(self.data.train.labels)
        options = asdict(self.settings.loss)
        return build_loss(
            self.data.task, self.data.num_outputs, **options, train_labels=labels, target=self.data.target
        )
