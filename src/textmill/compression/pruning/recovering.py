"""The training that follows a cut."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textmill.compression.distill import SoftTargets
from textmill.compression.recovery import Recovery
from textmill.training.fit import fit, predict_logits
from textmill.training.objective import Loss


def parents_answers(parent: Any, recovery: Recovery, soft_weight: float, temperature: float | None) -> Loss | None:
    """The loss against the parent's logits and the labels; None, the task's own, where these have no weight."""
    if soft_weight == 0:
        return None
    data = recovery.data
    logits_NC = predict_logits(parent, data.train, data.pad_id, data.num_outputs, recovery.settings)
    return SoftTargets(data.task, logits_NC, recovery.loss(), temperature or 1.0, soft_weight)


def recover(
    model: Any,
    recovery: Recovery,
    folder: Path,
    *,
    epochs: int,
    learning_rate: float,
    loss: Loss | None = None,
    callbacks: Sequence[Any] = (),
    progress: str,
) -> None:
    """Train in place; it ends with the weights of the best epoch. `folder` keeps the state of the training."""
    fit(
        model,
        recovery.data,
        recovery.settings_for(epochs),
        replace(recovery.hyper, learning_rate=learning_rate),
        loss=loss,
        checkpoints=folder,
        logger=recovery.logger,
        callbacks=callbacks,
        progress=progress,
    )
