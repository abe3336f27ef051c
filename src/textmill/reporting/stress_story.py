"""What the page tells of a model under stress: spoilt texts, declared checks, texts of another domain."""

from typing import Any

from textmill.reporting.facts import Facts
from textmill.reporting.quality_story import span

_PERTURBATIONS = {
    "typos": "Typing errors",
    "casing": "Upper and lower case",
    "punctuation": "Punctuation",
    "whitespace": "White space",
    "truncation": "Second half cut off",
    "word_order": "Words in another order",
    "homoglyphs": "Letters that look alike",
    "negation": "Negation",
}
_SCORES = {"max_softmax": "Highest probability", "energy": "Energy of the logits"}


def tell_stress(facts: Facts) -> dict[str, Any]:
    """The parts that there are, each None where it is not.

    Returns:
        robustness: as in report.json, what should change no answer before what may, the largest drop first, with titles
        and a scale of the drops.
        checks: as in report.json. shift: source, num_documents and rows with titles.
    """
    return {"robustness": _tell_robustness(facts), "checks": _tell_checks(facts), "shift": _tell_shift(facts)}


def _tell_robustness(facts: Facts) -> dict[str, Any] | None:
    robustness = facts.report.get("robustness")
    if not robustness or not robustness["rows"]:
        return None
    rows = sorted(robustness["rows"], key=lambda row: (row["expects"] != "same", -row["drop"]))
    return {
        **robustness,
        "rows": [{**row, "title": _PERTURBATIONS.get(row["perturbation"], row["perturbation"])} for row in rows],
        "scale": span([(row["drop_low"], row["drop_high"]) for row in rows], zero=True),
    }


def _tell_checks(facts: Facts) -> dict[str, Any] | None:
    checks = facts.report.get("checks")
    if not checks or not checks["rows"]:
        return None
    rows = sorted(checks["rows"], key=lambda row: row["passed"])
    return {**checks, "rows": rows, "num_failed": sum(not row["passed"] for row in rows)}


def _tell_shift(facts: Facts) -> dict[str, Any] | None:
    shift = facts.report.get("shift")
    if not shift:
        return None
    rows = [{"title": title, **shift[name]} for name, title in _SCORES.items() if shift.get(name)]
    return {**shift, "rows": rows} if rows else None
