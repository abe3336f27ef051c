import time

import numpy as np
import pytest
from sklearn import metrics

from textmill.evaluation.quality import assess, bootstrap, class_scores, confusion_matrix, scores, tally


def draw(num_documents: int, num_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True labels, unevenly spread, and probabilities that are right more often than not."""
    rng = np.random.default_rng(seed)
    labels_N = rng.choice(num_classes, num_documents, p=rng.dirichlet(np.full(num_classes, 3.0)))
    logits_NC = rng.normal(size=(num_documents, num_classes)) + 1.5 * np.eye(num_classes)[labels_N]
    probabilities_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    return labels_N, probabilities_NC.astype(np.float32)


@pytest.mark.filterwarnings("ignore::UserWarning")  # scikit-learn's, on classes that are never predicted
@pytest.mark.parametrize(("num_documents", "num_classes"), [(1, 2), (7, 6), (200, 2), (500, 5), (300, 40)])
def test_figures_equal_scikit_learn(num_documents, num_classes):
    labels_N, probabilities_NC = draw(num_documents, num_classes, seed=num_documents)
    predicted_N = probabilities_NC.argmax(axis=1)
    names = [f"c{i}" for i in range(num_classes)]
    quality = assess(labels_N, probabilities_NC, names, confidence=0.95, num_resamples=100, seed=0)
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "accuracy": metrics.accuracy_score(labels_N, predicted_N),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels_N, predicted_N),
        "precision_macro": metrics.precision_score(labels_N, predicted_N, **macro),
        "recall_macro": metrics.recall_score(labels_N, predicted_N, **macro),
        "f1_macro": metrics.f1_score(labels_N, predicted_N, **macro),
        "f1_weighted": metrics.f1_score(labels_N, predicted_N, average="weighted", zero_division=0),
        "log_loss": metrics.log_loss(labels_N, probabilities_NC.astype(np.float64), labels=range(num_classes)),
    }
    assert quality.figures == pytest.approx(expected, abs=1e-6)
    per_class = metrics.precision_recall_fscore_support(
        labels_N, predicted_N, labels=range(num_classes), zero_division=0
    )
    for key, column in zip(("precision", "recall", "f1", "support"), per_class, strict=True):
        assert [quality.details["per_class"][name][key] for name in names] == pytest.approx(column.tolist())
    expected_CC = metrics.confusion_matrix(labels_N, predicted_N, labels=range(num_classes))
    np.testing.assert_array_equal(quality.details["confusion"], expected_CC)
    for name, (low, high) in quality.intervals.items():
        assert low <= high
        assert low >= 0
        assert high <= 1 or name == "log_loss"


def test_certain_and_wrong_has_a_finite_loss():
    quality = assess(
        np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]), ["a", "b"], confidence=0.9, num_resamples=100, seed=0
    )
    assert quality.figures["log_loss"] == pytest.approx(-np.log(np.finfo(np.float32).eps) / 2)


def test_the_accuracys_spread_is_the_binomials():
    """Closed form: stratified by class, the variance of accuracy is the sum of n_c p_c (1 - p_c), over N squared."""
    labels_N, probabilities_NC = draw(800, 3, seed=1)
    predicted_N = probabilities_NC.argmax(axis=1)
    accuracy_R = scores(bootstrap(labels_N, [predicted_N], 3, num_resamples=20000, seed=0)[0])["accuracy"]
    counts = tally(confusion_matrix(labels_N, predicted_N, 3))
    recall_C = counts.hits / counts.support
    variance = (counts.support * recall_C * (1 - recall_C)).sum() / 800**2
    assert accuracy_R.std() == pytest.approx(np.sqrt(variance), rel=0.03)
    assert accuracy_R.mean() == pytest.approx((predicted_N == labels_N).mean(), abs=5 * np.sqrt(variance / 20000))


def test_counts_resample_like_documents():
    """The multinomial shortcut has the distribution of macro-F1 over documents drawn class by class."""
    labels_N, probabilities_NC = draw(300, 4, seed=2)
    predicted_N = probabilities_NC.argmax(axis=1)
    fast_R = scores(bootstrap(labels_N, [predicted_N], 4, num_resamples=5000, seed=0)[0])["f1_macro"]
    rng = np.random.default_rng(1)
    groups = [np.flatnonzero(labels_N == label) for label in range(4)]
    slow = []
    for _ in range(2000):
        drawn = np.concatenate([rng.choice(group, len(group)) for group in groups])
        slow.append(scores(tally(confusion_matrix(labels_N[drawn], predicted_N[drawn], 4)))["f1_macro"])
    assert fast_R.mean() == pytest.approx(np.mean(slow), abs=0.003)
    assert fast_R.std() == pytest.approx(np.std(slow), rel=0.1)
    np.testing.assert_allclose(np.quantile(fast_R, [0.05, 0.95]), np.quantile(slow, [0.05, 0.95]), atol=0.006)


def test_a_class_keeps_its_documents_in_every_resample():
    labels_N = np.array([0] * 50 + [1] * 2)
    counts = bootstrap(labels_N, [labels_N, 1 - labels_N], 2, num_resamples=500, seed=0)
    for model in counts:
        assert (model.support == [50, 2]).all()
    right, wrong = (class_scores(model)[2] for model in counts)
    assert (right == 1).all()
    assert (wrong == 0).all()


def test_the_seed_decides_and_blocks_do_not_matter(monkeypatch):
    labels_N, probabilities_NC = draw(100, 3, seed=3)
    predicted_N = probabilities_NC.argmax(axis=1)
    first, again, other = (
        scores(bootstrap(labels_N, [predicted_N], 3, num_resamples=200, seed=seed)[0])["f1_macro"] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    monkeypatch.setattr("textmill.evaluation.resampling._BLOCK", 50)
    blocks = scores(bootstrap(labels_N, [predicted_N], 3, num_resamples=200, seed=0)[0])["f1_macro"]
    assert blocks.shape == (200,)
    assert blocks.std() == pytest.approx(first.std(), rel=0.3)


def test_intervals_are_quick():
    labels_N, probabilities_NC = draw(1280, 5, seed=4)
    start = time.process_time()
    assess(labels_N, probabilities_NC, list("abcde"), confidence=0.95, num_resamples=2000, seed=0)
    assert time.process_time() - start < 2  # 0.1 s measured


def test_intervals_cover_the_truth():
    """Nominal 90 % over 1,000 simulated test sets; three standard errors of a share of 0.9 are 0.028."""
    rng = np.random.default_rng(0)
    cells = np.array([[0.40, 0.06, 0.04], [0.05, 0.22, 0.03], [0.04, 0.04, 0.12]])
    truth = scores(tally(cells))["f1_macro"]
    support_C = (cells.sum(axis=1) * 600).astype(int)
    labels_N = np.repeat(np.arange(3), support_C)
    covered = 0
    for seed in range(1000):
        predicted_N = np.concatenate(
            [rng.choice(3, n, p=row / row.sum()) for n, row in zip(support_C, cells, strict=True)]
        )
        sample_R = scores(bootstrap(labels_N, [predicted_N], 3, num_resamples=500, seed=seed)[0])["f1_macro"]
        low, high = np.quantile(sample_R, [0.05, 0.95])
        covered += bool(low <= truth <= high)
    assert covered / 1000 == pytest.approx(0.9, abs=0.03)
