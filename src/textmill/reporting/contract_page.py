"""The data contract as one self-contained HTML page: no script, no network, light and dark."""

from collections.abc import Mapping
from typing import Any

from textmill.reporting.templating import new_environment

_TITLES = {
    "schema": ("Columns and types", "The tables have the columns that the next stages ask for."),
    "raw": ("As found", "Every row that was read is kept or in quarantine."),
    "clean": ("After cleaning", "What goes on to be learned from."),
    "classes": ("Classes", "Enough of each, in every split, in the same shares."),
    "reference": ("Against the reference", "The data that were frozen into contract.lock.yaml."),
    "splits": ("Splits", "Lengths, and what the splits must not share."),
    "texts": ("What the texts hold", "Looked for in a sample of the train split."),
    "shortcuts": (
        "Words that give a class away",
        "Matthews correlation of a class with the presence of words, in the same sample; 1 would be a perfect clue.",
    ),
}
_MOST_CLASSES = 60
_QUANTILES = {"minimum": "Shortest", "p05": "5 %", "p25": "25 %", "median": "Median", "p75": "75 %", "p95": "95 %"}
_QUANTILES |= {"maximum": "Longest"}


def render_contract_page(
    project: str, report: Mapping[str, Any], profile: Mapping[str, Any] | None, reference: Mapping[str, Any] | None
) -> str:
    """The page as HTML; labels, ids and words are escaped.

    Args:
        report: data/validation/report.json.
        profile: data/validation/profile.json, or None if the columns of a table were wrong.
        reference: what contract.lock.yaml holds under this key.
    """
    env = new_environment(autoescape=True)
    rows = report["expectations"]
    failed = [row for row in rows if not row["passed"]]
    suites = [
        {"name": name, "title": title, "about": about, "rows": [row for row in rows if row["suite"] == name]}
        for name, (title, about) in _TITLES.items()
    ]
    return env.get_template("contract.html.j2").render(
        project=project,
        report=report,
        profile=profile,
        reference=reference,
        errors=[row for row in failed if row["level"] == "error"],
        warnings=[row for row in failed if row["level"] == "warn"],
        suites=[suite for suite in suites if suite["rows"]],
        classes=_compare_classes(profile, reference)[:_MOST_CLASSES] if profile else [],
        scripts=_compare(profile["scripts"], reference["scripts"] if reference else {}) if profile else [],
        quantiles=_QUANTILES,
    )


def _compare_classes(profile: Mapping[str, Any], reference: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Classes of the data, the largest first, then those that only the reference has, with their documents."""
    nothing = {"documents": 0, "train": 0, "validation": 0, "test": 0}
    rows = _compare(profile["labels"], reference["labels"] if reference else {})
    return [row | profile["classes"].get(row["label"], nothing) for row in rows]


def _compare(shares: Mapping[str, float], frozen: Mapping[str, float]) -> list[dict[str, Any]]:
    """Share now and in the reference, the largest first; None where the reference does not have it."""
    labels = sorted({**shares, **frozen}, key=lambda label: -shares.get(label, 0.0))
    return [{"label": label, "share": shares.get(label, 0.0), "frozen": frozen.get(label)} for label in labels]
