"""What if a model may stay silent? Risk against coverage, and a threshold of confidence that keeps the risk.

A document is answered if the probability of its predicted label reaches the threshold. Coverage is the share that is
answered, risk the share of wrong answers among those.

Sources: El-Yaniv and Wiener, On the Foundations of Noise-free Selective Classification (2010); Geifman and El-Yaniv,
Selective Classification for Deep Neural Networks (2017); for the areas Geifman, Uziel and El-Yaniv, Bias-Reduced
Uncertainty Estimation for Deep Neural Classifiers (2019).

Shapes: N documents, T distinct confidences from the highest, G groups of documents, R resamples.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.calibration import decide
from textmill.evaluation.case import Case, Findings, Settings
from textmill.evaluation.proportions import clopper_pearson, upper_bound
from textmill.evaluation.resampling import Floats, resample_sums

_MOST_POINTS = 100  # of the curve in the report
_STEPS = 20  # of the search for a threshold
_GROUPS = 256  # of neighbouring confidences, whose order a resampled area forgets


class Curve(NamedTuple):
    """Of each threshold T, from the highest: documents that it lets answer, and the wrong ones among them."""

    thresholds_T: NDArray[np.float64]
    answered_T: NDArray[np.int64]
    wrong_T: NDArray[np.int64]

    def at(self, threshold: float) -> tuple[int, int]:
        """Answered and wrong documents at any threshold."""
        position = int(np.searchsorted(-self.thresholds_T, -threshold, side="right")) - 1
        return (0, 0) if position < 0 else (int(self.answered_T[position]), int(self.wrong_T[position]))


def examine(case: Case) -> Findings | None:
    """The curve, its area, and the threshold that was fitted on validation.

    Returns:
        details: curve (at most 100 points of coverage, risk and threshold), aurc, aurc_low, aurc_high, e_aurc
            (`areas`), max_risk, threshold (None: no threshold is sure enough to keep the risk), risk_bound (what
            `fit_threshold` found of it), coverage and risk at the threshold on this split, with risk_low and risk_high
            (None where nothing is answered), fitted_on. metrics: aurc, and coverage_at_max_risk, 0 without a
            threshold. None but for one label a document: elsewhere no single confidence belongs to an answer.
    """
    if case.classifier.task != "single_label":
        return None
    settings = case.settings
    decisions = decide(case.outputs, case.truth)
    confidence_N, right_N = decisions.confidence_ND[:, 0], decisions.right_ND[:, 0]
    curve = risk_coverage(confidence_N, right_N)
    if case.split == "validation":
        threshold, bound = fit_threshold(curve, max_risk=settings.max_risk, confidence=settings.confidence)
    else:
        assert case.fitted is not None
        threshold, bound = (case.fitted["selective"][key] for key in ("threshold", "risk_bound"))
    aurc, e_aurc = areas(curve)
    low, high = area_interval(confidence_N, right_N, settings)
    answered = _answered(curve, threshold, settings.confidence)
    details = {
        "curve": _points(curve),
        "aurc": aurc,
        "aurc_low": low,
        "aurc_high": high,
        "e_aurc": e_aurc,
        "max_risk": settings.max_risk,
        "threshold": threshold,
        "risk_bound": bound,
        **answered,
        "fitted_on": "validation",
    }
    return Findings({"aurc": aurc, "coverage_at_max_risk": answered["coverage"] or 0.0}, details)


def risk_coverage(confidence_N: NDArray[np.float64], right_N: NDArray[np.bool_]) -> Curve:
    """The curve; documents of equal confidence are answered together, or not at all."""
    thresholds_T, groups_N = np.unique(-confidence_N, return_inverse=True)
    count_T = np.bincount(groups_N)
    wrong_T = np.bincount(groups_N[~right_N], minlength=len(count_T))
    return Curve(-thresholds_T, count_T.cumsum(), wrong_T.cumsum())


def areas(curve: Curve) -> tuple[float, float]:
    """AURC, the mean risk over the coverages 1/N ... N/N, and E-AURC, what it exceeds that of the best order by.

    AURC grows with every error; E-AURC only with those that are surer than right answers. Where confidences tie, the
    mean over all orders of the tied documents is taken, so that the order of the split does not matter.
    """
    aurc = float(_area(np.diff(curve.wrong_T, prepend=0), np.diff(curve.answered_T, prepend=0)))
    num_documents, num_wrong = int(curve.answered_T[-1]), int(curve.wrong_T[-1])
    # Right ones first, then wrong ones: the order within either is of no matter.
    best = float(_area(np.array([0, num_wrong]), np.array([num_documents - num_wrong, num_wrong])))
    return aurc, max(0.0, aurc - best)


def area_interval(
    confidence_N: NDArray[np.float64], right_N: NDArray[np.bool_], settings: Settings
) -> tuple[float, float]:
    """Bootstrap interval of AURC.

    Resampled are 256 groups of neighbouring confidences, each a tie; what the grouping does to the area itself is
    taken off again.
    """
    ranks_N = np.unique(confidence_N, return_inverse=True)[1]
    groups_N = np.searchsorted(np.quantile(ranks_N, np.linspace(0, 1, _GROUPS + 1)[1:-1]), ranks_N)
    num_groups = int(groups_N.max()) + 1
    groups_N = num_groups - 1 - groups_N  # from the most confident
    cells_K, counts_K = np.unique(2 * groups_N + right_N, return_counts=True)
    is_group_KG = np.eye(num_groups)[cells_K // 2]
    terms_KS = np.hstack([is_group_KG * (cells_K % 2 == 0)[:, None], is_group_KG]).astype(np.float32)
    (sums_RS,) = resample_sums([terms_KS], counts_K, num_resamples=settings.num_resamples, seed=settings.seed)
    areas_R = _area(*np.split(sums_RS, 2, axis=1))
    shift = areas(risk_coverage(confidence_N, right_N))[0] - float(_area(*np.split(counts_K @ terms_KS, 2)))
    low, high = np.quantile(areas_R, [(1 - settings.confidence) / 2, (1 + settings.confidence) / 2])
    return max(0.0, float(low) + shift), min(1.0, float(high) + shift)


def fit_threshold(curve: Curve, *, max_risk: float, confidence: float) -> tuple[float | None, float | None]:
    """The lowest threshold found whose risk is below `max_risk` with this confidence, and its bound; or None, None.

    As in selection with guaranteed risk, a threshold is judged by the exact one-sided binomial bound of its risk, so
    that the promise holds for documents to come: one that merely keeps the risk on the documents at hand breaks it
    about every other time. Thresholds are tried from few answers to many, in 20 steps, up to the first that fails: so
    no step needs a share of the chance of an error for itself. Such a walk starts at few answers, for models of which
    only the surest can be trusted, and another one at half of the documents, for good models whose errors have little
    to do with their confidence; these two share the chance. The bisection of Geifman and El-Yaniv divides it among
    log2(N) steps; in simulation it lets two fifths as many of 200 documents be answered, of 600 four fifths.

    Sources: Geifman and El-Yaniv (2017) for the promise and its bound; for fixed sequences from several starts
    Angelopoulos, Bates, Candès, Jordan and Lei, Learn then Test: Calibrating Predictive Algorithms to Achieve Risk
    Control (2021).
    """
    num_documents = int(curve.answered_T[-1])
    starts = {_first_step(num_documents, max_risk, confidence), max(1, num_documents // 2)}
    found: tuple[float | None, float | None] = (None, None)
    for start in sorted(starts):
        steps = np.linspace(start, num_documents, _STEPS).round()
        for position in np.unique(np.searchsorted(curve.answered_T, steps)):
            wrong, answered = int(curve.wrong_T[position]), int(curve.answered_T[position])
            bound = upper_bound(wrong, answered, 1 - (1 - confidence) / len(starts))
            if bound > max_risk:
                break
            if found[0] is None or curve.thresholds_T[position] < found[0]:
                found = float(curve.thresholds_T[position]), bound
    return found


def _first_step(num_documents: int, max_risk: float, confidence: float) -> int:
    """The fewest answers that show the risk though half of what it allows are wrong, but at most half the documents.

    Never fewer than can show it if all are right, or all documents.
    """
    half = max(1, num_documents // 2)
    without_errors = math.ceil(math.log(1 - confidence) / math.log(1 - max_risk))
    for answered in range(without_errors, half):
        if upper_bound(int(answered * max_risk / 2), answered, confidence) <= max_risk:
            return answered
    return min(num_documents, max(without_errors, half))


def _answered(curve: Curve, threshold: float | None, confidence: float) -> dict[str, float | None]:
    if threshold is None:
        return dict.fromkeys(("coverage", "risk", "risk_low", "risk_high"))
    answered, wrong = curve.at(threshold)
    low, high = clopper_pearson(wrong, answered, confidence) or (None, None)
    return {
        "coverage": answered / int(curve.answered_T[-1]),
        "risk": wrong / answered if answered else None,
        "risk_low": low,
        "risk_high": high,
    }


def _points(curve: Curve) -> list[dict[str, Any]]:
    """Points at about equal steps of coverage; the last one answers all."""
    steps = np.linspace(0, 1, _MOST_POINTS + 1)[1:] * curve.answered_T[-1]
    chosen = np.unique(np.minimum(np.searchsorted(curve.answered_T, steps - 1e-9), len(curve.answered_T) - 1))
    num_documents = int(curve.answered_T[-1])
    return [
        {
            "coverage": int(curve.answered_T[i]) / num_documents,
            "risk": float(curve.wrong_T[i] / curve.answered_T[i]),
            "threshold": float(curve.thresholds_T[i]),
        }
        for i in chosen
    ]


def _area(wrong_G: NDArray[Any], count_G: NDArray[Any]) -> Floats:
    """Mean risk [...] over all coverages, of wrong and all documents [..., G] of each group, the surest first.

    In a group with W wrong of n documents after w of s, the expected number of wrong ones among the first i of all is
    w + (i - s) W / n, so that its risks sum to W + (w - s W / n) (H(s + n) - H(s)) with the harmonic numbers H.
    """
    answered_G = count_G.cumsum(axis=-1).astype(np.int64)
    before_G = answered_G - count_G.astype(np.int64)
    num_documents = int(answered_G[..., -1].max())
    harmonic = np.concatenate([[0.0], (1 / np.arange(1, num_documents + 1)).cumsum()])
    share_G = np.divide(wrong_G, count_G, out=np.zeros(count_G.shape), where=count_G > 0)
    earlier_G = wrong_G.cumsum(axis=-1) - wrong_G
    risks_G = wrong_G + (earlier_G - before_G * share_G) * (harmonic[answered_G] - harmonic[before_G])
    return np.asarray(risks_G.sum(axis=-1) / num_documents)
