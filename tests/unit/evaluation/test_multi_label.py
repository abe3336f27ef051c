import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics

from textmill.evaluation.multi_label import assess_labels
from textmill.evaluation.quality import Quality

THRESHOLDS = [0.5, 0.3, 0.6, 0.45]
NAMES = ["a", "b", "c", "d"]


def draw(num_documents: int, seed: int, num_labels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels, some rarer than others, and probabilities that are right more often than not."""
    rng = np.random.default_rng(seed)
    labels_NC = (rng.random((num_documents, num_labels)) < np.linspace(0.1, 0.5, num_labels)).astype(np.int8)
    probabilities_NC = expit(rng.normal(size=labels_NC.shape) + 2.5 * labels_NC - 1.2).astype(np.float32)
    return labels_NC, probabilities_NC


def judge(labels_NC: np.ndarray, probabilities_NC: np.ndarray, num_resamples: int = 100) -> Quality:
    return assess_labels(
        labels_NC, probabilities_NC, THRESHOLDS, NAMES, confidence=0.9, num_resamples=num_resamples, seed=0
    )


@pytest.mark.parametrize("num_documents", [10, 200, 1000])
def test_figures_equal_scikit_learn(num_documents):
    labels_NC, probabilities_NC = draw(num_documents, seed=num_documents)
    labels_NC[0] = 1  # each label occurs, as scikit-learn wants it
    gets_NC = (probabilities_NC >= np.array(THRESHOLDS)).astype(int)
    quality = judge(labels_NC, probabilities_NC)
    macro = {"average": "macro", "zero_division": 0}
    exact = probabilities_NC.astype(np.float64)
    expected = {
        "precision_macro": metrics.precision_score(labels_NC, gets_NC, **macro),
        "recall_macro": metrics.recall_score(labels_NC, gets_NC, **macro),
        "f1_macro": metrics.f1_score(labels_NC, gets_NC, **macro),
        "f1_micro": metrics.f1_score(labels_NC, gets_NC, average="micro"),
        "subset_accuracy": metrics.accuracy_score(labels_NC, gets_NC),
        "hamming_loss": metrics.hamming_loss(labels_NC, gets_NC),
        "log_loss": np.mean([metrics.log_loss(labels_NC[:, i], exact[:, i], labels=[0, 1]) for i in range(4)]),
        "mean_average_precision": metrics.average_precision_score(labels_NC, probabilities_NC, average="macro"),
    }
    assert quality.figures == pytest.approx(expected, abs=1e-6)
    per_label = metrics.precision_recall_fscore_support(labels_NC, gets_NC, zero_division=0)
    table = quality.details["per_class"]
    for key, column in zip(("precision", "recall", "f1", "support"), per_label, strict=True):
        assert [table[name][key] for name in NAMES] == pytest.approx(column.tolist())
    assert [row["threshold"] for row in table.values()] == THRESHOLDS
    assert set(quality.intervals) == set(expected) - {"mean_average_precision"}


def test_the_intervals_are_those_of_resampled_documents():
    labels_NC, probabilities_NC = draw(250, seed=1)
    gets_NC = probabilities_NC >= np.array(THRESHOLDS)
    quality = judge(labels_NC, probabilities_NC, num_resamples=5000)
    rng = np.random.default_rng(2)
    drawn = [rng.integers(250, size=250) for _ in range(500)]
    slow = {
        "f1_macro": [metrics.f1_score(labels_NC[d], gets_NC[d], average="macro", zero_division=0) for d in drawn],
        "f1_micro": [metrics.f1_score(labels_NC[d], gets_NC[d], average="micro") for d in drawn],
        "subset_accuracy": [(labels_NC[d] == gets_NC[d]).all(axis=1).mean() for d in drawn],
        "hamming_loss": [(labels_NC[d] != gets_NC[d]).mean() for d in drawn],
    }
    for name, values in slow.items():
        np.testing.assert_allclose(quality.intervals[name], np.quantile(values, [0.05, 0.95]), atol=0.015, err_msg=name)


def test_a_label_that_nobody_has_or_gets_is_left_out():
    labels_NC, probabilities_NC = draw(300, seed=3)
    labels_NC[:, 0], probabilities_NC[:, 0] = 0, 0.1
    quality = judge(labels_NC, probabilities_NC)
    gets_NC = probabilities_NC >= np.array(THRESHOLDS)
    expected = metrics.f1_score(labels_NC[:, 1:], gets_NC[:, 1:], average="macro")
    assert quality.figures["f1_macro"] == pytest.approx(expected)
    rest = metrics.average_precision_score(labels_NC[:, 1:], probabilities_NC[:, 1:], average="macro")
    assert quality.figures["mean_average_precision"] == pytest.approx(rest)


def test_no_label_at_all_is_no_crash():
    quality = judge(np.zeros((5, 4), dtype=np.int8), np.full((5, 4), 0.1, dtype=np.float32))
    assert quality.figures["subset_accuracy"] == 1
    assert quality.figures["f1_macro"] == quality.figures["mean_average_precision"] == 0
    assert np.isfinite(list(quality.figures.values())).all()
