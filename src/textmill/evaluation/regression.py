"""Quality of predicted numbers, with bootstrap intervals.

Shapes: N documents, R resamples, B bins.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from textmill.evaluation.quality import Quality
from textmill.evaluation.resampling import Floats, percentile_intervals, resample_sums

_QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
_ROUNDING = 1e-12  # a spread below this share of the squares is none


def assess_values(
    actual_N: Floats, predicted_N: Floats, *, confidence: float, num_resamples: int, seed: int
) -> Quality:
    """Every figure of one model's numbers.

    Returns:
        figures: r2, rmse and mae with intervals; spearman, the correlation of ranks (0 where either side is constant),
            without one. details: residuals, predicted minus actual (mean, standard deviation and quantiles), and
            actual, the same of what was to be predicted.
    """
    actual_N, predicted_N = actual_N.astype(np.float64), predicted_N.astype(np.float64)
    terms_NS = value_terms(actual_N, predicted_N)
    counts_N = np.ones(len(terms_NS), dtype=np.int64)
    (sums_RS,) = resample_sums([terms_NS], counts_N, num_resamples=num_resamples, seed=seed)
    whole = {name: float(value) for name, value in value_scores(terms_NS.sum(axis=0)).items()}
    is_constant = np.ptp(actual_N) == 0 or np.ptp(predicted_N) == 0
    return Quality(
        figures={**whole, "spearman": 0.0 if is_constant else float(stats.spearmanr(actual_N, predicted_N).statistic)},
        intervals=percentile_intervals(value_scores(sums_RS), confidence),
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
    spread = squares - total**2 / count
    differs = spread > _ROUNDING * squares
    unexplained = np.divide(squared_errors, spread, out=np.ones(np.shape(spread)), where=differs)
    return {
        "r2": np.where(differs, 1 - unexplained, np.where(squared_errors == 0, 1.0, 0.0)),
        "rmse": np.sqrt(squared_errors / count),
        "mae": absolute_errors / count,
    }


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
