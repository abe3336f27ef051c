"""What the page tells of groups of documents: slices, weak slices that were searched for, and fairness."""

from typing import Any

from textmill.reporting.facts import Facts
from textmill.reporting.quality_story import span

_NAMES = {
    "demographic_parity_difference": "Demographic parity difference",
    "equalized_odds_difference": "Equalized odds difference",
    "accuracy_difference": "Difference of accuracy",
}
_MEANINGS = {
    "demographic_parity_difference": "how far apart the groups' shares of documents that get the label are",
    "equalized_odds_difference": "the larger of the distances in true and in false positive rate",
    "accuracy_difference": "how far apart the groups' accuracies are",
}


def tell_groups(facts: Facts, *, include_texts: bool) -> dict[str, Any]:
    """The parts that there are, each None where it is not.

    Returns:
        slices: as in report.json, the weakest first, with scales for the intervals of score and difference.
        weak: as in report.json; slices by a word are left out, and counted as num_hidden, where no text may be shown.
        fairness: a list of columns with groups, labels and differences with names for people.
    """
    return {
        "slices": _tell_slices(facts),
        "weak": _tell_weak(facts, include_texts=include_texts),
        "fairness": _tell_fairness(facts),
        "meanings": {_NAMES[name]: meaning for name, meaning in _MEANINGS.items()},
    }


def _tell_slices(facts: Facts) -> dict[str, Any] | None:
    slices = facts.report.get("slices")
    if not slices or not slices["rows"]:
        return None
    rows = sorted(slices["rows"], key=lambda row: (not row["weak"], row["difference"]))
    return {
        **slices,
        "rows": rows,
        "num_weak": sum(bool(row["weak"]) for row in rows),
        "scale": span([(row["difference_low"], row["difference_high"]) for row in rows], zero=True),
    }


def _tell_weak(facts: Facts, *, include_texts: bool) -> dict[str, Any] | None:
    weak = facts.report.get("weak_slices")
    if not weak:
        return None
    shown = [row for row in weak["rows"] if include_texts or not _has_word(row)]
    return {**weak, "rows": shown, "num_hidden": len(weak["rows"]) - len(shown)}


def _has_word(row: dict[str, Any]) -> bool:
    return any(condition["feature"] == "word" for condition in row["conditions"])


def _tell_fairness(facts: Facts) -> list[dict[str, Any]]:
    told = []
    for column, found in facts.report.get("fairness", {}).items():
        differences = [{**row, "title": _NAMES.get(row["name"], row["name"])} for row in found["differences"]]
        labels = list(dict.fromkeys(label for group in found["groups"] for label in group["selection_rates"]))
        scale = span([(row["low"], row["high"]) for row in differences], lowest=0.0, zero=True)
        told.append({**found, "column": column, "labels": labels, "differences": differences, "scale": scale})
    return told
