"""Quality of predicted numbers, with bootstrap intervals.

Shapes: N documents, R resamples, B bins.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from textmill.evaluation.quality import Quality
from textmill.evaluation.rank_correlation import spearman
from textmill.evaluation.resampling import Floats, percentile_intervals, resample_sums

_QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
_ROUNDING = 1e-12  # a spread below this share of the squares is none
_NUM_TERMS = 5  # of value_terms


def assess_values(
    actual_N: Floats, predicted_N: Floats, *, confidence: float, num_resamples: int, seed: int
) -> Quality:
    """Every figure of one model's numbers.

    Returns:
        figures: r2, explained_variance, rmse, mae, mape (mean of absolute error over absolute number; left out where a
            number is 0), median_absolute_error, pearson and spearman (correlation of numbers and of ranks; 0 where
            either side is constant), all with intervals; and max_error without one, since no resample has a larger
            one. details: residuals, predicted minus actual (mean, standard deviation and quantiles), and actual, the
            same of what was to be predicted.
    """
    actual_N, predicted_N = actual_N.astype(np.float64), predicted_N.astype(np.float64)
    errors_N = np.abs(predicted_N - actual_N)
    rank_correlation, influence_N = spearman(actual_N, predicted_N)
    relative_N = np.divide(errors_N, np.abs(actual_N), out=np.zeros(len(errors_N)), where=actual_N != 0)
    extra_NS = np.column_stack([influence_N, relative_N, _pair_terms(actual_N, predicted_N)])
    terms_NS = np.hstack([value_terms(actual_N, predicted_N), extra_NS])
    counts_N = np.ones(len(terms_NS), dtype=np.int64)
    (sums_RS,) = resample_sums([terms_NS], counts_N, num_resamples=num_resamples, seed=seed)
    has_mape = bool((actual_N != 0).all())

    def figures(sums: Floats) -> dict[str, Floats]:
        return {
            **value_scores(sums[..., :_NUM_TERMS]),
            **_pair_scores(sums[..., 0], sums[..., 1], sums[..., 2], sums[..., _NUM_TERMS + 2 :]),
            **({"mape": sums[..., _NUM_TERMS + 1] / sums[..., 0]} if has_mape else {}),
            "spearman": np.clip(rank_correlation + sums[..., _NUM_TERMS], -1.0, 1.0),
        }

    return Quality(
        figures={
            **{name: float(value) for name, value in figures(terms_NS.sum(axis=0)).items()},
            "spearman": rank_correlation,
            "median_absolute_error": float(np.median(errors_N)),
            "max_error": float(errors_N.max()),
        },
        intervals={
            **percentile_intervals(figures(sums_RS), confidence),
            "median_absolute_error": _median_interval(errors_N, confidence),
        },
        details={"residuals": _describe(predicted_N - actual_N), "actual": _describe(actual_N)},
    )


def value_terms(actual_N: Floats, predicted_N: Floats) -> NDArray[np.float64]:
    """What the figures are sums of [N, 5]: 1, the actual number and its square, squared and absolute error.

    Numbers are taken from their mean, lest their squares lose the digits that matter.
    """
    centred_N, errors_N = actual_N - actual_N.mean(), predicted_N - actual_N
    return np.column_stack([np.ones(len(actual_N)), centred_N, centred_N**2, errors_N**2, np.abs(errors_N)])


def value_scores(sums: NDArray[Any]) -> dict[str, Floats]:
    """R², root mean squared and mean absolute error, each [...], of sums [..., 5] of `value_terms`.

    Where the actual numbers do not differ, R² is 1 if all are met and else 0, as in scikit-learn.
    """
    count, total, squares, squared_errors, absolute_errors = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    spread = _spread(total, squares, count)
    differs = spread > 0
    unexplained = np.divide(squared_errors, spread, out=np.ones(np.shape(spread)), where=differs)
    return {
        "r2": np.where(differs, 1 - unexplained, np.where(squared_errors == 0, 1.0, 0.0)),
        "rmse": np.sqrt(squared_errors / count),
        "mae": absolute_errors / count,
    }


def _pair_terms(actual_N: Floats, predicted_N: Floats) -> NDArray[np.float64]:
    """Further sums [N, 5]: predicted number, its square and its product with the actual one, error and its square.

    All are taken from their means, as in `value_terms`.
    """
    predicted_N = predicted_N - actual_N.mean()
    errors_N = predicted_N - (actual_N - actual_N.mean())
    errors_N, predicted_N = errors_N - errors_N.mean(), predicted_N - predicted_N.mean()
    return np.column_stack(
        [predicted_N, predicted_N**2, predicted_N * (actual_N - actual_N.mean()), errors_N, errors_N**2]
    )


def _pair_scores(count: Floats, actual: Floats, actual_squares: Floats, sums: Floats) -> dict[str, Floats]:
    """Explained variance and Pearson's correlation, each [...], of sums [..., 5] of `_pair_terms`.

    Explained variance where the actual numbers do not differ is that of R², see `value_scores`.
    """
    predicted, predicted_squares, products, errors, error_squares = np.moveaxis(sums, -1, 0)
    spread_actual = _spread(actual, actual_squares, count)
    spread_predicted = _spread(predicted, predicted_squares, count)
    spread_errors = _spread(errors, error_squares, count)
    unexplained = np.divide(spread_errors, spread_actual, out=np.ones(np.shape(errors)), where=spread_actual > 0)
    product = np.sqrt(spread_actual * spread_predicted)
    shared = products - actual * predicted / count
    correlation = np.divide(shared, product, out=np.zeros(np.shape(errors)), where=product > 0)
    return {
        "explained_variance": np.where(spread_actual > 0, 1 - unexplained, np.where(spread_errors == 0, 1.0, 0.0)),
        "pearson": np.clip(correlation, -1.0, 1.0),
    }


def _spread(total: Floats, squares: Floats, count: Floats) -> Floats:
    """The sum of squares from the mean; 0 where it is rounding."""
    spread = squares - total**2 / count
    return np.where(spread > _ROUNDING * squares, spread, 0.0)


def _median_interval(values_N: Floats, confidence: float) -> tuple[float, float]:
    """The bootstrap's percentile interval of the median, of which no resample need be drawn.

    The median of a resample is no larger than the k-th smallest value if at least half of the N documents are drawn
    from the k with the smallest. Of an even number the lower of the two in the middle is taken.

    Source: Efron, Bootstrap Methods: Another Look at the Jackknife (1979), section 3.
    """
    sorted_N = np.sort(values_N)
    count = len(sorted_N)
    below_N = stats.binom.sf((count + 1) // 2 - 1, count, np.arange(1, count + 1) / count)
    low, high = (int(np.searchsorted(below_N, tail)) for tail in ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(sorted_N[low]), float(sorted_N[high])


def compare_bins(actual_N: Floats, predicted_N: Floats, num_bins: int) -> pd.DataFrame:
    """Mean actual against mean predicted number in bins of equally many documents, in the order of the predicted.

    Returns:
        The columns of a calibration table: confidence and mean_confidence (predicted), accuracy (actual), count.
    """
    parts = [part for part in np.array_split(np.argsort(predicted_N, kind="stable"), num_bins) if len(part)]
    predicted_B = [float(predicted_N[part].mean()) for part in parts]
    actual_B = [float(actual_N[part].mean()) for part in parts]
    columns = {"confidence": predicted_B, "accuracy": actual_B, "count": [len(part) for part in parts]}
    return pd.DataFrame({**columns, "mean_confidence": predicted_B})


def _describe(values_N: Floats) -> dict[str, float]:
    quantiles = np.quantile(values_N, list(_QUANTILES.values()))
    return {
        "mean": float(values_N.mean()),
        "std": float(values_N.std()),
        **{name: float(value) for name, value in zip(_QUANTILES, quantiles, strict=True)},
    }
