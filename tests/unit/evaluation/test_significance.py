import gc

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score
from statsmodels.stats import contingency_tables, weightstats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_effectsize

from textmill.evaluation.significance import (
    Difference,
    Wilcoxon,
    adjust_holm,
    cohens_h,
    equivalent,
    mcnemar,
    non_inferior,
    paired_bootstrap,
    smallest_detectable_loss,
    wilcoxon,
)


def draw(num_documents: int, accuracy_a: float, accuracy_b: float, seed: int) -> tuple[np.ndarray, ...]:
    """Balanced binary labels and two models whose mistakes overlap: the harder a document, the more err."""
    rng = np.random.default_rng(seed)
    labels_N = np.arange(num_documents) % 2
    hardness_N = rng.random(num_documents)
    noise = 0.05
    answers = [
        np.where(hardness_N + rng.normal(0, noise, num_documents) < accuracy, labels_N, 1 - labels_N)
        for accuracy in (accuracy_a, accuracy_b)
    ]
    return labels_N, *answers


def test_the_difference_is_scikit_learns_and_models_share_their_documents():
    labels_N, a_N, b_N = draw(1000, 0.80, 0.85, seed=0)
    difference = paired_bootstrap("single_label", labels_N, a_N, b_N, num_resamples=4000, seed=0)
    expected = f1_score(labels_N, a_N, average="macro") - f1_score(labels_N, b_N, average="macro")
    assert difference.observed == pytest.approx(expected)
    rng = np.random.default_rng(0)
    drawn = [rng.integers(1000, size=1000) for _ in range(1000)]
    direct = [
        f1_score(labels_N[d], a_N[d], average="macro") - f1_score(labels_N[d], b_N[d], average="macro") for d in drawn
    ]
    assert difference.standard_error == pytest.approx(np.std(direct), rel=0.1)
    low, high = difference.interval(0.9)
    assert low == pytest.approx(difference.lower_bound(0.95))
    assert low < difference.observed < high


def test_a_model_equals_itself():
    labels_N, a_N, _ = draw(200, 0.8, 0.8, seed=1)
    difference = paired_bootstrap("single_label", labels_N, a_N, a_N, num_resamples=200, seed=0)
    assert (difference.samples_R == 0).all()
    assert difference.interval(0.95) == pytest.approx((0.025 ** (1 / 200) - 1, 1 - 0.025 ** (1 / 200)))
    # Nothing was seen to break in 200 documents; with 95 % confidence at most 3 in 200 do (the rule of three).
    assert smallest_detectable_loss(difference, confidence=0.95) == pytest.approx(3 / 200, rel=0.01)
    assert non_inferior(difference, margin=0.0151, confidence=0.95)
    assert not non_inferior(difference, margin=0.0148, confidence=0.95)


@pytest.mark.parametrize("num_documents", [30, 100, 400])
def test_a_model_worse_by_the_margin_seldom_passes_on_few_documents(num_documents):
    """It breaks a share of the champion's right answers that costs 0.0206; nominal 5 % may pass."""
    rng = np.random.default_rng(0)
    labels_N = np.arange(num_documents) % 2
    passed = []
    for _ in range(300):
        champion_N = np.where(rng.random(num_documents) < 0.9, labels_N, 1 - labels_N)
        broken_N = rng.random(num_documents) < 0.0206 / 0.9
        candidate_N = np.where(broken_N & (champion_N == labels_N), 1 - labels_N, champion_N)
        difference = paired_bootstrap("single_label", labels_N, candidate_N, champion_N, num_resamples=300, seed=0)
        passed.append(non_inferior(difference, margin=0.02, confidence=0.95))
    assert np.mean(passed) < 0.11


def test_non_inferiority_needs_the_bound_above_the_margin():
    difference = Difference(-0.01, np.linspace(-0.03, 0.01, 10001), 10**6)  # its 5 % quantile is -0.028
    assert non_inferior(difference, margin=0.0281, confidence=0.95)
    assert not non_inferior(difference, margin=0.0279, confidence=0.95)


def test_a_much_worse_model_is_inferior():
    labels_N, worse_N, better_N = draw(1000, 0.7, 0.85, seed=2)
    difference = paired_bootstrap("single_label", labels_N, worse_N, better_N, num_resamples=1000, seed=0)
    assert not non_inferior(difference, margin=0.02, confidence=0.95)


