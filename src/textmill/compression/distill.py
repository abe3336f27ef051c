"""A student of fewer layers, taught by the full model's answers.

Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015 (https://arxiv.org/abs/1503.02531);
the student starts from the teacher's own layers, as in DistilBERT (https://arxiv.org/abs/1910.01108).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from textmill.compression.draft import Draft
from textmill.compression.recovery import Recovery
from textmill.data.batches import Batch
from textmill.errors import UserError
from textmill.models.bert_layers import is_bert_like
from textmill.tasks import Task
from textmill.training.fit import fit, predict_logits
from textmill.training.objective import Loss


class StudentNotSmaller(UserError):
    """A student must have fewer layers than its teacher."""


class SoftTargets:
    """Loss against the teacher's logits, and against the labels.

    Of single_label the teacher's part is the divergence of the softened distributions; of multi_label binary
    cross-entropy with the softened probability of each label; of regression the squared difference.

    Args:
        task: single_label, multi_label or regression.
        teacher_NC: logits of every document of the train split, float32.
        labels_loss: the loss against the labels.
        temperature: divides both logits, and the gradient is scaled back by its square; regression has none.
        soft_weight: weight of the teacher's part, in 0..1.
    """

    def __init__(self, task: Task, teacher_NC: Tensor, labels_loss: Loss, temperature: float, soft_weight: float):
        self.task, self.teacher_NC, self.labels_loss = task, teacher_NC, labels_loss
        self.temperature, self.soft_weight = temperature, soft_weight

    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        teacher_BC = self.teacher_NC[batch["index_B"].cpu()].to(logits_BC.device)
        soft = self._against_teacher(logits_BC, teacher_BC)
        return self.soft_weight * soft + (1 - self.soft_weight) * self.labels_loss(logits_BC, batch)

    def _against_teacher(self, logits_BC: Tensor, teacher_BC: Tensor) -> Tensor:
        if self.task == "regression":
            return F.mse_loss(logits_BC, teacher_BC)
        student_BC, teacher_BC = logits_BC / self.temperature, teacher_BC / self.temperature
        if self.task == "multi_label":
            soft = F.binary_cross_entropy_with_logits(student_BC, teacher_BC.sigmoid())
        else:
            log_p_BC, log_q_BC = F.log_softmax(teacher_BC, dim=-1), F.log_softmax(student_BC, dim=-1)
            soft = F.kl_div(log_q_BC, log_p_BC, reduction="batchmean", log_target=True)
        return self.temperature**2 * soft


def distill(
    teacher: Any,
    recovery: Recovery,
    *,
    num_layers: int,
    temperature: float,
    soft_weight: float,
    epochs: int,
    learning_rate: float,
) -> Draft:
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
    data, settings = recovery.data, recovery.settings_for(epochs)
    teacher_NC = predict_logits(teacher, data.train, data.pad_id, data.num_outputs, settings)
    fit(
        student,
        data,
        settings,
        replace(recovery.hyper, learning_rate=learning_rate),
        loss=SoftTargets(data.task, teacher_NC, recovery.loss(), temperature, soft_weight),
        checkpoints=recovery.checkpoints / "distill",
        logger=recovery.logger,
        progress="distill",
    )
    return Draft(student, data)


def unfit(model: Any, settings: Mapping[str, Any]) -> str | None:
    """What of a step does not apply to a model; None if all of it does."""
    one = model.members[0] if hasattr(model, "members") else model
    return None if is_bert_like(getattr(one, "encoder", None)) else "distill"


def evenly_spaced(num_kept: int, depth: int) -> list[int]:
    """Layer indices, the last one always among them: `evenly_spaced(3, 6) == [1, 3, 5]`."""
    return torch.linspace(depth / num_kept, depth, num_kept).round().long().sub(1).tolist()
