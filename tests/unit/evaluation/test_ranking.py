"""ROC AUC, average precision and top-k against scikit-learn; their influences against derivatives and resamples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from textmill.evaluation.ranking import Ranking, macro_rankings, rank, true_ranks
from textmill.evaluation.resampling import resample_columns

NAMES = ("roc_auc", "average_precision")
JUDGES = dict(zip(NAMES, (metrics.roc_auc_score, metrics.average_precision_score), strict=True))


def rank_one(has_N, probability_N) -> dict[str, float]:
    rankings = rank(np.array(has_N, dtype=bool)[:, None], np.array(probability_N)[:, None])
    return {name: float(ranking.figure_C[0]) for name, ranking in rankings.items()}


def draw(num_documents: int, seed: int, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    has_N = rng.random(num_documents) < 0.3
    score_N = 1 / (1 + np.exp(-rng.normal(size=num_documents) - 1.3 * has_N))
    return has_N, (score_N.round(1) if ties else score_N).astype(np.float32)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0])), min_size=2, max_size=40))
def test_figures_equal_scikit_learn_with_many_ties(pairs):
    has_N, probability_N = (np.array(column) for column in zip(*pairs, strict=True))
    found = rank_one(has_N, probability_N)
    for name, judge in JUDGES.items():
        if has_N.any() and not has_N.all():
            assert found[name] == pytest.approx(judge(has_N, probability_N), abs=1e-12)
        else:
            assert np.isnan(found[name])


def test_edges_have_their_closed_form():
    has_N = np.array([1, 1, 0, 0, 0])
    assert rank_one(has_N, [0.9, 0.8, 0.3, 0.2, 0.1]) == {"roc_auc": 1, "average_precision": 1}
    assert rank_one(has_N, [0.4] * 5) == pytest.approx({"roc_auc": 0.5, "average_precision": 2 / 5})
    assert rank_one(has_N, [0.1, 0.2, 0.7, 0.8, 0.9])["roc_auc"] == 0


def test_macro_averages_are_over_the_classes_that_divide_the_documents():
    rng = np.random.default_rng(0)
    labels_N = rng.choice([0, 1, 3], 200)
    probabilities_NC = rng.dirichlet(np.ones(5), 200).astype(np.float32)
    has_NC = labels_N[:, None] == np.arange(5)
    found = macro_rankings(rank(has_NC, probabilities_NC))
    for name, judge in JUDGES.items():
        expected = np.mean([judge(has_NC[:, c], probabilities_NC[:, c]) for c in (0, 1, 3)])
        assert found[name] == pytest.approx(expected, abs=1e-7)
    assert macro_rankings(rank(np.ones((4, 1), dtype=bool), np.full((4, 1), 0.5))) == {}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_influences_are_derivatives(name, ties):
    """Of scikit-learn's figure by the weight of a document, from a difference quotient."""
    has_N, probability_N = draw(60, seed=3, ties=ties)
    influence_N = rank(has_N[:, None], probability_N[:, None])[name].influence_NC[:, 0]
    assert influence_N.sum() == pytest.approx(0, abs=1e-6)
    step, judge = 1e-5, JUDGES[name]
    for i in range(60):
        weights_N = np.ones(60)
        weights_N[i] += step
        more = judge(has_N, probability_N, sample_weight=weights_N)
        weights_N[i] -= 2 * step
        less = judge(has_N, probability_N, sample_weight=weights_N)
        assert influence_N[i] == pytest.approx((more - less) / (2 * step), abs=2e-6)


def test_the_aucs_spread_is_delongs():
    """Closed form: the variances of the placement values of either side, each over its number of documents."""
    has_N, probability_N = draw(400, seed=5)
    ranking = rank(has_N[:, None], probability_N[:, None])["roc_auc"]
    inside, outside = probability_N[has_N], probability_N[~has_N]
    wins = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
    variance = wins.mean(axis=1).var() / len(inside) + wins.mean(axis=0).var() / len(outside)
    sums = resample_columns({"x": ranking.influence_NC}, num_resamples=20_000, seed=0, strata_N=has_N)["x"]
    assert sums.std() == pytest.approx(np.sqrt(variance), rel=0.03)  # six standard errors of a deviation
    assert (ranking.influence_NC**2).sum() == pytest.approx(variance, rel=1e-4)


@pytest.mark.parametrize("separation", [1.0, 2.0])
def test_intervals_are_those_of_an_exact_bootstrap(separation):
    """Ends within a quarter of the standard deviation of resamples that are sorted anew."""
    rng = np.random.default_rng(1)
    labels_N = np.sort(rng.choice(3, 1500, p=[0.5, 0.3, 0.2]))
    logits_NC = rng.normal(size=(1500, 3)) + separation * np.eye(3)[labels_N]
    probabilities_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    has_NC = labels_N[:, None] == np.arange(3)
    rankings = rank(has_NC, probabilities_NC)
    columns = {name: ranking.influence_NC for name, ranking in rankings.items()}
    sums = resample_columns(columns, num_resamples=4000, seed=0, strata_N=labels_N)
    groups = [np.flatnonzero(labels_N == label) for label in range(3)]
    slow = []
    for _ in range(1000):
        drawn = np.concatenate([rng.choice(group, len(group)) for group in groups])
        slow.append(macro_rankings(rank(has_NC[drawn], probabilities_NC[drawn])))
    for name in NAMES:
        exact = [figures[name] for figures in slow]
        found = np.quantile(rankings[name].resampled_macro(sums[name]), [0.05, 0.95])
        np.testing.assert_allclose(found, np.quantile(exact, [0.05, 0.95]), atol=0.25 * np.std(exact), err_msg=name)


def test_resampled_figures_stay_within_0_and_1():
    ranking = Ranking(np.array([0.99, 1.0, 0.0, np.nan]), np.zeros((1, 4), np.float32))
    found = ranking.resampled(np.array([[0.5, 0.0, 0.0, 0.0], [-0.9, 0.0, 0.0, 0.0]]))
    assert 0.99 < found[0, 0] <= 1
    assert 0 <= found[1, 0] < 0.99
    assert (found[:, 1:3] == [1, 0]).all()
    assert np.isnan(found[:, 3]).all()


@pytest.mark.parametrize(("num_documents", "num_classes"), [(500, 2), (30, 52), (200, 7)])
def test_top_k_equals_scikit_learn(num_documents, num_classes):
    rng = np.random.default_rng(num_classes)
    labels_N = rng.integers(num_classes, size=num_documents)
    probabilities_NC = rng.dirichlet(np.ones(num_classes), num_documents)
    ranks_N = true_ranks(labels_N, probabilities_NC)
    for k in range(1, num_classes):
        expected = metrics.top_k_accuracy_score(
            labels_N,
            probabilities_NC if num_classes > 2 else probabilities_NC[:, 1],
            k=k,
            labels=range(num_classes),
        )
        assert (ranks_N <= k).mean() == pytest.approx(expected)
    assert (ranks_N <= num_classes).all()


def test_among_equal_probabilities_the_place_is_argmaxs():
    probabilities_NC = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [1 / 3] * 3])
    assert true_ranks(np.array([0, 1, 2]), probabilities_NC).tolist() == [1, 2, 3]
    rng = np.random.default_rng(0)
    tied_NC, labels_N = rng.integers(0, 3, (300, 4)) / 3, rng.integers(4, size=300)
    np.testing.assert_array_equal(true_ranks(labels_N, tied_NC) == 1, tied_NC.argmax(axis=1) == labels_N)
