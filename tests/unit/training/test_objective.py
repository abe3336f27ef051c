import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, r2_score
from sklearn.utils.class_weight import compute_class_weight

from textmill.evaluation.primary import score_answers
from textmill.training.objective import (
    UnfitLoss,
    build_loss,
    build_metric,
    class_balance,
    positive_balance,
    score_logits,
)

TARGET = {"mean": 120.0, "std": 35.0}


def batch(labels):
    labels = torch.as_tensor(labels)
    return {"labels_B": labels, "index_B": torch.arange(len(labels))}


def random_logits(*shape, scale=2.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def classes():
    return np.random.default_rng(1).choice(4, 60, p=[0.6, 0.25, 0.1, 0.05])


@pytest.fixture
def many_labels():
    return (np.random.default_rng(2).random((60, 3)) < [0.5, 0.2, 0.05]).astype(np.float32)


def test_plain_losses_are_those_of_torch(classes, many_labels):
    logits = random_logits(60, 4)
    assert build_loss("single_label", 4)(logits, batch(classes)) == F.cross_entropy(logits, torch.as_tensor(classes))
    logits = random_logits(60, 3)
    expected = F.binary_cross_entropy_with_logits(logits, torch.as_tensor(many_labels))
    assert build_loss("multi_label", 3)(logits, batch(many_labels)) == expected
    numbers = np.random.default_rng(3).normal(120, 35, 60).astype(np.float32)
    logits = random_logits(60, 1)
    loss = build_loss("regression", 1, target=TARGET)(logits, batch(numbers))
    in_units = F.mse_loss(logits[:, 0] * 35 + 120, torch.as_tensor(numbers))
    torch.testing.assert_close(loss * 35**2, in_units)


def test_balanced_weights(classes, many_labels):
    expected = compute_class_weight("balanced", classes=np.arange(4), y=classes)
    np.testing.assert_allclose(class_balance(classes, 4), expected)
    assert class_balance(classes, 4)[classes].mean() == pytest.approx(1), "the loss keeps its size"
    weights = positive_balance(many_labels, 3)
    np.testing.assert_allclose(weights * many_labels.sum(0), (1 - many_labels).sum(0))


def test_classes_and_labels_that_do_not_occur():
    np.testing.assert_allclose(class_balance(np.array([0, 0, 0, 2]), 4), [4 / 6, 0, 2, 0])
    np.testing.assert_allclose(positive_balance(np.array([[1, 0], [0, 0]], np.float32), 2), [1, 1])


def test_a_label_that_every_document_has_is_learned():
    np.testing.assert_allclose(positive_balance(np.array([[1, 1], [1, 0], [1, 0]], np.float32), 2), [1, 2])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weighted_cross_entropy(classes, smoothing):
    loss = build_loss("single_label", 4, class_weights="balanced", label_smoothing=smoothing, train_labels=classes)
    logits, labels = random_logits(60, 4), torch.as_tensor(classes)
    weights = torch.as_tensor(class_balance(classes, 4), dtype=torch.float32)
    # torch divides by the weights of the batch; they are 1 on average over the whole split, which this batch is
    expected = F.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    torch.testing.assert_close(loss(logits, batch(classes)), expected)


def test_the_weight_of_a_class_holds_in_a_batch_of_one(classes):
    plain = build_loss("single_label", 4)
    weighted = build_loss("single_label", 4, class_weights="balanced", train_labels=classes)
    logits, one = random_logits(1, 4), batch([3])
    torch.testing.assert_close(
        weighted(logits, one), class_balance(classes, 4)[3] * plain(logits, one), check_dtype=False
    )


def test_weighted_and_smoothed_binary_cross_entropy(many_labels):
    loss = build_loss("multi_label", 3, class_weights="balanced", label_smoothing=0.1, train_labels=many_labels)
    weights = torch.as_tensor(positive_balance(many_labels, 3), dtype=torch.float32)
    logits, smoothed = random_logits(60, 3), torch.as_tensor(many_labels) * 0.9 + 0.05
    expected = F.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights)
    torch.testing.assert_close(loss(logits, batch(many_labels)), expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_focal_cross_entropy_is_its_formula(classes, gamma, smoothing, class_weights):
    """Term by term in float64."""
    options = {"class_weights": class_weights, "label_smoothing": smoothing, "focal_gamma": gamma}
    loss = build_loss("single_label", 4, train_labels=classes, **options)
    logits = random_logits(60, 4)
    weights = class_balance(classes, 4) if class_weights == "balanced" else np.ones(4)
    p = torch.softmax(logits.double(), 1).numpy()
    expected = 0.0
    for row, label in zip(p, classes, strict=True):
        for c in range(4):
            q = (1 - smoothing) * (c == label) + smoothing / 4
            expected -= weights[c] * q * (1 - row[c]) ** gamma * np.log(row[c]) / 60
    assert loss(logits, batch(classes)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_focal_binary_cross_entropy_is_its_formula(many_labels, gamma, smoothing, class_weights):
    options = {"class_weights": class_weights, "label_smoothing": smoothing, "focal_gamma": gamma}
    loss = build_loss("multi_label", 3, train_labels=many_labels, **options)
    logits = random_logits(60, 3)
    weights = positive_balance(many_labels, 3) if class_weights == "balanced" else np.ones(3)
    p = torch.sigmoid(logits.double()).numpy()
    q = many_labels * (1 - smoothing) + smoothing / 2
    terms = weights * q * (1 - p) ** gamma * np.log(p) + (1 - q) * p**gamma * np.log(1 - p)
    assert loss(logits, batch(many_labels)).item() == pytest.approx(-terms.mean(), rel=1e-5)


@pytest.mark.parametrize(("task", "labels"), [("single_label", [0, 1]), ("multi_label", [[1.0, 0.0], [0.0, 1.0]])])
def test_focal_loss_of_certain_answers_has_a_gradient(task, labels):
    logits = torch.tensor([[100.0, -100.0], [100.0, -100.0]], requires_grad=True)
    loss = build_loss(task, 2, focal_gamma=0.5)(logits, batch(labels))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[1].abs().max() > 0, "the wrong one still teaches"


def test_focal_loss_of_gamma_nearly_zero_is_cross_entropy(classes):
    logits = random_logits(60, 4)
    focal = build_loss("single_label", 4, focal_gamma=1e-6)(logits, batch(classes))
    torch.testing.assert_close(focal, build_loss("single_label", 4)(logits, batch(classes)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"class_weights": "balanced"}, "class_weights: balanced"),
        ({"label_smoothing": 0.1, "focal_gamma": 2.0}, "label_smoothing: 0.1, focal_gamma: 2.0"),
    ],
)
def test_regression_takes_no_option_of_classes(options, named):
    with pytest.raises(UnfitLoss, match=named):
        build_loss("regression", 1, target=TARGET, **options)


