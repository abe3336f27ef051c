"""Sets of labels, or intervals, that hold the truth of a stated share of documents, whatever the model is worth.

Split conformal prediction: on documents that the model has not learned from, a score says how badly the truth fits the
model; what their quantile allows is the answer to the next document. If that one is exchangeable with them, it holds
the truth with at least the stated probability, over the choice of all these documents.

Here those documents are the validation split, which early stopping and temperature have looked at as well, so that they
may fit the model better than documents to come. How much: of 40 random divisions of 8,530 movie reviews (2,000 to train
on, 300 of validation), sets that state 0.9 covered 0.896 of the rest for the linear baseline and 0.895 for a neural
model stopped early, each +- 0.003: half a point less. `expected_low` and `expected_high` say where the coverage of
exchangeable documents would lie, so that every report shows it.

For one label a document the score is 1 minus the probability of the true label, and a set holds every label whose
probability is large enough (LAC). Of all sets with the stated coverage these are the smallest on average; nothing is
drawn at random, and coverage does not exceed what is stated. The price: where the model is right more often than
stated, sets of unsure documents are empty (read: none of the labels fits), and hard classes are covered less than easy
ones (`per_class` shows it). Adaptive sets (APS, RAPS) spread coverage more evenly; but they need random numbers, or
else cover more than stated with larger sets, and RAPS two settings more.

For numbers the score is the absolute residual: intervals of one width.

Sources: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005); Sadinle, Lei and Wasserman, Least
Ambiguous Set-Valued Classifiers with Bounded Error Levels (2019); Lei et al., Distribution-Free Predictive Inference
for Regression (2018); Romano, Sesia and Candès, Classification with Valid and Adaptive Coverage (2020); Angelopoulos
and Bates, Conformal Prediction: A Gentle Introduction (2023).

Shapes: N documents, C classes.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from textmill.evaluation.case import Case, Findings
from textmill.evaluation.proportions import clopper_pearson
from textmill.evaluation.resampling import Floats

_METHODS = {
    "single_label": "LAC: labels whose probability is at least 1 - quantile",
    "regression": "absolute residual: the number, give or take the quantile",
}


def examine(case: Case) -> Findings | None:
    """The quantile that was fitted on validation, and what it covers on this split.

    Returns:
        details: coverage_stated, method, quantile (None for numbers: too few documents for any finite one), num_fitted
            (documents that it was fitted on), coverage with coverage_low and coverage_high, expected_low and
            expected_high (`expected_coverage`; None on validation itself, which is covered by construction), fitted_on.
            One label a document: mean_size, sizes (documents by the number of labels in their set), per_class (coverage
            of each label that occurs). Numbers: mean_width, None without a quantile. metrics: conformal_coverage, and
            conformal_size. None where a document has any number of labels: its truth is a set itself.
    """
    task, settings = case.classifier.task, case.settings
    if task == "multi_label":
        return None
    scores_N = truth_scores(case.truth, case.outputs)
    if case.split == "validation":
        quantile, num_fitted = fit_quantile(scores_N, settings.coverage), len(scores_N)
        expected_low = expected_high = None
    else:
        assert case.fitted is not None
        quantile, num_fitted = (case.fitted["conformal"][key] for key in ("quantile", "num_fitted"))
        expected_low, expected_high = expected_coverage(
            num_fitted, len(scores_N), settings.coverage, settings.confidence
        )
    covered_N = scores_N <= (math.inf if quantile is None else quantile)
    coverage = float(covered_N.mean())
    low, high = clopper_pearson(int(covered_N.sum()), len(covered_N), settings.confidence) or (None, None)
    details: dict[str, Any] = {
        "coverage_stated": settings.coverage,
        "method": _METHODS[task],
        "quantile": quantile,
        "num_fitted": num_fitted,
        "coverage": coverage,
        "coverage_low": low,
        "coverage_high": high,
        "expected_low": expected_low,
        "expected_high": expected_high,
        "fitted_on": "validation",
    }
    if task == "regression":
        width = None if quantile is None else 2 * quantile
        return Findings({"conformal_coverage": coverage}, {**details, "mean_width": width})
    quantile = 1.0 if quantile is None else quantile
    sizes_N = prediction_sets(case.outputs, quantile).sum(axis=1)
    per_class = _per_class(covered_N, case.truth, case.classifier.labels)
    details |= {**_sizes(sizes_N), "quantile": quantile, "per_class": per_class}
    return Findings({"conformal_coverage": coverage, "conformal_size": details["mean_size"]}, details)


def truth_scores(truth: NDArray[Any], outputs: Floats) -> NDArray[np.float64]:
    """How badly the truth fits the model [N]: 1 minus the probability of the true label, or the absolute residual."""
    outputs = outputs.astype(np.float64)
    if outputs.ndim == 1:
        return np.asarray(np.abs(outputs - truth), dtype=np.float64)
    return np.asarray(1 - outputs[np.arange(len(truth)), truth], dtype=np.float64)


def prediction_sets(probabilities_NC: Floats, quantile: float) -> NDArray[np.bool_]:
    """Which labels are in the set of each document [N, C]."""
    return np.asarray(1 - probabilities_NC.astype(np.float64) <= quantile)


def fit_quantile(scores_N: NDArray[np.float64], coverage: float) -> float | None:
    """The k-th smallest score, k = ceil((N + 1) * coverage); None where N documents cannot promise so much.

    The 1 is the document to come, whose score has any of the N + 1 ranks with the same probability.
    """
    rank = _rank(len(scores_N), coverage)
    return None if rank > len(scores_N) else float(np.partition(scores_N, rank - 1)[rank - 1])


def expected_coverage(num_fitted: int, num_documents: int, coverage: float, confidence: float) -> tuple[float, float]:
    """Where the coverage of so many exchangeable documents lies with this confidence.

    The number that is covered follows a beta-binomial law: the quantile of few documents is itself off by chance.

    Source: Angelopoulos and Bates (2023), section 3.2; Vovk, Conditional Validity of Inductive Conformal Predictors
    (2012).
    """
    rank = _rank(num_fitted, coverage)
    if rank > num_fitted:
        return 1.0, 1.0
    law = stats.betabinom(num_documents, rank, num_fitted + 1 - rank)
    low, high = law.ppf([(1 - confidence) / 2, (1 + confidence) / 2]) / num_documents
    return float(low), float(high)


def _rank(num_fitted: int, coverage: float) -> int:
    return math.ceil(round((num_fitted + 1) * coverage, 9))  # 0.7 * 10 is a little above 7 in binary


def _sizes(sizes_N: NDArray[np.integer[Any]]) -> dict[str, Any]:
    values, counts = np.unique(sizes_N, return_counts=True)
    by_size = {str(size): int(count) for size, count in zip(values, counts, strict=True)}
    return {"mean_size": float(sizes_N.mean()), "sizes": by_size}


def _per_class(covered_N: NDArray[np.bool_], truth_N: NDArray[Any], labels: list[str]) -> dict[str, float]:
    return {label: float(covered_N[truth_N == i].mean()) for i, label in enumerate(labels) if (truth_N == i).any()}
