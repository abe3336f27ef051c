"""Is the chosen model worth more than TF-IDF? One honest sentence, from what the stage compare found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from textmill.reporting.templating import say_p

Verdict = Literal["better", "slight", "alike", "undecided", "worse", "same"]

TFIDF = "tfidf"  # the family of the baseline's bundle
_VERDICTS: dict[str, Verdict] = {  # of the stage compare
    "better": "better",
    "worse": "worse",
    "equivalent": "alike",
    "not decided": "undecided",
}


@dataclass(frozen=True)
class Comparison:
    """The chosen model against the baseline on the test split.

    Attributes:
        verdict: that of the stage compare, corrected for the number of pairs, and seen from the chosen model: `better`,
            `slight` (better by no more than the margin), `alike` (equivalent), `undecided`, `worse`; or `same`.
        difference, low, high: score of the chosen model minus the baseline's, and its own interval; a point is 0.01.
        sentence: for people.
    """

    verdict: Verdict
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
    name, pair = chosen["name"], find_pair(record, chosen["name"], baseline["name"])
    difference, margin = pair["difference"], f"{100 * record['margin']:g} points"
    cost, points = _cost(chosen, baseline), f"points of {record['figure']} {_say_sure(pair, len(record['pairs']))}"
    verdict = _VERDICTS[pair["verdict"]]
    if verdict == "better" and difference <= record["margin"]:
        verdict = "slight"
    gains = f"{name} gains {100 * difference:.1f} {points} over TF-IDF"
    differs = f"{name} differs by {_say_points(difference)} {points}"
    sentences: dict[Verdict, str] = {
        "better": f"{gains}, at {cost}.",
        "slight": f"{gains}, no more than the {margin} that the gate takes for a difference, at {cost}: TF-IDF does "
        "nearly as well.",
        "alike": f"TF-IDF does as well as {name} here: {differs}, for sure by less than {margin}, at {cost}.",
        "undecided": f"It is not decided whether {name} does better than TF-IDF: {differs}, at {cost}.",
        "worse": f"TF-IDF is better than {name}, by {-100 * difference:.1f} points of {record['figure']} "
        f"{_say_sure(find_pair(record, baseline['name'], name), len(record['pairs']))}; {name} comes at {cost}.",
    }
    return Comparison(verdict, difference, pair["low"], pair["high"], sentences[verdict])


def find_pair(record: Mapping[str, Any], a: str, b: str) -> dict[str, Any]:
    """The pair of model a against model b, whichever of the two is named first; see `orient`."""
    for pair in record["pairs"]:
        if {pair["a"], pair["b"]} == {a, b}:
            return orient(pair, a)
    raise AssertionError(f"the stage compare compares all models, but not {a} and {b}")


def orient(pair: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The pair as seen from `name`.

    Returns:
        other, difference, low, high, verdict, p_value (adjusted), flips; non_inferior; only_it_right and
        only_other_right (for regression the documents that it or the other is nearer to).
    """
    shared = {"p_value": pair["p_bootstrap_adjusted"], "flips": pair["flips"]}
    names = ("only_a_right", "only_b_right") if pair["a_nearer"] is None else ("a_nearer", "b_nearer")
    is_first = pair["a"] == name
    own, others = names if is_first else names[::-1]
    shared |= {"only_it_right": pair[own], "only_other_right": pair[others]}
    shared |= {"non_inferior": pair["non_inferior" if is_first else "b_non_inferior"]}
    if is_first:
        return {"other": pair["b"], **{key: pair[key] for key in ("difference", "low", "high", "verdict")}, **shared}
    turned = {"difference": "difference", "low": "high", "high": "low"}
    figures = {key: 0.0 - pair[other] for key, other in turned.items()}
    verdict = {"better": "worse", "worse": "better"}.get(pair["verdict"], pair["verdict"])
    return {"other": pair["a"], **figures, "verdict": verdict, **shared}


def _say_sure(pair: Mapping[str, Any], num_pairs: int) -> str:
    """Interval, and the p-value that the verdict goes by: `[+0.1, +2.3] (p = 0.120 corrected for 10 pairs)`."""
    corrected = f" corrected for {num_pairs} pairs" if num_pairs > 1 else ""
    return f"[{_say_points(pair['low'])}, {_say_points(pair['high'])}] ({say_p(pair['p_value'])}{corrected})"


def _say_points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _cost(chosen: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    latency, size = (chosen[key] / baseline[key] for key in ("latency_p50_ms", "size_mb"))
    return f"{_times(latency)} the latency and {_times(size)} the size"


def _times(ratio: float) -> str:
    """`12 times`, `1.4 times`."""
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.2g} times"
