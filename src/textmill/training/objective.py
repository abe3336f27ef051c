"""What training minimises and what an epoch is judged by, for each task.

Shape suffixes: B documents of a batch, N of the train split, C classes or labels (1 for regression).
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from textmill.data.batches import Batch
from textmill.errors import UserError
from textmill.tasks import Task
from textmill.training.label_f1 import LabelF1

_SMALLEST = torch.finfo(torch.float32).eps
_ROUNDING = 1e-6  # a spread below this share of the squares is none


class UnfitLoss(UserError):
    """An option of training.loss that the task has no use for."""


class Loss(Protocol):
    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        """Mean loss of a batch, a float32 scalar."""


def cross_entropy(logits_BC: Tensor, batch: Batch) -> Tensor:
    """Of single_label, without any option."""
    return F.cross_entropy(logits_BC, batch["labels_B"])


def build_loss(
    task: Task,
    num_outputs: int,
    *,
    class_weights: Literal["none", "balanced"] = "none",
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
    train_labels: NDArray[Any] | None = None,
    target: Mapping[str, float] | None = None,
) -> Loss:
    """The loss of a task; without options the plain one, by which validation is measured.

    Args:
        num_outputs: C.
        class_weights, label_smoothing, focal_gamma: training.loss of params.yaml.
        train_labels: those of the documents that are learned from, as in `TokenArrays.labels`; for class_weights.
        target: mean and std of the train split's numbers, for regression.

    Raises: UnfitLoss.
    """
    if task == "regression":
        options = {"class_weights": class_weights, "label_smoothing": label_smoothing, "focal_gamma": focal_gamma}
        if chosen := [f"{name}: {value}" for name, value in options.items() if value not in ("none", 0)]:
            raise UnfitLoss(
                f"training.loss sets {', '.join(chosen)}, which is about classes, but task is regression, which "
                "minimises the squared error. Set class_weights: none, label_smoothing: 0 and focal_gamma: 0."
            )
        assert target is not None
        return _SquaredError(target)
    weights_C = None
    if class_weights == "balanced":
        assert train_labels is not None
        balance = class_balance if task == "single_label" else positive_balance
        weights_C = torch.as_tensor(balance(train_labels, num_outputs), dtype=torch.float32)
    kind = _SoftmaxLoss if task == "single_label" else _SigmoidLoss
    return kind(weights_C, label_smoothing, focal_gamma)


def class_balance(labels_N: NDArray[Any], num_classes: int) -> NDArray[np.float64]:
    """Weights [C] under which all classes that occur weigh alike, 1 on average over the documents; 0 for the others."""
    counts_C = np.bincount(labels_N, minlength=num_classes)
    share = len(labels_N) / np.count_nonzero(counts_C)
    return np.divide(share, counts_C, out=np.zeros(num_classes), where=counts_C > 0)


def positive_balance(labels_NC: NDArray[Any], num_labels: int) -> NDArray[np.float64]:
    """Weights [C] under which a label's documents weigh as much as those without it; 1 if none or all have it."""
    counts_C = labels_NC.sum(axis=0, dtype=np.float64)
    others_C = len(labels_NC) - counts_C
    return np.divide(others_C, counts_C, out=np.ones(num_labels), where=(counts_C > 0) & (others_C > 0))


class _ClassLoss:
    """Options shared by the losses over classes."""

    def __init__(self, weights_C: Tensor | None, label_smoothing: float, focal_gamma: float):
        self.weights_C, self.label_smoothing, self.focal_gamma = weights_C, label_smoothing, focal_gamma

    def weights_on(self, device: torch.device) -> Tensor | None:
        if self.weights_C is not None:
            self.weights_C = self.weights_C.to(device)
        return self.weights_C


class _SoftmaxLoss(_ClassLoss):
    """Cross-entropy with the smoothed label q and the focal factor: - sum_c w_c q_c (1 - p_c)^gamma log p_c.

    It is divided by the number of documents, not by the sum of their weights: that would undo the weights of small
    batches, and of a batch of one altogether.

    Lin et al.: Focal Loss for Dense Object Detection, 2017 (https://arxiv.org/abs/1708.02002);
    Szegedy et al.: Rethinking the Inception Architecture, 2015 (https://arxiv.org/abs/1512.00567), for the smoothing.
    """

    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        labels_B, weights_C = batch["labels_B"], self.weights_on(logits_BC.device)
        if not self.focal_gamma:
            total = F.cross_entropy(
                logits_BC, labels_B, weights_C, reduction="sum", label_smoothing=self.label_smoothing
            )
            return total / len(labels_B)
        log_p_BC = F.log_softmax(logits_BC, dim=-1)
        # At p = 1 the slope of a power below 1 is infinite.
        focus_BC = (1 - log_p_BC.exp()).clamp_min(_SMALLEST) ** self.focal_gamma
        truth_BC = F.one_hot(labels_B, logits_BC.shape[-1]).to(log_p_BC.dtype)
        losses_BC = -smooth(truth_BC, self.label_smoothing, logits_BC.shape[-1]) * focus_BC * log_p_BC
        if weights_C is not None:
            losses_BC = losses_BC * weights_C
        return losses_BC.sum() / len(labels_B)


