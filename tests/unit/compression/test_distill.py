import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import expit, log_softmax

from tests.tiny_model import HYPER, SETTINGS, tiny_transformer, write_tokens
from textmill.compression.distill import SoftTargets, StudentNotSmaller, distill, evenly_spaced
from textmill.compression.recovery import Recovery
from textmill.training.dataset import TrainingData
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


@pytest.mark.parametrize(
    ("kept", "depth", "expected"),
    [(3, 6, [1, 3, 5]), (1, 6, [5]), (2, 6, [2, 5]), (5, 6, [0, 1, 3, 4, 5]), (6, 12, [1, 3, 5, 7, 9, 11])],
)
def test_layers_are_evenly_spaced(kept, depth, expected):
    assert evenly_spaced(kept, depth) == expected


def test_a_student_starts_from_its_teacher_and_learns(tmp_path):
    data = TrainingData.open(write_tokens(tmp_path / "tokens", num_train=64, num_validation=32))
    teacher = tiny_transformer(num_layers=3)
    recovery = Recovery(data, SETTINGS, HYPER, tmp_path)
    student = distill(
        teacher, recovery, num_layers=2, temperature=2.0, soft_weight=0.5, epochs=1, learning_rate=1e-12
    ).model
    assert len(student.layers) == 2
    assert len(teacher.layers) == 3
    given = teacher.layers[evenly_spaced(2, 3)[0]].state_dict()
    for name, tensor in student.layers[0].state_dict().items():
        torch.testing.assert_close(tensor, given[name], atol=1e-6, rtol=1e-5)
    with pytest.raises(StudentNotSmaller, match="at most 2"):
        distill(teacher, recovery, num_layers=3, temperature=1, soft_weight=1, epochs=1, learning_rate=1)
