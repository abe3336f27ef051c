"""Do the intervals hold the true figure as often as they say?

Test sets are drawn again and again from a population whose figures are known from 400,000 of its documents (their
standard error is below a thirtieth of an interval's half width). Nominal is 90 %. The standard error of a share of 0.9
in 2,000 test sets is 0.0067, so a bound 0.03 away is 4.5 of them: noise does not reach it, though it leaves the
bootstrap, which is right in the limit only, about 0.02. The seeds are fixed as well.
"""

import numpy as np
import pytest

from textmill.evaluation.multi_label import assess_labels
from textmill.evaluation.quality import assess
from textmill.evaluation.regression import assess_values

NUM_SETS = 2000
RESAMPLING = {"confidence": 0.9, "num_resamples": 400}
POPULATION = 400_000


def share_covered(draw, judge, names) -> dict[str, float]:
    """The share of test sets whose intervals hold the population's figures.

    Args:
        draw: truth and outputs of so many documents, given their number and a generator; None for a test set.
        judge: `Quality` of truth, outputs and a seed.
    """
    rng = np.random.default_rng(0)
    truth = judge(*draw(POPULATION, rng), 0, num_resamples=1).figures
    covered = dict.fromkeys(names, 0)
    for seed in range(NUM_SETS):
        intervals = judge(*draw(None, rng), seed).intervals
        for name in names:
            low, high = intervals[name]
            covered[name] += bool(low <= truth[name] <= high)
    return {name: count / NUM_SETS for name, count in covered.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("supports", "separation"),
    [((300, 200, 100), 1.5), ((150, 150), 1.0), ((60,) * 10, 2.5)],
    ids=["three classes", "two classes", "ten classes"],
)
def test_intervals_of_labels_cover(supports, separation):
    names = [f"c{i}" for i in range(len(supports))]

    def draw(num_documents, rng):
        times = 1 if num_documents is None else num_documents // sum(supports)
        labels_N = np.repeat(np.arange(len(supports)), np.array(supports) * times)
        logits_NC = rng.normal(size=(len(labels_N), len(supports))) + separation * np.eye(len(supports))[labels_N]
        weights_NC = np.exp(logits_NC)
        return labels_N, weights_NC / weights_NC.sum(axis=1, keepdims=True)

    def judge(labels_N, probabilities_NC, seed, **changes):
        return assess(labels_N, probabilities_NC, names, top_k=2, seed=seed, **(RESAMPLING | changes))

    judged = ("accuracy", "f1_macro", "matthews", "kappa", "brier", "log_loss", "roc_auc", "average_precision")
    found = share_covered(draw, judge, judged)
    assert found == pytest.approx(dict.fromkeys(judged, 0.9), abs=0.03)


@pytest.mark.slow
def test_intervals_of_label_sets_cover():
    def draw(num_documents, rng):
        labels_NC = rng.random((num_documents or 400, 3)) < [0.2, 0.4, 0.5]
        probabilities_NC = 1 / (1 + np.exp(0.8 - 1.6 * labels_NC - rng.normal(size=labels_NC.shape)))
        return labels_NC, probabilities_NC

    def judge(labels_NC, probabilities_NC, seed, **changes):
        return assess_labels(labels_NC, probabilities_NC, [0.5] * 3, list("abc"), seed=seed, **(RESAMPLING | changes))

    judged = ("f1_macro", "f1_micro", "jaccard", "subset_accuracy", "mean_average_precision", "roc_auc")
    found = share_covered(draw, judge, judged)
    assert found == pytest.approx(dict.fromkeys(judged, 0.9), abs=0.03)


@pytest.mark.slow
def test_intervals_of_numbers_cover():
    def draw(num_documents, rng):
        actual_N = rng.normal(10, 3, num_documents or 400)
        return actual_N, actual_N + rng.normal(0.5, 2, len(actual_N))

    def judge(actual_N, predicted_N, seed, **changes):
        return assess_values(actual_N, predicted_N, seed=seed, **(RESAMPLING | changes))

    judged = ("r2", "rmse", "mae", "median_absolute_error", "explained_variance", "pearson", "spearman")
    found = share_covered(draw, judge, judged)
    assert found == pytest.approx(dict.fromkeys(judged, 0.9), abs=0.03)
