"""Figures of a confusion matrix against scikit-learn and torchmetrics, on random and edge inputs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_cohen_kappa, multiclass_matthews_corrcoef

from textmill.evaluation.confusion import Tally, class_scores, confusion_matrix, micro_scores, scores, tally


def judge(labels_N, predicted_N, num_classes: int) -> dict[str, float]:
    counts = tally(confusion_matrix(np.array(labels_N), np.array(predicted_N), num_classes))
    return {name: float(value) for name, value in scores(counts).items()}


def scikit_learns(labels_N, predicted_N) -> dict[str, float]:
    expected = {
        "accuracy": metrics.accuracy_score(labels_N, predicted_N),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels_N, predicted_N),
        "f1_micro": metrics.f1_score(labels_N, predicted_N, average="micro"),
        "matthews": metrics.matthews_corrcoef(labels_N, predicted_N),
    }
    for average in ("macro", "weighted"):
        keywords = {"average": average, "zero_division": 0}
        expected[f"precision_{average}"] = metrics.precision_score(labels_N, predicted_N, **keywords)
        expected[f"recall_{average}"] = metrics.recall_score(labels_N, predicted_N, **keywords)
        expected[f"f1_{average}"] = metrics.f1_score(labels_N, predicted_N, **keywords)
    kappa = metrics.cohen_kappa_score(labels_N, predicted_N)
    return expected | {"kappa": 1.0 if np.isnan(kappa) else kappa}


pairs = st.integers(1, 6).flatmap(
    lambda num_classes: st.lists(
        st.tuples(st.integers(0, num_classes - 1), st.integers(0, num_classes - 1)), min_size=1, max_size=40
    )
)


@pytest.mark.filterwarnings("ignore")  # scikit-learn's, on classes that are never predicted or do not occur
@settings(max_examples=40, deadline=None)
@given(pairs)
def test_figures_equal_scikit_learn_on_any_labels(pairs):
    labels_N, predicted_N = zip(*pairs, strict=True)
    assert judge(labels_N, predicted_N, 6) == pytest.approx(scikit_learns(labels_N, predicted_N), abs=1e-12)


EDGES = {
    "perfect": ([0, 1, 2, 2], [0, 1, 2, 2]),
    "all wrong": ([0, 1, 2, 2], [1, 2, 0, 0]),
    "constant predictor": ([0, 1, 2, 2], [1, 1, 1, 1]),
    "one class": ([1, 1, 1], [1, 1, 1]),
    "one class, all wrong": ([1, 1, 1], [0, 0, 0]),
    "class absent from truth": ([0, 0, 1], [0, 2, 1]),
    "one document": ([2], [2]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("edge", EDGES)
def test_figures_equal_scikit_learn_on_edges(edge):
    assert judge(*EDGES[edge], 3) == pytest.approx(scikit_learns(*EDGES[edge]), abs=1e-12)


@pytest.mark.parametrize("num_classes", [2, 20, 52])
def test_agreement_equals_torchmetrics(num_classes):
    rng = np.random.default_rng(num_classes)
    labels_N = rng.integers(num_classes, size=3000)
    predicted_N = np.where(rng.random(3000) < 0.6, labels_N, rng.integers(num_classes, size=3000))
    found = judge(labels_N, predicted_N, num_classes)
    tensors = torch.tensor(predicted_N), torch.tensor(labels_N)
    assert found["matthews"] == pytest.approx(float(multiclass_matthews_corrcoef(*tensors, num_classes)), abs=1e-5)
    assert found["kappa"] == pytest.approx(float(multiclass_cohen_kappa(*tensors, num_classes)), abs=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [7, 30, 1001, 8191])
def test_one_class_alone_is_no_rounding(count):
    """Shares such as 7/7 and sums of squares must not leave a spread of 1e-17 to divide by."""
    found = judge([1] * count, [1] * count, 3)
    assert (found["matthews"], found["kappa"]) == (0, 1)
    found = judge([1] * count, [1] * (count - 1) + [0], 3)
    assert (found["matthews"], found["kappa"]) == (0, 0)


def test_resamples_are_judged_one_by_one():
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 9, size=(6, 4, 4))
    matrices[0] = np.diag([3, 0, 0, 0])
    columns = zip(*(tally(matrix) for matrix in matrices), strict=True)
    together = scores(Tally(*(np.stack(column) for column in columns)))
    for i, matrix in enumerate(matrices):
        alone = scores(tally(matrix))
        for name, values_R in together.items():
            assert values_R[i] == pytest.approx(float(alone[name])), name


def test_a_class_that_is_never_predicted_has_no_precision_but_zero():
    precision, recall, f1 = class_scores(Tally(np.array([0, 2]), np.array([1, 2]), np.array([0, 3])))
    assert (precision[0], recall[0], f1[0]) == (0, 0, 0)
    assert (precision[1], recall[1]) == (2 / 3, 1)


def test_micro_figures_count_decisions():
    found = micro_scores(Tally(np.array([3, 1]), np.array([4, 4]), np.array([3, 2])))
    assert found == pytest.approx({"precision_micro": 4 / 5, "recall_micro": 4 / 8, "f1_micro": 8 / 13})
