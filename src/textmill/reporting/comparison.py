"""Is the chosen model worth more than TF-IDF? One honest sentence, from the same test documents."""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from textmill.evaluation.primary import name_primary
from textmill.evaluation.significance import paired_bootstrap
from textmill.tasks import Task

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


def compare(
    task: Task,
    chosen: dict[str, Any],
    baseline: dict[str, Any],
    predictions: tuple[pd.DataFrame, pd.DataFrame],
    *,
    margin: float,
    confidence: float,
    num_resamples: int,
    seed: int,
) -> Comparison:
    """Compare two models on the same documents.

    Args:
        chosen, baseline: name, family, and test metrics: latency_p50_ms and size_mb.
        predictions: of both, each with id, label and predicted.
        margin: the loss of score that counts as nothing, `gate.margin`.
    """
    if chosen["family"] == TFIDF:
        return Comparison("same", 0.0, 0.0, 0.0, "TF-IDF itself is the chosen model.")
    ours, theirs = (table.set_index("id").sort_index() for table in predictions)
    assert ours.index.equals(theirs.index), "both models are measured on the same test documents"
    answers = (ours["label"].to_numpy(), ours["predicted"].to_numpy(), theirs["predicted"].to_numpy())
    bootstrap = paired_bootstrap(task, *answers, num_resamples=num_resamples, seed=seed)
    low, high = bootstrap.interval(confidence)
    gain = bootstrap.observed
    cost = _cost(chosen, baseline)
    interval = f"[{100 * low:+.1f}, {100 * high:+.1f}]"
    name, points = chosen["name"], f"points of {name_primary(task)}"
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


def _cost(chosen: dict[str, Any], baseline: dict[str, Any]) -> str:
    latency, size = (chosen[key] / baseline[key] for key in ("latency_p50_ms", "size_mb"))
    return f"{_times(latency)} the latency and {_times(size)} the size"


def _times(ratio: float) -> str:
    """`12 times`, `1.4 times`."""
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.2g} times"