def test_mcnemar_is_exact():
    """1 against 9: twice the binomial tail, 2 (1 + 10) / 2**10."""
    labels_N = np.zeros(30, dtype=int)
    a_N, b_N = labels_N.copy(), labels_N.copy()
    a_N[:9] = 1
    b_N[9] = 1
    result = mcnemar(labels_N, a_N, b_N)
    assert (result.only_a_right, result.only_b_right) == (1, 9)
    assert result.p_value == pytest.approx(22 / 1024)
    assert mcnemar(labels_N, a_N, a_N).p_value == 1.0


def test_many_disagreements_agree_with_the_chi_square():
    labels_N = np.zeros(40000, dtype=int)
    a_N, b_N = labels_N.copy(), labels_N.copy()
    a_N[:10150] = 1
    b_N[10150:20000] = 1
    approximate = stats.chi2.sf((300 - 1) ** 2 / 20000, 1)  # with continuity correction
    assert mcnemar(labels_N, a_N, b_N).p_value == pytest.approx(approximate, rel=0.01)


def test_the_detectable_loss_is_found_four_times_in_five():
    """Normal samples around a true loss of just that size: the 95 % upper bound lies below 0 in 80 % of cases."""
    rng = np.random.default_rng(0)
    standard_error = 0.01
    known = Difference(0.0, rng.normal(0, standard_error, 200000), 10**6)
    loss = smallest_detectable_loss(known, confidence=0.95, power=0.8)
    assert loss == pytest.approx((1.6449 + 0.8416) * standard_error, rel=0.01)
    observed = rng.normal(-loss, standard_error, 100000)
    assert (observed + 1.6449 * standard_error < 0).mean() == pytest.approx(0.8, abs=0.01)


def test_an_equal_model_passes_with_the_promised_power_and_a_bad_one_seldom():
    """Margin = smallest detectable loss: equal models pass in 80 % of cases, models worse by the margin in 5 %."""
    standard_error = paired_bootstrap("single_label", *draw(1200, 0.8, 0.8, seed=0), num_resamples=5000, seed=0)
    margin = smallest_detectable_loss(standard_error, confidence=0.95)
    for loss, expected in ((0.0, 0.8), (margin, 0.05)):
        passed = [
            non_inferior(
                paired_bootstrap("single_label", *draw(1200, 0.8 - loss, 0.8, seed=seed), num_resamples=500, seed=seed),
                margin=margin,
                confidence=0.95,
            )
            for seed in range(1000)
        ]
        assert np.mean(passed) == pytest.approx(expected, abs=0.06)


def tables(seed: int = 0) -> list[tuple[int, int]]:
    """Numbers of documents that only a has right, and only b: the edges, and random ones."""
    rng = np.random.default_rng(seed)
    return [(0, 0), (1, 0), (0, 7), (5, 5), (24, 1), (300, 240), *map(tuple, rng.integers(0, 60, (20, 2)).tolist())]


@pytest.mark.parametrize(("only_a", "only_b"), tables())
def test_mcnemar_is_statsmodels(only_a: int, only_b: int) -> None:
    labels_N = np.array(["x"] * (only_a + only_b + 40))
    a_N, b_N = labels_N.copy(), labels_N.copy()
    b_N[:only_a] = "y"
    a_N[only_a : only_a + only_b] = "y"
    a_N[-10:] = b_N[-10:] = "y"
    result = mcnemar(labels_N, a_N, b_N)
    assert (result.only_a_right, result.only_b_right) == (only_a, only_b)
    reference = contingency_tables.mcnemar([[30, only_a], [only_b, 10]], exact=True)
    assert result.p_value == pytest.approx(reference.pvalue)


