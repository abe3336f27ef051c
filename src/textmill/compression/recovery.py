"""What a method that trains is given."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from textmill.compression.distillation.teacher import Answers, teacher_answers
from textmill.data.tokens import TokenArrays
from textmill.training.dataset import TrainingData
from textmill.training.fit import Fitted, fit
from textmill.training.objective import Loss, build_loss
from textmill.training.settings import AugmentationSettings, Hyperparameters, Settings


@dataclass(frozen=True)
class Recovery:
    """Data and settings of the training in a step, which has its own epochs and learning rate."""

    data: TrainingData
    settings: Settings
    hyper: Hyperparameters
    checkpoints: Path  # training state; a killed recipe continues from here
    logger: Any = False  # a Lightning logger
    answers: Path | None = None  # what teachers answered, for other recipes to take; None: for this recipe only
    splits: Mapping[str, Path] | None = None  # tables of the texts, for trim_vocabulary: `train` and `validation`

    def train(
        self,
        model: Any,
        folder: Path,
        *,
        epochs: int,
        learning_rate: float,
        progress: str,
        loss: Loss | None = None,
        callbacks: Sequence[Any] = (),
    ) -> Fitted:
        """Train in place; the model ends with the weights of the best epoch.

        All weights learn: after a cut, all of them have to make up for it. Documents are not augmented: a teacher has
        answered them as they are.

        Args:
            folder: keeps the state of the training; a killed one goes on from there.
            loss: instead of the task's own.
        """
        settings = replace(
            self.settings,
            epochs=epochs,
            patience=epochs,
            freeze_layers=0,
            lora=None,
            augmentation=AugmentationSettings(),
        )
        return fit(
            model,
            self.data,
            settings,
            replace(self.hyper, learning_rate=learning_rate),
            loss=loss,
            checkpoints=folder,
            logger=self.logger,
            callbacks=callbacks,
            progress=progress,
        )

    def answers_of(self, teacher: Any, tokens: TokenArrays) -> Answers:
        """What a teacher answers to documents, computed unless it is kept."""
        folder = self.answers or self.checkpoints / "answers"
        return teacher_answers(teacher, tokens, self.data.pad_id, self.data.num_outputs, self.settings, folder)

    def loss(self) -> Loss:
        """The task's loss with the options of training.loss."""
        labels = np.asarray(self.data.train.labels)
        options = asdict(self.settings.loss)
        return build_loss(
            self.data.task, self.data.num_outputs, **options, train_labels=labels, target=self.data.target
        )
