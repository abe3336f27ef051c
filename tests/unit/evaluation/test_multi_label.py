import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn import metrics
from torchmetrics.functional.classification import (
    multilabel_auroc,
    multilabel_average_precision,
    multilabel_coverage_error,
    multilabel_ranking_average_precision,
)

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


def scikit_learns(labels_NC: np.ndarray, probabilities_NC: np.ndarray) -> dict[str, float]:
    gets_NC = (probabilities_NC >= np.array(THRESHOLDS)).astype(int)
    exact_NC = probabilities_NC.astype(np.float64)
    columns = range(labels_NC.shape[1])
    expected = {
        "subset_accuracy": metrics.accuracy_score(labels_NC, gets_NC),
        "hamming_loss": metrics.hamming_loss(labels_NC, gets_NC),
        "f1_samples": metrics.f1_score(labels_NC, gets_NC, average="samples", zero_division=1),
        "jaccard": metrics.jaccard_score(labels_NC, gets_NC, average="samples", zero_division=1),
        "log_loss": np.mean([metrics.log_loss(labels_NC[:, i], exact_NC[:, i], labels=[0, 1]) for i in columns]),
        "brier": np.mean([metrics.brier_score_loss(labels_NC[:, i], exact_NC[:, i], pos_label=1) for i in columns]),
        "label_ranking_average_precision": metrics.label_ranking_average_precision_score(labels_NC, exact_NC),
        "coverage_error": metrics.coverage_error(labels_NC, exact_NC),
        "mean_average_precision": metrics.average_precision_score(labels_NC, probabilities_NC, average="macro"),
        "roc_auc": metrics.roc_auc_score(labels_NC, probabilities_NC, average="macro"),
    }
    for average in ("macro", "micro", "weighted"):
        keywords = {"average": average, "zero_division": 0}
        expected[f"precision_{average}"] = metrics.precision_score(labels_NC, gets_NC, **keywords)
        expected[f"recall_{average}"] = metrics.recall_score(labels_NC, gets_NC, **keywords)
        expected[f"f1_{average}"] = metrics.f1_score(labels_NC, gets_NC, **keywords)
    return expected


@pytest.mark.filterwarnings("ignore")  # scikit-learn's, on documents without a label
@pytest.mark.parametrize("num_documents", [10, 200, 1000])
@pytest.mark.parametrize("digits", [8, 1], ids=["", "ties"])
def test_figures_equal_scikit_learn(num_documents, digits):
    labels_NC, probabilities_NC = draw(num_documents, seed=num_documents)
    probabilities_NC = probabilities_NC.round(digits).clip(0.01, 0.99)
    labels_NC[0], labels_NC[1] = 1, 0  # each label divides the documents, as scikit-learn wants it
    quality = judge(labels_NC, probabilities_NC)
    figures = dict(quality.figures)
    top_N = probabilities_NC.argmax(axis=1)
    has_any_N = labels_NC.any(axis=1)
    assert figures.pop("one_error") == ((labels_NC[np.arange(len(top_N)), top_N] == 0) & has_any_N).mean()
    assert figures == pytest.approx(scikit_learns(labels_NC, probabilities_NC), abs=1e-6)
    assert quality.intervals.keys() == quality.figures.keys()
    gets_NC = (probabilities_NC >= np.array(THRESHOLDS)).astype(int)
    per_label = metrics.precision_recall_fscore_support(labels_NC, gets_NC, zero_division=0)
    table = quality.details["per_class"]
    for key, column in zip(("precision", "recall", "f1", "support"), per_label, strict=True):
        assert [table[name][key] for name in NAMES] == pytest.approx(column.tolist())
    ranked = {"roc_auc": metrics.roc_auc_score, "average_precision": metrics.average_precision_score}
    for key, judged in ranked.items():
        expected = judged(labels_NC, probabilities_NC, average=None)
        assert [table[name][key] for name in NAMES] == pytest.approx(expected.tolist(), abs=1e-6)
    assert [row["threshold"] for row in table.values()] == THRESHOLDS


def test_figures_equal_torchmetrics():
    labels_NC, probabilities_NC = draw(500, seed=9)
    given = torch.tensor(probabilities_NC), torch.tensor(labels_NC, dtype=torch.int64)
    figures = judge(labels_NC, probabilities_NC).figures
    for name, function in {
        "label_ranking_average_precision": multilabel_ranking_average_precision,
        "coverage_error": multilabel_coverage_error,
        "mean_average_precision": multilabel_average_precision,
        "roc_auc": multilabel_auroc,
    }.items():
        assert figures[name] == pytest.approx(float(function(*given, num_labels=4)), abs=1e-5), name


@pytest.mark.filterwarnings("ignore")
def test_the_intervals_are_those_of_resampled_documents():
    labels_NC, probabilities_NC = draw(400, seed=1)
    quality = judge(labels_NC, probabilities_NC, num_resamples=10_000)
    rng = np.random.default_rng(2)
    slow = [judge_figures(labels_NC[d], probabilities_NC[d]) for d in rng.integers(400, size=(300, 400))]
    for name, (low, high) in quality.intervals.items():
        values = [figures[name] for figures in slow]
        # Three standard errors of a quantile; the step of a share of 400 documents.
        atol = 0.35 * np.std(values) + 1 / 400
        np.testing.assert_allclose((low, high), np.quantile(values, [0.05, 0.95]), atol=atol, err_msg=name)


def judge_figures(labels_NC: np.ndarray, probabilities_NC: np.ndarray) -> dict[str, float]:
    return judge(labels_NC, probabilities_NC, num_resamples=1).figures


@pytest.mark.filterwarnings("error")
def test_a_label_that_nobody_has_or_gets_is_left_out():
    labels_NC, probabilities_NC = draw(300, seed=3)
    labels_NC[:, 0], probabilities_NC[:, 0] = 0, 0.1
    quality = judge(labels_NC, probabilities_NC)
    gets_NC = probabilities_NC >= np.array(THRESHOLDS)
    expected = metrics.f1_score(labels_NC[:, 1:], gets_NC[:, 1:], average="macro")
    assert quality.figures["f1_macro"] == pytest.approx(expected)
    rest = metrics.average_precision_score(labels_NC[:, 1:], probabilities_NC[:, 1:], average="macro")
    assert quality.figures["mean_average_precision"] == pytest.approx(rest)
    row = quality.details["per_class"]["a"]
    assert (row["support"], row["average_precision"], row["roc_auc_high"]) == (0, None, None)


@pytest.mark.filterwarnings("error")
def test_no_label_at_all_is_no_crash():
    quality = judge(np.zeros((5, 4), dtype=np.int8), np.full((5, 4), 0.1, dtype=np.float32))
    figures = quality.figures
    assert figures["subset_accuracy"] == figures["f1_samples"] == figures["jaccard"] == 1
    assert figures["label_ranking_average_precision"] == 1
    assert figures["f1_macro"] == figures["f1_micro"] == figures["one_error"] == figures["coverage_error"] == 0
    assert {"mean_average_precision", "roc_auc"}.isdisjoint(figures)
    assert np.isfinite(list(figures.values())).all()


@pytest.mark.filterwarnings("error")
def test_answers_without_fault_are_not_said_to_be_certain():
    labels_NC, _ = draw(40, seed=4)
    quality = judge(labels_NC, (labels_NC * 0.8 + 0.1).astype(np.float32))
    for name in ("f1_macro", "f1_micro", "subset_accuracy", "mean_average_precision", "roc_auc"):
        assert quality.figures[name] == 1
        assert quality.intervals[name] == pytest.approx((0.05 ** (1 / 40), 1)), name
