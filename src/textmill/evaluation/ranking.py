"""Figures that depend on the order of probabilities: ROC AUC and average precision of a class against all others.

They are no functions of sums: a resample would have to be sorted anew. Their intervals come from the first-order
influence of each document, the figure's derivative with respect to how often the document is drawn. Figure plus
influences of the documents drawn is the infinitesimal jackknife's approximation to the figure of a resample, and the
influences are terms of sums like any others. For ROC AUC they are DeLong's placement values, and the resamples have
DeLong's variance. The influences are added on the scale of log odds, where the figures are nearer to normal: intervals
stay within [0, 1], and near 1 cover better.

Sources: Efron, The Jackknife, the Bootstrap and Other Resampling Plans (1982), chapter 6; DeLong, DeLong and
Clarke-Pearson, Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves (1988);
Pepe, The Statistical Evaluation of Medical Tests for Classification and Prediction (2003), section 5.2 (log odds).

Shapes: N documents, C classes, V distinct probabilities in ascending order, R resamples.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from textmill.evaluation.resampling import Floats, Ints


class Ranking(NamedTuple):
    """A figure of each class, and what each document adds to it.

    Attributes:
        figure_C: NaN for a class that no document, or every document, is in.
        influence_NC: float32, of one more occurrence of the document; each column sums to 0.
    """

    figure_C: NDArray[np.float64]
    influence_NC: NDArray[np.float32]

    def macro(self) -> float | None:
        """The mean over classes that are defined; None where none is."""
        defined_C = self.figure_C[np.isfinite(self.figure_C)]
        return float(defined_C.mean()) if len(defined_C) else None

    def resampled(self, sums_RC: Floats) -> Floats:
        """The figure [R, C] of resamples, from the sums of their documents' influences."""
        return _change(self.figure_C, sums_RC)

    def resampled_macro(self, sums_RC: Floats) -> Floats:
        """The mean [R] over classes that are defined; at least one."""
        is_defined_C = np.isfinite(self.figure_C)
        return _change(self.figure_C[is_defined_C].mean(), sums_RC[:, is_defined_C].mean(axis=1))


def _change(figure: Floats, changes: Floats) -> Floats:
    """Figures in [0, 1] after these changes, made to the log odds; 0 and 1 stay, since no document changes them."""
    has_odds = (figure > 0) & (figure < 1)
    inner = np.where(has_odds, figure, 0.5)
    return np.where(has_odds, expit(logit(inner) + changes / (inner * (1 - inner))), figure)


def rank(has_NC: NDArray[np.bool_], probabilities_NC: Floats) -> dict[str, Ranking]:
    """roc_auc and average_precision of every class.

    Args:
        has_NC: whether the document is in the class.
    """
    judges = {"roc_auc": _auc, "average_precision": _average_precision}
    num_classes = has_NC.shape[1]
    rankings = {
        name: Ranking(np.full(num_classes, np.nan), np.zeros(has_NC.shape, dtype=np.float32)) for name in judges
    }
    for column, (has_N, probability_N) in enumerate(zip(has_NC.T, probabilities_NC.T, strict=True)):
        if not has_N.any() or has_N.all():
            continue
        values_V, place_N = np.unique(probability_N, return_inverse=True)
        inside_V = np.bincount(place_N[has_N], minlength=len(values_V))
        outside_V = np.bincount(place_N[~has_N], minlength=len(values_V))
        for name, judge in judges.items():
            figure, by_inside_V, by_outside_V = judge(inside_V, outside_V)
            rankings[name].figure_C[column] = figure
            rankings[name].influence_NC[:, column] = np.where(has_N, by_inside_V[place_N], by_outside_V[place_N])
    return rankings


def macro_rankings(rankings: dict[str, Ranking]) -> dict[str, float]:
    """The means over classes that are defined, by name; without those that none is defined for."""
    averages = {name: ranking.macro() for name, ranking in rankings.items()}
    return {name: average for name, average in averages.items() if average is not None}


def resampled_rankings(rankings: dict[str, Ranking], sums: Mapping[str, Floats]) -> dict[str, Floats]:
    """The same of resamples, each [R], from the sums [R, C] of influences by name."""
    return {name: rankings[name].resampled_macro(sums[name]) for name in macro_rankings(rankings)}


def _auc(inside_V: Ints, outside_V: Ints) -> tuple[float, Floats, Floats]:
    """The share of pairs of documents inside and outside that are in the right order, half of it for ties.

    A document's placement value is this share of its own pairs.

    Args:
        inside_V: documents of the class with each probability; `outside_V`: of the others.

    Returns:
        The area, and the influence of a document inside or outside with each probability.
    """
    num_inside, num_outside = inside_V.sum(), outside_V.sum()
    placed_inside_V = (outside_V.cumsum() - outside_V / 2) / num_outside
    placed_outside_V = (num_inside - inside_V.cumsum() + inside_V / 2) / num_inside
    area = float(inside_V @ placed_inside_V / num_inside)
    return area, (placed_inside_V - area) / num_inside, (placed_outside_V - area) / num_outside


def _average_precision(inside_V: Ints, outside_V: Ints) -> tuple[float, Floats, Floats]:
    """The mean, over the documents inside, of the precision among those that are at least as probable.

    With hits h and others f among these, precision h / (h + f) has the derivatives f / (h + f)² by a further hit and
    -h / (h + f)² by a further other; a document is among these for all that are no more probable than itself.

    Arguments and returns are those of `_auc`.
    """
    num_inside = inside_V.sum()
    hits_V, others_V = (counts_V[::-1].cumsum()[::-1].astype(np.float64) for counts_V in (inside_V, outside_V))
    precision_V = hits_V / (hits_V + others_V)
    figure = float(inside_V @ precision_V / num_inside)
    by_hit_V = (inside_V * others_V / (hits_V + others_V) ** 2).cumsum()
    by_other_V = -(inside_V * hits_V / (hits_V + others_V) ** 2).cumsum()
    return figure, (precision_V - figure + by_hit_V) / num_inside, by_other_V / num_inside


def true_ranks(labels_N: Ints, probabilities_NC: Floats) -> NDArray[np.int64]:
    """The place [N] of the true class among the classes by probability, from 1; of equal ones the first comes first.

    That is the order of `argmax`, so place 1 is a right prediction.
    """
    true_N1 = np.take_along_axis(probabilities_NC, labels_N[:, None], axis=1)
    is_before_NC = np.arange(probabilities_NC.shape[1]) < labels_N[:, None]
    ahead_NC = (probabilities_NC > true_N1) | ((probabilities_NC == true_N1) & is_before_NC)
    return 1 + ahead_NC.sum(axis=1)
