"""Whether the words that a method names really decided: they are deleted, and the decision should fall.

The area under the curve of its probability over the share of words deleted, most important first, is compared with that
of random order. Words are deleted as occlusion leaves them out, so that the test is a little kinder to occlusion.

Sources: Petsiuk, Das and Saenko, RISE (2018), the deletion metric; DeYoung et al., ERASER (2020), comprehensiveness.

Shapes: N documents, P shares, K words, M methods.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.diagnosis.reading import Reading
from textmill.diagnosis.served import Decision, Served
from textmill.evaluation.resampling import percentile_intervals, resample_sums

# Half of the words at most: what is left then is hardly a text any more.
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
_NUM_ORDERS = 3  # random ones, whose mean stands for chance

Curve = NDArray[np.float64]  # [P]


def deletion_curve(served: Served, reading: Reading, decision: Decision, order: NDArray[np.integer[Any]]) -> Curve:
    """How firmly the decision stands (`Served.strength`) with the first words of `order` [K] deleted, by SHARES."""
    num_words = len(order)
    rank_K = np.empty(num_words, np.int64)
    rank_K[order] = np.arange(num_words)
    documents = [reading.without(rank_K < np.ceil(share * num_words)) for share in SHARES]
    return served.strength(served.evidence(documents)[:, decision.output], decision)


def random_curve(served: Served, reading: Reading, decision: Decision, seed: int) -> Curve:
    """The mean curve of random orders."""
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(reading.spans)) for _ in range(_NUM_ORDERS)]
    return np.mean([deletion_curve(served, reading, decision, order) for order in orders], axis=0)


def area(curves: Curve) -> Any:
    """Mean height [...] of curves [..., P], by the trapezoidal rule."""
    return np.trapezoid(curves, SHARES, axis=-1) / SHARES[-1]


def compare_methods(
    names: Sequence[str], curves_MNP: NDArray[np.float64], random_NP: NDArray[np.float64], **resampling: Any
) -> list[dict[str, Any]]:
    """Each method against random order, on the same documents.

    Args:
        resampling: confidence, num_resamples and seed of the intervals, which are over documents.

    Returns:
        method, num_documents, auc (lower is better) and random, difference (random minus auc), each with `_low` and
        `_high`; shares, curve and random_curve (means of the documents); beats_random: the interval of the difference
        lies above 0.
    """
    rows = []
    for name, curves_NP in zip(names, curves_MNP, strict=True):
        areas = {"auc": area(curves_NP), "random": area(random_NP)}
        areas["difference"] = areas["random"] - areas["auc"]
        figures = _with_intervals(areas, **resampling)
        rows.append(
            {
                "method": name,
                "num_documents": len(curves_NP),
                **figures,
                "beats_random": figures["difference_low"] > 0,
                "shares": list(SHARES),
                "curve": _round(curves_NP.mean(axis=0)),
                "random_curve": _round(random_NP.mean(axis=0)),
            }
        )
    return rows


def _with_intervals(
    figures: dict[str, NDArray[np.float64]], *, confidence: float, num_resamples: int, seed: int
) -> dict[str, float]:
    """The mean over documents of each figure [N], with its bootstrap interval."""
    columns = np.stack(list(figures.values()), axis=1)
    ones_N = np.ones(len(columns), dtype=np.int64)
    (sums_RS,) = resample_sums([columns], ones_N, num_resamples=num_resamples, seed=seed)
    intervals = percentile_intervals(dict(zip(figures, sums_RS.T / len(columns), strict=True)), confidence)
    told: dict[str, float] = {}
    for name, values_N in figures.items():
        low, high = intervals[name]
        told |= {name: round(float(values_N.mean()), 6), f"{name}_low": round(low, 6), f"{name}_high": round(high, 6)}
    return told


def _round(curve: Curve) -> list[float]:
    return [round(value, 5) for value in curve.tolist()]
