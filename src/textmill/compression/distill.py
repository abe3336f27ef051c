"""A student of fewer layers, taught by the full model's answers.

Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015 (https://arxiv.org/abs/1503.02531);
the student starts from the teacher's own layers, as in DistilBERT (https://arxiv.org/abs/1910.01108).
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from textmill.compression.recovery import Recovery
from textmill.data.batches import Batch
from textmill.errors import UserError
from textmill.training.fit import fit, predict_logits
from textmill.training.objective import cross_entropy


class StudentNotSmaller(UserError):
    """A student must have fewer layers than its teacher."""


class SoftTargets:
    """Loss against the teacher's logits, softened by a temperature, and against the labels.

    Args:
        teacher_NC: logits of every document of the train split, float32.
        temperature: divides both logits; the gradient is scaled back by its square.
        soft_weight: weight of the teacher's part, in 0..1.
    """

    def __init__(self, teacher_NC: Tensor, temperature: float, soft_weight: float):
        self.teacher_NC, self.temperature, self.soft_weight = teacher_NC, temperature, soft_weight

    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        teacher_BC = self.teacher_NC[batch["index_B"].cpu()].to(logits_BC.device)
        soft = F.kl_div(
            F.log_softmax(logits_BC / self.temperature, dim=-1),
            F.log_softmax(teacher_BC / self.temperature, dim=-1),
            reduction="batchmean",
            log_target=True,
        )
        hard = cross_entropy(logits_BC, batch)
        return self.soft_weight * self.temperature**2 * soft + (1 - self.soft_weight) * hard


def distill(
    teacher: Any,
    recovery: Recovery,
    *,
    num_layers: int,
    temperature: float,
    soft_weight: float,
    epochs: int,
    learning_rate: float,
) -> Any:
    """Return a trained student that has `num_layers` of the teacher's layers, evenly spaced.

    Raises:
        StudentNotSmaller: the teacher has no more layers than that.
        UnsupportedArchitecture: the teacher's layers are not BERT-like.
    """
    depth = len(teacher.layers)
    if num_layers >= depth:
        raise StudentNotSmaller(
            f"compress.recipes: distill wants a student of {num_layers} layers, but the teacher has {depth}. "
            f"Set num_layers to at most {depth - 1}."
        )
    student = teacher.with_layers(evenly_spaced(num_layers, depth))
    data = recovery.data
    teacher_NC = predict_logits(teacher, data.train, data.pad_id, data.num_outputs, recovery.settings)
    fit(
        student,
        data,
        replace(recovery.settings, epochs=epochs, patience=epochs),
        replace(recovery.hyper, learning_rate=learning_rate),
        loss=SoftTargets(teacher_NC, temperature, soft_weight),
        checkpoints=recovery.checkpoints / "distill",
        logger=recovery.logger,
        progress="distill",
    )
    return student


def evenly_spaced(num_kept: int, depth: int) -> list[int]:
    """Layer indices, the last one always among them: `evenly_spaced(3, 6) == [1, 3, 5]`."""
    return torch.linspace(depth / num_kept, depth, num_kept).round().long().sub(1).tolist()
