"""Is the chosen model worth more than TF-IDF? One honest sentence, from what the stage compare found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TFIDF = "tfidf"  # the family of the baseline's bundle


@dataclass(frozen=True)
class Comparison:
    """The chosen model against the baseline on the test split.

    Attributes:
        verdict: `better` and `worse` speak of the chosen model; `alike` means that the interval includes zero,
            `slight` that the gain is real but below the margin.
        difference, low, high: score of the chosen model minus the baseline's, and its interval; a point is 0.01.
        sentence: for people.
    """

    verdict: Literal["better", "slight", "alike", "worse", "same"]
    difference: float
    low: float
    high: float
    sentence: str


def compare(record: Mapping[str, Any], chosen: Mapping[str, Any], baseline: Mapping[str, Any]) -> Comparison:
    """Tell the pair of the two models.

    Args:
        record: reports/comparison.json.
        chosen, baseline: name, family, and test metrics: latency_p50_ms and size_mb.
    """
    if chosen["family"] == TFIDF:
        return Comparison("same", 0.0, 0.0, 0.0, "TF-IDF itself is the chosen model.")
    pair = find_pair(record, chosen["name"], baseline["name"])
    gain, low, high = pair["difference"], pair["low"], pair["high"]
    cost = _cost(chosen, baseline)
    interval = f"[{100 * low:+.1f}, {100 * high:+.1f}]"
    name, points, margin = chosen["name"], f"points of {record['figure']}", record["margin"]
    if low > 0 and gain > margin:
        sentence = f"{name} gains {100 * gain:.1f} {points} {interval} over TF-IDF, at {cost}."
        return Comparison("better", gain, low, high, sentence)
    if low > 0:
        sentence = (
            f"{name} gains {100 * gain:.1f} {points} {interval} over TF-IDF, less than the "
            f"{100 * margin:g} points that the gate takes for a difference, at {cost}: TF-IDF does nearly as well."
        )
        return Comparison("slight", gain, low, high, sentence)
    if high < 0:
        sentence = f"TF-IDF is better than {name}, by {-100 * gain:.1f} {points}; {name} comes at {cost}."
        return Comparison("worse", gain, low, high, sentence)
    sentence = (
        f"TF-IDF does as well here: {name} differs by {100 * gain:+.1f} {points} {interval}, an interval "
        f"that includes zero, at {cost}."
    )
    return Comparison("alike", gain, low, high, sentence)


def find_pair(record: Mapping[str, Any], a: str, b: str) -> dict[str, float]:
    """difference, low and high of model a against model b, whichever of the two is named first."""
    for pair in record["pairs"]:
        if (pair["a"], pair["b"]) == (a, b):
            return {key: pair[key] for key in ("difference", "low", "high")}
        if (pair["a"], pair["b"]) == (b, a):
            return {"difference": -pair["difference"], "low": -pair["high"], "high": -pair["low"]}
    raise AssertionError(f"the stage compare compares all models, but not {a} and {b}")


def _cost(chosen: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    latency, size = (chosen[key] / baseline[key] for key in ("latency_p50_ms", "size_mb"))
    return f"{_times(latency)} the latency and {_times(size)} the size"


def _times(ratio: float) -> str:
    """`12 times`, `1.4 times`."""
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.2g} times"
