"""The loss against a teacher's logits."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import expit, log_softmax

from textmill.compression.distillation.soft_targets import SoftTargets
from textmill.training.objective import build_loss, cross_entropy


def batch(size):
    return {"index_B": torch.arange(size), "labels_B": torch.arange(size) % 3}


def soft_targets(teacher, temperature=1.0, soft_weight=1.0, task="single_label", labels_loss=cross_entropy):
    return SoftTargets(task, teacher, labels_loss, temperature, soft_weight)


def test_soft_targets_equal_the_formula():
    generator = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(6, 3, generator=generator), torch.randn(6, 3, generator=generator)
    log_p, log_q = log_softmax(teacher.numpy() / 4.0, axis=1), log_softmax(student.numpy() / 4.0, axis=1)
    soft = (np.exp(log_p) * (log_p - log_q)).sum(1).mean()
    hard = F.cross_entropy(student, batch(6)["labels_B"]).item()
    loss = soft_targets(teacher, temperature=4.0, soft_weight=0.7)(student, batch(6))
    assert loss.item() == pytest.approx(0.7 * 16 * soft + 0.3 * hard, rel=1e-5)


def test_soft_targets_of_several_labels_are_softened_probabilities():
    generator = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(6, 3, generator=generator), torch.randn(6, 3, generator=generator)
    p, q = expit(teacher.numpy() / 2.0), expit(student.numpy() / 2.0)
    soft = -(p * np.log(q) + (1 - p) * np.log(1 - q)).mean()
    labels = {"index_B": torch.arange(6), "labels_B": (torch.rand(6, 3, generator=generator) > 0.5).float()}
    hard_loss = build_loss("multi_label", 3)
    loss = soft_targets(teacher, 2.0, 0.7, "multi_label", hard_loss)(student, labels)
    assert loss.item() == pytest.approx(0.7 * 4 * soft + 0.3 * hard_loss(student, labels).item(), rel=1e-5)


def test_soft_targets_of_a_number_are_the_teachers_number():
    student, teacher = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [4.0]])
    numbers = {"index_B": torch.arange(2), "labels_B": torch.tensor([10.0, 30.0])}
    hard_loss = build_loss("regression", 1, target={"mean": 20.0, "std": 10.0})
    loss = soft_targets(teacher, 9.0, 0.5, "regression", hard_loss)(student, numbers)
    assert loss.item() == pytest.approx(0.5 * (1 + 4) / 2 + 0.5 * ((1 + 1) ** 2 + (2 - 1) ** 2) / 2)


def test_the_teacher_row_is_found_by_index():
    teacher = torch.eye(3)
    shuffled = {"index_B": torch.tensor([2, 0]), "labels_B": torch.tensor([0, 0])}
    assert soft_targets(teacher)(teacher[[2, 0]], shuffled).item() == pytest.approx(0, abs=1e-6)
    assert soft_targets(teacher)(teacher[[0, 2]], shuffled).item() > 0.1


def test_documents_without_a_label_learn_from_the_teacher_alone():
    generator = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(4, 3, generator=generator), torch.randn(9, 3, generator=generator)
    mixed = {"index_B": torch.tensor([7, 0, 8, 3]), "labels_B": torch.tensor([0, 2, 0, 1])}
    loss = SoftTargets("single_label", teacher, cross_entropy, 1.0, 0.5, num_labelled=4)
    soft = F.kl_div(
        student.log_softmax(-1), teacher[mixed["index_B"]].log_softmax(-1), log_target=True, reduction="sum"
    )
    hard = F.cross_entropy(student[[1, 3]], torch.tensor([2, 1]), reduction="sum")
    torch.testing.assert_close(loss(student, mixed), 0.5 * soft / 4 + 0.5 * hard / 4)
    unlabelled = {"index_B": torch.tensor([4, 5, 6, 8]), "labels_B": torch.zeros(4, dtype=torch.int64)}
    alone = F.kl_div(student.log_softmax(-1), teacher[[4, 5, 6, 8]].log_softmax(-1), log_target=True, reduction="sum")
    torch.testing.assert_close(loss(student, unlabelled), 0.5 * alone / 4)