def in_batches(metric, logits, labels, size=7):
    for start in range(0, len(labels), size):
        metric.update(logits[start : start + size], torch.as_tensor(labels[start : start + size]))
    return metric.compute().item()


@pytest.mark.parametrize("num_classes", [4, 9])
def test_macro_f1_is_that_of_the_evaluation_and_of_scikit_learn(classes, num_classes):
    """Also where classes neither occur nor are predicted: 9 are known, 6 met."""
    logits = random_logits(60, num_classes)
    logits[:, 6:] = -100
    score = in_batches(build_metric("single_label", num_classes), logits, classes)
    predicted = logits.argmax(1).numpy()
    assert score == pytest.approx(f1_score(classes, predicted, average="macro"))
    assert score == pytest.approx(score_answers("single_label", classes.astype(str), predicted.astype(str)))


def test_r2_on_the_numbers_themselves():
    numbers = np.random.default_rng(4).normal(120, 35, 60).astype(np.float32)
    standardised = torch.as_tensor((numbers - 120) / 35)
    logits = (standardised + random_logits(60, scale=0.3))[:, None]
    metric = build_metric("regression", 1, TARGET)
    expected = r2_score(numbers, logits[:, 0].numpy() * 35 + 120)
    assert 0.5 < expected < 1
    assert in_batches(metric, logits, numbers) == pytest.approx(expected, rel=1e-4)
    assert score_logits("regression", logits, numbers, TARGET) == pytest.approx(expected, rel=1e-4)
    metric.reset()
    far_off = in_batches(metric, random_logits(60, 1, scale=9.0), numbers)
    assert far_off == pytest.approx(r2_score(numbers, random_logits(60, 1, scale=9.0)[:, 0] * 35 + 120), rel=1e-4)
    assert far_off < -10
    metric.reset()
    constant = np.full(5, 155.0, np.float32)
    assert in_batches(metric, random_logits(5, 1), constant) == r2_score(constant, random_logits(5, 1)) == 0.0
    metric.reset()
    assert in_batches(metric, torch.ones(5, 1), constant) == 1.0


RANK = """
import sys, torch, torch.distributed as dist
from textmill.training.objective import build_metric
rank, port = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
torch.manual_seed(0)
logits, labels = torch.randn(40, 3), torch.arange(40) % 3
whole = build_metric("single_label", 3)
whole.update(logits, labels)
whole._to_sync = False
part = build_metric("single_label", 3)
part.update(logits[rank * 15 : rank * 15 + 15 + 10 * rank], labels[rank * 15 : rank * 15 + 15 + 10 * rank])
score, expected = part.compute().item(), whole.compute().item()
assert abs(score - expected) < 1e-6, (score, expected)
print("same")
"""


def test_two_processes_count_together():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), port], env=environment, stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    assert [rank.communicate(timeout=120)[0].strip() for rank in ranks] == ["same", "same"]
