"""What a student learns from its teacher's logits: Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network,
2015 (https://arxiv.org/abs/1503.02531).

Shape suffixes: B documents of a batch, N of all that it is taught on, C outputs.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from textmill.data.batches import Batch
from textmill.tasks import Task
from textmill.training.objective import Loss


class SoftTargets:
    """Loss against the teacher's logits, and against the labels.

    Of single_label the teacher's part is the divergence of the softened distributions; of multi_label binary
    cross-entropy with the softened probability of each label; of regression the squared difference.

    Args:
        task: single_label, multi_label or regression.
        teacher_NC: logits of every document, float32.
        labels_loss: the loss against the labels.
        temperature: divides both logits, and the gradient is scaled back by its square; regression has none.
        soft_weight: weight of the teacher's part, in 0..1.
        num_labelled: documents from this place on have no label, and the teacher's part only; None: all have one.
    """

    def __init__(
        self,
        task: Task,
        teacher_NC: Tensor,
        labels_loss: Loss,
        temperature: float,
        soft_weight: float,
        num_labelled: int | None = None,
    ):
        self.task, self.teacher_NC, self.labels_loss = task, teacher_NC, labels_loss
        self.temperature, self.soft_weight = temperature, soft_weight
        self.num_labelled = len(teacher_NC) if num_labelled is None else num_labelled

    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        teacher_BC = self.teacher_NC[batch["index_B"].cpu()].to(logits_BC.device)
        soft = self._against_teacher(logits_BC, teacher_BC)
        return self.soft_weight * soft + (1 - self.soft_weight) * self._against_labels(logits_BC, batch)

    def _against_labels(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        """The mean over all documents, those without a label counted as 0."""
        labelled_B = batch["index_B"] < self.num_labelled
        num_labelled = int(labelled_B.sum())
        if num_labelled == len(labelled_B):
            return self.labels_loss(logits_BC, batch)
        if num_labelled == 0:
            return logits_BC.new_zeros(())
        part: Any = {**batch, "labels_B": batch["labels_B"][labelled_B], "index_B": batch["index_B"][labelled_B]}
        return self.labels_loss(logits_BC[labelled_B], part) * (num_labelled / len(labelled_B))

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
