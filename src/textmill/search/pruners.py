"""The pruners that params.yaml names."""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner, WilcoxonPruner

NUM_STARTUP_TRIALS = 4  # complete ones, before the median pruner may stop a trial
NUM_RUNGS = 4  # most brackets of hyperband, and places where successive_halving stops trials
WILCOXON_P = 0.1


def build_pruner(name: str, num_reports: int) -> BasePruner:
    """The pruner of tune.pruner.

    With successive_halving, a third of the trials (half of them, if there are few reports) goes on after the first
    report, a third of these after three times as many reports, and so on. Hyperband mixes this with trials that get
    more reports before they are judged (Li et al. 2018, https://jmlr.org/papers/v18/16-558.html).

    The p-value of the Wilcoxon test of k differences is 2^-k at least (https://doi.org/10.2307/3001968): with few
    repeats a trial is stopped only if all but the last are worse than those of the best trial; with 2, none can be.

    Args:
        num_reports: how often an undisturbed trial reports.
    """
    factor = 3 if num_reports >= 9 else 2
    first = max(1, num_reports // factor ** (NUM_RUNGS - 1))
    match name:
        case "median":
            return MedianPruner(n_startup_trials=NUM_STARTUP_TRIALS)
        case "successive_halving":
            return SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)
        case "hyperband":
            return HyperbandPruner(min_resource=first, max_resource=num_reports, reduction_factor=factor)
        case "wilcoxon":
            with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
                return WilcoxonPruner(p_threshold=max(WILCOXON_P, 1.01 * 2.0 ** (1 - num_reports)))
        case "none":
            return NopPruner()
    raise AssertionError(name)
