"""What a share of so many documents says about the share of all."""

from scipy import special, stats


def clopper_pearson(hits: int, total: int, confidence: float) -> tuple[float, float] | None:
    """The exact two-sided interval of a share; None of no documents, which tell nothing.

    Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits (1934).
    """
    if total == 0:
        return None
    interval = stats.binomtest(hits, total).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def upper_bound(hits: int, total: int, confidence: float) -> float:
    """What the share stays below with this one-sided confidence: 1 of no documents. Source: as `clopper_pearson`."""
    return 1.0 if hits == total else float(special.betaincinv(hits + 1, total - hits, confidence))
