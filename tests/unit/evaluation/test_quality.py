import time

import numpy as np
import pytest
from sklearn import metrics

from textmill.evaluation.confusion import confusion_matrix, scores, tally
from textmill.evaluation.quality import Quality, assess, document_terms


def draw(num_documents: int, num_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True labels, unevenly spread, and probabilities that are right more often than not."""
    rng = np.random.default_rng(seed)
    labels_N = rng.choice(num_classes, num_documents, p=rng.dirichlet(np.full(num_classes, 3.0)))
    logits_NC = rng.normal(size=(num_documents, num_classes)) + 1.5 * np.eye(num_classes)[labels_N]
    probabilities_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    return labels_N, probabilities_NC.astype(np.float32)


def judge(labels_N: np.ndarray, probabilities_NC: np.ndarray, num_resamples: int = 100) -> Quality:
    names = [f"c{i}" for i in range(probabilities_NC.shape[1])]
    return assess(labels_N, probabilities_NC, names, top_k=2, confidence=0.95, num_resamples=num_resamples, seed=0)


def scikit_learns(labels_N: np.ndarray, probabilities_NC: np.ndarray) -> dict[str, float]:
    """Every figure; of rankings the mean over classes that divide the documents."""
    predicted_N, classes = probabilities_NC.argmax(axis=1), range(probabilities_NC.shape[1])
    exact_NC = probabilities_NC.astype(np.float64)
    expected = {
        "accuracy": metrics.accuracy_score(labels_N, predicted_N),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels_N, predicted_N),
        "f1_micro": metrics.f1_score(labels_N, predicted_N, average="micro"),
        "matthews": metrics.matthews_corrcoef(labels_N, predicted_N),
        "kappa": np.nan_to_num(metrics.cohen_kappa_score(labels_N, predicted_N), nan=1.0),
        "log_loss": metrics.log_loss(labels_N, exact_NC, labels=classes),
        "brier": metrics.brier_score_loss(labels_N, exact_NC, labels=classes, scale_by_half=False)
        if len(classes) > 2
        else 2 * np.mean((exact_NC[:, 1] - labels_N) ** 2),
    }
    if len(classes) > 2:  # of two, both are the two most probable
        expected["top_k"] = metrics.top_k_accuracy_score(labels_N, exact_NC, k=2, labels=classes)
    for average in ("macro", "weighted"):
        keywords = {"average": average, "zero_division": 0}
        expected[f"precision_{average}"] = metrics.precision_score(labels_N, predicted_N, **keywords)
        expected[f"recall_{average}"] = metrics.recall_score(labels_N, predicted_N, **keywords)
        expected[f"f1_{average}"] = metrics.f1_score(labels_N, predicted_N, **keywords)
    parted = [label for label in classes if 0 < (labels_N == label).sum() < len(labels_N)]
    if parted:
        pairs = [(labels_N == label, probabilities_NC[:, label]) for label in parted]
        expected["roc_auc"] = np.mean([metrics.roc_auc_score(*pair) for pair in pairs])
        expected["average_precision"] = np.mean([metrics.average_precision_score(*pair) for pair in pairs])
    return expected


@pytest.mark.filterwarnings("ignore")  # scikit-learn's, on classes that are never predicted
@pytest.mark.parametrize(
    ("num_documents", "num_classes"), [(1, 2), (7, 6), (30, 4), (30, 52), (200, 2), (500, 5), (300, 40), (3000, 52)]
)
def test_figures_equal_scikit_learn(num_documents, num_classes):
    labels_N, probabilities_NC = draw(num_documents, num_classes, seed=num_documents)
    predicted_N = probabilities_NC.argmax(axis=1)
    quality = judge(labels_N, probabilities_NC)
    assert quality.figures == pytest.approx(scikit_learns(labels_N, probabilities_NC), abs=1e-6)
    assert quality.intervals.keys() == quality.figures.keys()
    columns = metrics.precision_recall_fscore_support(labels_N, predicted_N, labels=range(num_classes), zero_division=0)
    rows = list(quality.details["per_class"].values())
    for key, column in zip(("precision", "recall", "f1", "support"), columns, strict=True):
        assert [row[key] for row in rows] == pytest.approx(column.tolist())
    for label, row in enumerate(rows):
        is_parted = 0 < row["support"] < num_documents
        for key, judged in (("roc_auc", metrics.roc_auc_score), ("average_precision", metrics.average_precision_score)):
            expected = judged(labels_N == label, probabilities_NC[:, label]) if is_parted else None
            assert row[key] == (pytest.approx(expected, abs=1e-7) if is_parted else None)
            assert is_parted == (row[f"{key}_low"] is not None) == (row[f"{key}_high"] is not None)
    expected_CC = metrics.confusion_matrix(labels_N, predicted_N, labels=range(num_classes))
    np.testing.assert_array_equal(quality.details["confusion"], expected_CC)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("num_documents", "num_classes"), [(1, 2), (7, 6), (30, 52), (500, 5), (300, 40)])
def test_intervals_hold_their_figure_and_stay_in_its_range(num_documents, num_classes):
    quality = judge(*draw(num_documents, num_classes, seed=num_documents), num_resamples=400)
    for name, (low, high) in quality.intervals.items():
        assert low <= high
        if name in ("log_loss", "brier"):
            assert low >= 0
            continue
        assert -1 <= low <= quality.figures[name] <= high <= 1 + 1e-12, name
        assert low >= 0 or name in ("matthews", "kappa")
    for row in quality.details["per_class"].values():
        for name in ("precision", "recall", "f1", "roc_auc", "average_precision"):
            if row[name] is not None:
                assert 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] <= 1, name


@pytest.mark.filterwarnings("error")
def test_a_predictor_without_fault_is_not_said_to_be_certain():
    """Of 30 documents, all right, at most 11.6 % are wrong: the interval of Clopper and Pearson."""
    labels_N = np.repeat([0, 1, 2], 10)
    quality = judge(labels_N, np.eye(3, dtype=np.float32)[labels_N] * 0.7 + 0.1)
    ones = ("accuracy", "f1_macro", "f1_weighted", "matthews", "kappa", "roc_auc", "average_precision", "top_k")
    for name in ones:
        assert quality.figures[name] == pytest.approx(1)
        assert quality.intervals[name] == pytest.approx((0.025 ** (1 / 30), 1)), name
    for name in ("precision", "recall", "f1", "roc_auc", "average_precision"):
        row = quality.details["per_class"]["c1"]
        assert (row[f"{name}_low"], row[name], row[f"{name}_high"]) == pytest.approx((0.025 ** (1 / 10), 1, 1)), name


@pytest.mark.filterwarnings("error")
def test_a_constant_predictor_ranks_by_chance():
    labels_N = np.array([0] * 40 + [1] * 20)
    quality = judge(labels_N, np.tile(np.array([[0.6, 0.3, 0.1]], dtype=np.float32), (60, 1)))
    assert quality.figures["roc_auc"] == quality.figures["balanced_accuracy"] == 0.5
    assert quality.figures["average_precision"] == pytest.approx((40 / 60 + 20 / 60) / 2)
    assert quality.figures["matthews"] == quality.figures["kappa"] == 0
    row = quality.details["per_class"]["c2"]
    assert (row["support"], row["precision"], row["roc_auc"], row["roc_auc_low"]) == (0, 0, None, None)


@pytest.mark.filterwarnings("error")
def test_one_class_alone_has_no_ranking():
    quality = judge(np.zeros(25, dtype=int), np.tile(np.array([[0.8, 0.2]], dtype=np.float32), (25, 1)))
    assert {"roc_auc", "average_precision"}.isdisjoint(quality.figures)
    assert quality.figures["accuracy"] == quality.figures["kappa"] == 1
    assert np.isfinite(list(quality.figures.values())).all()


def test_certain_and_wrong_has_a_finite_loss():
    quality = judge(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert quality.figures["log_loss"] == pytest.approx(-np.log(np.finfo(np.float32).eps) / 2)
    assert quality.figures["brier"] == 1


def test_the_accuracys_interval_is_the_binomials():
    """Closed form: stratified by class, the variance of accuracy is the sum of n_c p_c (1 - p_c), over N squared."""
    labels_N, probabilities_NC = draw(800, 3, seed=1)
    right_N = probabilities_NC.argmax(axis=1) == labels_N
    variance = sum(right_N[labels_N == c].var() * (labels_N == c).sum() for c in range(3)) / 800**2
    low, high = judge(labels_N, probabilities_NC, num_resamples=20_000).intervals["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.04)
    assert (low + high) / 2 == pytest.approx(right_N.mean(), abs=0.15 * np.sqrt(variance))


def test_intervals_are_those_of_resampled_documents():
    """Of figures of sums; documents drawn class by class in a loop. For those of order see test_ranking."""
    labels_N, probabilities_NC = draw(300, 4, seed=2)
    predicted_N = probabilities_NC.argmax(axis=1)
    quality = judge(labels_N, probabilities_NC, num_resamples=10_000)
    rng = np.random.default_rng(1)
    groups = [np.flatnonzero(labels_N == label) for label in range(4)]
    terms = document_terms(labels_N, probabilities_NC, top_k=2)
    slow = []
    for _ in range(4000):
        d = np.concatenate([rng.choice(group, len(group)) for group in groups])
        figures = scores(tally(confusion_matrix(labels_N[d], predicted_N[d], 4)))
        slow.append(figures | {name: terms_N[d].mean() for name, terms_N in terms.items()})
    assert slow[0].keys() == quality.figures.keys() - {"roc_auc", "average_precision"}
    for name in slow[0]:
        values = [float(figures[name]) for figures in slow]
        expected = np.quantile(values, [0.025, 0.975])
        # Four standard errors of both quantiles are 0.2 standard deviations; a step of a share of 300 documents.
        atol = 0.2 * np.std(values) + (1 / 300 if name in ("accuracy", "top_k") else 0)
        np.testing.assert_allclose(quality.intervals[name], expected, atol=atol, err_msg=name)


def test_the_seed_decides():
    labels_N, probabilities_NC = draw(100, 3, seed=3)
    keywords = {"top_k": 2, "confidence": 0.9, "num_resamples": 200}
    first, again, other = (assess(labels_N, probabilities_NC, list("abc"), **keywords, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.figures == other.figures
    assert first.intervals != other.intervals


def test_intervals_are_quick():
    """The goal is 3 s on one core, measured by benchmarks/bench_evaluation.py: 0.6 s."""
    labels_N, probabilities_NC = draw(7500, 20, seed=4)
    start = time.process_time()
    judge(labels_N, probabilities_NC, num_resamples=10_000)
    assert time.process_time() - start < 6  # of all threads
