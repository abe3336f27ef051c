"""Is one model better, worse, or no worse than another on the same documents?

Shapes: N documents, R resamples. Answers are as our tables hold them: labels, joined labels, or numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from textmill.evaluation.primary import Answers, primary_terms
from textmill.evaluation.proportions import unseen_share
from textmill.tasks import Task

_ROUNDING = 1e-9  # relative: equal differences that were summed in another order are equal


@dataclass(frozen=True)
class Difference:
    """The primary figure of model a minus that of model b on the same documents, and its bootstrap distribution."""

    observed: float
    samples_R: NDArray[np.float64]
    num_documents: int

    @property
    def turned(self) -> "Difference":
        """That of model b minus model a."""
        return Difference(-self.observed, -self.samples_R, self.num_documents)

    @property
    def standard_error(self) -> float:
        return float(self.samples_R.std(ddof=1))

    def lower_bound(self, confidence: float) -> float:
        """What the true difference exceeds with this one-sided confidence.

        The percentile bound, but no tighter than what documents that were never drawn may hide: where the models
        hardly disagree, resampling what was seen knows nothing of them.
        """
        return min(float(np.quantile(self.samples_R, 1 - confidence)), self.observed - self.unseen(confidence))

    def upper_bound(self, confidence: float) -> float:
        """What the true difference stays below with this one-sided confidence; the mirror of `lower_bound`."""
        return max(float(np.quantile(self.samples_R, confidence)), self.observed + self.unseen(confidence))

    def unseen(self, confidence: float) -> float:
        """The largest share of documents that may be worse though N show none (`unseen_share`).

        Of macro-F1 such a share costs about itself; so does it of R², if nothing but their mean is known of these
        documents any more.
        """
        return float(unseen_share(self.num_documents, confidence))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided: both bounds, each of half the chance of an error."""
        each_side = (1 + confidence) / 2
        return self.lower_bound(each_side), self.upper_bound(each_side)

    @property
    def p_value(self) -> float:
        """How often two models of equal score would differ by as much, in either direction, as was observed.

        The bootstrap distribution, moved to a difference of 0, stands for that of the null. What was observed counts as
        one more resample, so that no p-value is 0.

        Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 4.4, of a test based on
        the difference itself.
        """
        distances_R = np.abs(self.samples_R - self.observed)
        as_far = distances_R >= abs(self.observed) * (1 - _ROUNDING)
        return float((1 + as_far.sum()) / (1 + len(distances_R)))


@dataclass(frozen=True)
class McNemar:
    """Documents that only one of two models has right, and how likely so uneven a division is by chance."""

    only_a_right: int
    only_b_right: int
    p_value: float


def paired_bootstrap(
    task: Task, actual_N: Answers, predicted_a_N: Answers, predicted_b_N: Answers, *, num_resamples: int, seed: int
) -> Difference:
    """Bootstrap of the primary figure of a minus that of b; both models meet the same resampled documents.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; for text models
    Berg-Kirkpatrick, Burkett and Klein, An Empirical Investigation of Statistical Significance in NLP (2012).
    """
    terms = primary_terms(task, actual_N, predicted_a_N, predicted_b_N)
    a, b = terms.scores()
    a_R, b_R = terms.resampled_scores(num_resamples, seed)
    return Difference(a - b, a_R - b_R, len(actual_N))


def mcnemar(labels_N: NDArray[Any], predicted_a_N: NDArray[Any], predicted_b_N: NDArray[Any]) -> McNemar:
    """Exact two-sided test that a and b are right equally often.

    Source: McNemar, Note on the Sampling Error of the Difference Between Correlated Proportions (1947), with
    the binomial distribution in place of its approximation.
    """
    right_a_N, right_b_N = predicted_a_N == labels_N, predicted_b_N == labels_N
    only_a, only_b = int((right_a_N & ~right_b_N).sum()), int((right_b_N & ~right_a_N).sum())
    p_value = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return McNemar(only_a, only_b, float(p_value))


@dataclass(frozen=True)
class Wilcoxon:
    """Documents whose number only one of two models is nearer to, and how likely so uneven a division is by chance.

    Attributes:
        effect_size: matched-pairs rank-biserial correlation, from -1 to 1: the share of the ranks of |difference of
            errors| in favour of a minus that in favour of b.
    """

    num_a_nearer: int
    num_b_nearer: int
    p_value: float
    effect_size: float


def wilcoxon(actual_N: NDArray[Any], predicted_a_N: NDArray[Any], predicted_b_N: NDArray[Any]) -> Wilcoxon:
    """Signed-rank test that a and b err equally far from numbers; documents where they do are left out.

    Source: Wilcoxon, Individual Comparisons by Ranking Methods (1945); of the effect size Kerby, The Simple Difference
    Formula (2014).
    """
    gains_N = np.abs(predicted_b_N - actual_N) - np.abs(predicted_a_N - actual_N)
    gains_D = gains_N[gains_N != 0]
    if not len(gains_D):
        return Wilcoxon(0, 0, 1.0, 0.0)
    ranks_D = stats.rankdata(np.abs(gains_D))
    effect_size = float((ranks_D * np.sign(gains_D)).sum() / ranks_D.sum())
    num_a_nearer = int((gains_D > 0).sum())
    return Wilcoxon(num_a_nearer, len(gains_D) - num_a_nearer, float(stats.wilcoxon(gains_D).pvalue), effect_size)


def cohens_h(share_a: float, share_b: float) -> float:
    """Distance of two shares where their spread is the same everywhere: 0.2 is small, 0.5 medium, 0.8 large.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 6.
    """
    return float(2 * np.arcsin(np.sqrt(share_a)) - 2 * np.arcsin(np.sqrt(share_b)))


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """p-values for which 5 % is the chance of even one false alarm among all of them, in their order.

    As of statsmodels, whose `multipletests` also collects the garbage of the process: a second where much is loaded.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979).
    """
    ascending = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1) * np.asarray(p_values, dtype=np.float64)[ascending]
    adjusted = np.empty(len(steps))
    adjusted[ascending] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in adjusted]


def equivalent(difference: Difference, *, margin: float, confidence: float) -> bool:
    """Whether a and b differ by less than `margin` in either direction: two one-sided tests, each of this confidence.

    Source: Schuirmann, A Comparison of the Two One-Sided Tests Procedure and the Power Approach (1987).
    """
    is_below = difference.upper_bound(confidence) < margin
    return is_below and non_inferior(difference, margin=margin, confidence=confidence)


def non_inferior(difference: Difference, *, margin: float, confidence: float) -> bool:
    """Whether a is worse than b by less than `margin`, with this one-sided confidence."""
    return difference.lower_bound(confidence) > -margin


def smallest_detectable_loss(difference: Difference, *, confidence: float, power: float = 0.8) -> float:
    """The smallest true loss of the primary figure that these documents reveal with the given power.

    By the normal approximation with the paired standard error, (z_confidence + z_power) * SE. The same
    number is the smallest margin at which a model that is truly equal passes `non_inferior` with that
    power; a margin below it asks more than the documents can tell. Never below `Difference.unseen`.
    """
    normal = (stats.norm.ppf(confidence) + stats.norm.ppf(power)) * difference.standard_error
    return max(float(normal), difference.unseen(confidence))