@pytest.mark.parametrize("seed", range(4))
def test_holm_steps_down(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p_values = rng.random(12) ** 3
    p_values[3] = p_values[7]  # a tie
    assert adjust_holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert adjust_holm([]) == []
    assert adjust_holm([0.03]) == [0.03]


def test_holm_leaves_the_garbage_of_the_process_alone() -> None:
    """statsmodels collects it at every call: a second in a process with a large heap."""
    collected: list[str] = []
    gc.callbacks.append(lambda phase, info: collected.append(phase) if info["generation"] == 2 else None)
    adjust_holm([0.01, 0.04, 0.03])
    gc.callbacks.pop()
    assert not collected


def test_the_p_value_is_that_of_a_normal_difference() -> None:
    rng = np.random.default_rng(0)
    for z in (0.0, 0.5, 1.0, 1.96, 3.0):
        p_value = Difference(z * 0.01, rng.normal(z * 0.01, 0.01, 400_000), 10**6).p_value
        assert p_value == pytest.approx(2 * stats.norm.sf(z), rel=0.03), z


def test_the_p_value_of_a_model_and_itself_is_1_and_none_is_0() -> None:
    labels_N, a_N, b_N = draw(400, 0.2, 0.9, seed=0)
    options = {"num_resamples": 300, "seed": 0}
    assert paired_bootstrap("single_label", labels_N, a_N, a_N, **options).p_value == 1.0
    assert paired_bootstrap("single_label", labels_N, a_N, b_N, **options).p_value == 1 / 301


def test_equivalence_is_two_one_sided_tests() -> None:
    """Against statsmodels: TOST of the mean of paired differences of squares, which is what R² differs by."""
    rng = np.random.default_rng(0)
    actual_N = rng.normal(size=2000)
    a_N, b_N = (actual_N + rng.normal(0, 0.5, 2000) for _ in range(2))
    losses_N = ((b_N - actual_N) ** 2 - (a_N - actual_N) ** 2) / actual_N.var()
    difference = paired_bootstrap("regression", actual_N, a_N, b_N, num_resamples=20_000, seed=0)
    assert difference.observed == pytest.approx(losses_N.mean())
    decided = set()
    for margin in np.linspace(0.005, 0.06, 23):
        p_value = weightstats.DescrStatsW(losses_N).ttost_mean(-margin, margin)[0]
        if not 0.03 < p_value < 0.08:  # a bootstrap is no t-test; of all margins two are this close
            assert equivalent(difference, margin=margin, confidence=0.95) == (p_value < 0.05), margin
            decided.add(p_value < 0.05)
    assert decided == {True, False}


def test_equivalence_is_symmetric_and_knows_what_it_has_not_seen() -> None:
    labels_N, a_N, b_N = draw(300, 0.8, 0.82, seed=3)
    options = {"num_resamples": 500, "seed": 0}
    there = paired_bootstrap("single_label", labels_N, a_N, b_N, **options)
    back = Difference(-there.observed, -there.samples_R, 300)
    for confidence in (0.9, 0.95):
        assert there.upper_bound(confidence) == pytest.approx(-back.lower_bound(confidence))
    same = paired_bootstrap("single_label", labels_N, a_N, a_N, **options)
    assert equivalent(same, margin=0.0101, confidence=0.95)  # the rule of three: 3 / 300
    assert not equivalent(same, margin=0.0098, confidence=0.95)


@pytest.mark.parametrize("num_documents", [5, 30, 49, 51, 400])
def test_wilcoxon_is_scipys_of_the_errors(num_documents: int) -> None:
    rng = np.random.default_rng(num_documents)
    actual_N = rng.normal(size=num_documents).round(1)
    a_N, b_N = (actual_N + rng.normal(0, spread, num_documents).round(1) for spread in (0.5, 0.6))
    found = wilcoxon(actual_N, a_N, b_N)
    errors_a_N, errors_b_N = np.abs(a_N - actual_N), np.abs(b_N - actual_N)
    reference = stats.wilcoxon(errors_b_N, errors_a_N)
    assert found.p_value == pytest.approx(reference.pvalue)
    kept = errors_a_N != errors_b_N
    assert (found.num_a_nearer, found.num_b_nearer) == (
        (errors_a_N < errors_b_N).sum(),
        (errors_b_N < errors_a_N).sum(),
    )
    total = kept.sum() * (kept.sum() + 1) / 2  # of all ranks; the statistic is the smaller side's
    assert abs(found.effect_size) == pytest.approx(1 - 2 * reference.statistic / total)


def test_wilcoxon_of_equal_and_of_perfect_answers() -> None:
    actual_N = np.arange(10.0)
    assert wilcoxon(actual_N, actual_N + 1, actual_N - 1) == Wilcoxon(0, 0, 1.0, 0.0)
    found = wilcoxon(actual_N, actual_N, actual_N + 1)
    assert (found.num_a_nearer, found.num_b_nearer, found.effect_size) == (10, 0, 1.0)
    assert found.p_value < 0.01


def test_cohens_h_is_statsmodels() -> None:
    for a, b in [(0.0, 0.0), (1.0, 0.0), (0.91, 0.87), (0.5, 0.52), (0.3, 1.0)]:
        assert cohens_h(a, b) == pytest.approx(proportion_effectsize(a, b))
