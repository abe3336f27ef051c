"""The deciding figure from answers as tables hold them, for all tasks."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score
from sklearn.preprocessing import MultiLabelBinarizer

from textmill.evaluation.primary import name_primary, primary_terms, score_answers
from textmill.evaluation.significance import non_inferior, paired_bootstrap, smallest_detectable_loss
from textmill.tasks import join_labels, split_labels

TASKS = ("single_label", "multi_label", "regression")
LABELS = ["a", "b", "c"]


def draw(task: str, num_documents: int, seed: int, noise: tuple[float, ...] = (0.2, 0.3)) -> list[np.ndarray]:
    """What is true, and answers of which a share of `noise` is made up; all as text."""
    rng = np.random.default_rng(seed)
    if task == "regression":
        actual_N = rng.normal(50, 10, num_documents)
        answers = [actual_N, *(actual_N + rng.normal(0, 10 * level, num_documents) for level in noise)]
        return [np.array([repr(value) for value in values.tolist()], dtype=object) for values in answers]

    def choose() -> str:
        if task == "single_label":
            return str(rng.choice(LABELS, p=[0.6, 0.3, 0.1]))
        return join_labels(label for label, share in zip(LABELS, (0.6, 0.3, 0.1), strict=True) if rng.random() < share)

    actual = [choose() for _ in range(num_documents)]
    answers = [actual, *([choose() if rng.random() < level else label for label in actual] for level in noise)]
    return [np.array(values, dtype=object) for values in answers]


def reference(task: str, actual_N: np.ndarray, predicted_N: np.ndarray) -> float:
    if task == "regression":
        return float(r2_score(actual_N.astype(float), predicted_N.astype(float)))
    if task == "single_label":
        return float(f1_score(actual_N.astype(str), predicted_N.astype(str), average="macro"))
    hot = MultiLabelBinarizer(classes=LABELS)
    actual, predicted = (
        hot.fit_transform([split_labels(text) for text in values]) for values in (actual_N, predicted_N)
    )
    return float(f1_score(actual, predicted, average="macro", zero_division=0))


@pytest.mark.parametrize("task", TASKS)
def test_the_score_is_scikit_learns(task):
    actual_N, *answers = draw(task, 500, seed=0)
    terms = primary_terms(task, actual_N, *answers)
    expected = [reference(task, actual_N, predicted_N) for predicted_N in answers]
    assert terms.scores() == pytest.approx(expected)
    assert score_answers(task, actual_N, answers[1]) == pytest.approx(expected[1])
    assert terms.counts_K.sum() == 500


@pytest.mark.parametrize("task", TASKS)
def test_resamples_are_those_of_documents_which_the_models_share(task):
    actual_N, a_N, b_N = draw(task, 400, seed=1)
    difference = paired_bootstrap(task, actual_N, a_N, b_N, num_resamples=4000, seed=0)
    assert difference.observed == pytest.approx(reference(task, actual_N, a_N) - reference(task, actual_N, b_N))
    rng = np.random.default_rng(2)
    direct = []
    for _ in range(400):
        drawn = rng.integers(400, size=400)
        scores = [reference(task, actual_N[drawn], answers[drawn]) for answers in (a_N, b_N)]
        direct.append(scores[0] - scores[1])
    assert difference.standard_error == pytest.approx(np.std(direct), rel=0.15)
    assert difference.samples_R.mean() == pytest.approx(np.mean(direct), abs=0.2 * np.std(direct))


@pytest.mark.parametrize("task", TASKS)
def test_equal_models_pass_and_worse_ones_do_not(task):
    actual_N, a_N, b_N, worse_N = draw(task, 1500, seed=3, noise=(0.2, 0.2, 0.5))
    even = paired_bootstrap(task, actual_N, a_N, b_N, num_resamples=1000, seed=0)
    margin = 1.5 * smallest_detectable_loss(even, confidence=0.95)
    assert non_inferior(even, margin=margin, confidence=0.95)
    uneven = paired_bootstrap(task, actual_N, worse_N, b_N, num_resamples=1000, seed=0)
    assert not non_inferior(uneven, margin=margin, confidence=0.95)


def test_a_joined_label_is_no_label_of_its_own():
    actual_N = np.array(["a|b", "a", "", "b"], dtype=object)
    assert score_answers("multi_label", actual_N, actual_N) == 1.0
    predicted_N = np.array(["a", "a", "", "b"], dtype=object)
    assert score_answers("multi_label", actual_N, predicted_N) == pytest.approx((1 + 2 / 3) / 2)


def test_no_label_anywhere_is_no_crash():
    nothing_N = np.array(["", ""], dtype=object)
    assert score_answers("multi_label", nothing_N, nothing_N) == 0.0


def test_names_of_figures():
    assert [name_primary(task) for task in TASKS] == ["macro-F1", "macro-F1", "R²"]
