"""The paired tests keep their size where models are equally good, and have the power that a normal approximation says.

Bounds are four standard errors of the simulations around what is expected.
"""

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from textmill.evaluation.comparisons import Rules, compare_models
from textmill.evaluation.significance import Difference, equivalent, mcnemar, non_inferior, paired_bootstrap, wilcoxon

pytestmark = pytest.mark.slow

NUM_SIMULATIONS = 1000
NUM_DOCUMENTS = 600
LEVEL = 0.05
NOISE = 4 * np.sqrt(LEVEL * (1 - LEVEL) / NUM_SIMULATIONS)  # 0.028


def draw(rng: np.random.Generator, only_a: float, only_b: float, num_classes: int) -> tuple[NDArray, NDArray, NDArray]:
    """Balanced labels, and answers of which these shares are right of one model only, 10 % wrong of both."""
    labels_N = np.arange(NUM_DOCUMENTS) % num_classes
    kind_N = rng.choice(4, NUM_DOCUMENTS, p=[0.9 - only_a - only_b, only_a, only_b, 0.1])
    wrong_N = (labels_N + rng.integers(1, num_classes, NUM_DOCUMENTS)) % num_classes
    return labels_N, np.where(np.isin(kind_N, (0, 1)), labels_N, wrong_N), np.where(kind_N % 2 == 0, labels_N, wrong_N)


def simulate(only_a: float, only_b: float, num_classes: int) -> tuple[list[Difference], list[float]]:
    """Differences of macro-F1, and McNemar's p-values."""
    rng = np.random.default_rng(1)
    differences, p_values = [], []
    for _ in range(NUM_SIMULATIONS):
        drawn = draw(rng, only_a, only_b, num_classes)
        differences.append(paired_bootstrap("single_label", *drawn, num_resamples=400, seed=0))
        p_values.append(mcnemar(*drawn).p_value)
    return differences, p_values


@pytest.mark.parametrize("num_classes", [2, 20])
def test_of_equal_models_one_in_twenty_differs(num_classes: int) -> None:
    differences, p_values = simulate(0.05, 0.05, num_classes)
    assert np.mean([one.p_value < LEVEL for one in differences]) == pytest.approx(LEVEL, abs=NOISE)
    # McNemar's exact test is conservative: its p-values are few, and no set of them adds up to 5 %.
    assert 0.01 < np.mean(np.array(p_values) < LEVEL) < LEVEL + NOISE


def test_the_power_is_that_of_a_normal_approximation() -> None:
    """Of two balanced classes macro-F1 is nearly the accuracy, whose paired difference has a known variance."""
    only_a, only_b = 0.06, 0.03
    gain = only_a - only_b
    standard_error = np.sqrt((only_a + only_b - gain**2) / NUM_DOCUMENTS)
    power = stats.norm.cdf(gain / standard_error - stats.norm.ppf(1 - LEVEL / 2))  # 0.69
    noise = 4 * np.sqrt(power * (1 - power) / NUM_SIMULATIONS)
    differences, p_values = simulate(only_a, only_b, 2)
    assert np.mean([one.standard_error for one in differences]) == pytest.approx(standard_error, rel=0.03)
    assert np.mean([one.p_value < LEVEL for one in differences]) == pytest.approx(power, abs=noise + 0.02)
    # The exact test has the power of one whose z loses half a document: the correction for continuity.
    less = stats.norm.cdf((gain - 1 / NUM_DOCUMENTS) / standard_error - stats.norm.ppf(1 - LEVEL / 2))
    assert np.mean(np.array(p_values) < LEVEL) == pytest.approx(less, abs=noise + 0.03)


def test_equivalence_and_non_inferiority_are_wrong_one_time_in_twenty() -> None:
    """Models that differ by the margin itself; b is the better one."""
    differences, _ = simulate(0.02, 0.06, 2)
    margin = 0.04
    for test in (non_inferior, equivalent):
        passed = np.mean([test(one, margin=margin, confidence=1 - LEVEL) for one in differences])
        assert passed == pytest.approx(LEVEL, abs=NOISE), test


def test_the_power_of_equivalence_is_that_of_a_normal_approximation() -> None:
    differences, _ = simulate(0.04, 0.04, 2)
    standard_error = np.sqrt(0.08 / NUM_DOCUMENTS)
    margin = 3 * standard_error
    power = 2 * stats.norm.cdf(3 - stats.norm.ppf(1 - LEVEL)) - 1  # 0.82
    noise = 4 * np.sqrt(power * (1 - power) / NUM_SIMULATIONS)
    passed = np.mean([equivalent(one, margin=margin, confidence=1 - LEVEL) for one in differences])
    assert passed == pytest.approx(power, abs=noise + 0.02)


@pytest.fixture
def _nothing_to_collect() -> Iterator[None]:
    """statsmodels' correction collects garbage at every call, which takes a tenth of a second among so many objects."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_nothing_to_collect")
def test_a_table_of_equal_models_raises_one_false_alarm_in_twenty() -> None:
    """Four equal models, six pairs: without Holm's correction about one table in five has a false alarm."""
    rng = np.random.default_rng(2)
    rules = Rules(confidence=1 - LEVEL, margin=0.02, margin_confidence=0.95, num_resamples=1200, seed=0)
    found = []
    for _ in range(300):
        labels_N = np.arange(200) % 2
        hard_N = rng.random(200) < 0.3
        wrong_MN = hard_N & (rng.random((4, 200)) < 0.5)
        predicted = {f"m{i}": np.where(wrong_N, 1 - labels_N, labels_N) for i, wrong_N in enumerate(wrong_MN)}
        pairs = compare_models("single_label", labels_N, predicted, rules).pairs
        adjusted = any(pair.verdict in ("better", "worse") for pair in pairs)
        found.append((adjusted, any(pair.p_bootstrap < LEVEL for pair in pairs)))
    with_holm, without = np.mean(found, axis=0)
    assert with_holm < LEVEL + 4 * np.sqrt(LEVEL * (1 - LEVEL) / 300)
    assert without > 0.1


@pytest.mark.parametrize(("spread", "expected"), [(1.0, LEVEL), (1.15, None)], ids=["equal", "worse"])
def test_numbers(spread: float, expected: float | None) -> None:
    """R² by the bootstrap, and absolute errors by Wilcoxon, of two models whose errors are independent and normal."""
    rng = np.random.default_rng(3)
    bootstrap, by_rank = [], []
    for _ in range(NUM_SIMULATIONS):
        actual_N = rng.normal(0, 3, 300)
        a_N, b_N = actual_N + rng.normal(0, 1.0, 300), actual_N + rng.normal(0, spread, 300)
        difference = paired_bootstrap("regression", actual_N, a_N, b_N, num_resamples=300, seed=0)
        bootstrap.append(difference.p_value < LEVEL)
        by_rank.append(wilcoxon(actual_N, a_N, b_N).p_value < LEVEL)
    if expected is not None:
        assert np.mean(bootstrap) == pytest.approx(expected, abs=NOISE)
        assert np.mean(by_rank) == pytest.approx(expected, abs=NOISE)
        return
    # Squares of normal errors have the variance 2 sigma**4: z is the difference of the variances by its standard error.
    z = (spread**2 - 1) / np.sqrt((2 + 2 * spread**4) / 300)
    power = stats.norm.cdf(z - stats.norm.ppf(1 - LEVEL / 2))
    assert np.mean(bootstrap) == pytest.approx(power, abs=4 * np.sqrt(power * (1 - power) / NUM_SIMULATIONS) + 0.02)
    assert np.mean(by_rank) > 0.3