class _SigmoidLoss(_ClassLoss):
    """Binary cross-entropy: - w_c q (1 - p)^gamma log p - (1 - q) p^gamma log(1 - p), mean over documents and labels.

    q is the label, moved towards 1/2 by the smoothing; w_c weighs the positives. Lin et al. 2017, as above.
    """

    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        weights_C = self.weights_on(logits_BC.device)
        truth_BC = smooth(batch["labels_B"].to(logits_BC.dtype), self.label_smoothing, 2)
        if not self.focal_gamma:
            return F.binary_cross_entropy_with_logits(logits_BC, truth_BC, pos_weight=weights_C)
        log_p_BC, log_not_p_BC = F.logsigmoid(logits_BC), F.logsigmoid(-logits_BC)
        positive_BC = -truth_BC * (self.focal_gamma * log_not_p_BC).exp() * log_p_BC
        negative_BC = -(1 - truth_BC) * (self.focal_gamma * log_p_BC).exp() * log_not_p_BC
        return (positive_BC * (1 if weights_C is None else weights_C) + negative_BC).mean()


class _SquaredError:
    """Mean squared error of the standardised number, so that learning rates suit any unit."""

    def __init__(self, target: Mapping[str, float]):
        self.target = target

    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        return F.mse_loss(logits_BC[:, 0], standardise(batch["labels_B"], self.target))


def smooth(truth: Tensor, share: float, num_answers: int) -> Tensor:
    """Spread a share of the target evenly over the possible answers."""
    return truth * (1 - share) + share / num_answers


def standardise(numbers: Tensor, target: Mapping[str, float]) -> Tensor:
    return (numbers - target["mean"]) / target["std"]


def build_metric(task: Task, num_outputs: int, target: Mapping[str, float] | None = None) -> Metric:
    """The primary figure of the task (`tasks.PRIMARY`), for the logits of many batches and devices: more is better.

    Its `update` takes logits float32 [B, C] and labels as a batch has them; its `compute` gives a scalar of at most 1.
    """
    if task == "regression":
        assert target is not None
        return R2(target)
    return LabelF1() if task == "multi_label" else MacroF1(num_outputs)


def score_logits(
    task: Task, logits_NC: Tensor, labels: NDArray[Any], target: Mapping[str, float] | None = None
) -> float:
    """The same figure of a whole split, for labels as `TokenArrays.labels` has them."""
    metric = build_metric(task, logits_NC.shape[1], target)
    metric.update(logits_NC, torch.as_tensor(labels))
    return float(metric.compute())


class MacroF1(Metric):
    """Macro-F1 over the classes that occur or were predicted, as `evaluation.quality` has it."""

    full_state_update = False
    higher_is_better = True
    hits: Tensor
    support: Tensor
    predicted: Tensor

    def __init__(self, num_classes: int):
        super().__init__()
        self.num_classes = num_classes
        for name in ("hits", "support", "predicted"):
            self.add_state(name, torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits_BC: Tensor, labels_B: Tensor) -> None:
        guess_BC = F.one_hot(logits_BC.argmax(dim=-1), self.num_classes).bool()
        truth_BC = F.one_hot(labels_B, self.num_classes).bool()
        self.hits += (guess_BC & truth_BC).sum(dim=0)
        self.support += truth_BC.sum(dim=0)
        self.predicted += guess_BC.sum(dim=0)

    def compute(self) -> Tensor:
        total_C = self.support + self.predicted
        f1_C = 2 * self.hits / total_C.clamp_min(1)
        return f1_C.sum() / (total_C > 0).sum().clamp_min(1)


class R2(Metric):
    """Coefficient of determination; the same for the numbers and for the standardised ones, which are summed here."""

    full_state_update = False
    higher_is_better = True
    count: Tensor
    total: Tensor
    total_squares: Tensor
    residual_squares: Tensor

    def __init__(self, target: Mapping[str, float]):
        super().__init__()
        self.target = dict(target)
        for name in ("count", "total", "total_squares", "residual_squares"):
            self.add_state(name, torch.zeros(()), dist_reduce_fx="sum")

    def update(self, logits_BC: Tensor, labels_B: Tensor) -> None:
        truth_B = standardise(labels_B.float(), self.target)
        self.count += len(truth_B)
        self.total += truth_B.sum()
        self.total_squares += truth_B.square().sum()
        self.residual_squares += (truth_B - logits_BC[:, 0]).square().sum()

    def compute(self) -> Tensor:
        """Where the numbers do not differ, 1 if all are met and else 0 (scikit-learn's definition)."""
        spread = self.total_squares - self.total.square() / self.count
        if spread <= _ROUNDING * self.total_squares:
            return (self.residual_squares == 0).float()
        return 1 - self.residual_squares / spread
