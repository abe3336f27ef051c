"""What the page and the card tell of each variant: what it was made from and how, whether it answers as its parent does
and scores no worse, and what its bytes are spent on."""

from collections.abc import Mapping
from typing import Any

from textmill.evaluation.selection import REFERENCE
from textmill.paths import BASELINE
from textmill.reporting.comparison import find_pair
from textmill.reporting.facts import Facts
from textmill.reporting.quality_story import span

_MOST_NOTES = 12  # of a step
_PARTS = {
    "embeddings": "embeddings",
    "attention": "attention",
    "feed_forward": "feed-forward",
    "recurrence": "recurrence",
    "convolutions": "convolutions",
    "head": "head",
    "other": "rest of the graph",
    "files": "tokenizer and manifest",
}


def tell_compression(facts: Facts) -> dict[str, Any]:
    """Rows of the recipes that made a model.

    Returns:
        variants: `tell_variant` of each that has a parent among the models. scale: of their differences. made:
        `_tell_making` of each whose evidence is known. parts: key and words of the parts that any of these has.
    """
    names = [model["name"] for model in facts.models if model["name"] != BASELINE]
    variants = [told for name in names if (told := tell_variant(facts, name))]
    made = [told for name in names if (told := _tell_making(facts, name))]
    largest = max((row["num_bytes"] for row in made), default=1)
    return {
        "variants": variants,
        "scale": span([(row["low"], row["high"]) for row in variants], zero=True),
        "made": [{**row, "width": row["num_bytes"] / largest} for row in made],
        "parts": [(key, words) for key, words in _PARTS.items() if any(row["bytes"].get(key) for row in made)],
    }


def tell_variant(facts: Facts, name: str) -> dict[str, Any] | None:
    """A recipe's model against the one it was made from, on the test split; None of one that was made from none.

    Returns:
        The pair as `comparison.orient` gives it; name, parent, steps; agreement, the share of the same answers, None
        for regression.
    """
    recipe = facts.params.compress.recipes.get(name)
    if recipe is None or name == REFERENCE:
        return None
    parent = REFERENCE if recipe.parent == "trained" else recipe.parent  # `full` is what `trained` was exported to
    pair = find_pair(facts.pairs, name, parent)
    flips, num_documents = pair["flips"], facts.pairs["num_documents"]
    return {
        **pair,
        "name": name,
        "parent": parent,
        "steps": [step.method for step in recipe.steps],
        "agreement": None if flips is None else 1 - flips / num_documents,
    }


def _tell_making(facts: Facts, name: str) -> dict[str, Any] | None:
    """Evidence of a model, with what it costs: its test metrics, memory_mb; against `full` share_of_size and
    times_as_fast."""
    report = facts.reports[name]
    evidence: Mapping[str, Any] | None = report.get("compression")
    if evidence is None:
        return None
    by_name = {model["name"]: model for model in facts.models}
    model, full = by_name[name], by_name[REFERENCE]
    sizes = evidence["bytes"]
    return {
        **model,
        **{key: evidence[key] for key in ("seconds", "parity", "agreement", "bytes")},
        "num_bytes": sum(sizes.values()),
        "steps": [{**step, "notes": _flatten(step["notes"])[:_MOST_NOTES]} for step in evidence["steps"]],
        "memory_mb": (report.get("efficiency") or {}).get("memory_mb"),
        "share_of_size": model["size_mb"] / full["size_mb"],
        "times_as_fast": full["latency_p50_ms"] / model["latency_p50_ms"],
    }


def _flatten(notes: Mapping[str, Any], before: str = "") -> list[tuple[str, float | str]]:
    """Words and value of each number and word among a step's notes; lists are for evidence.json."""
    found: list[tuple[str, float | str]] = []
    for key, value in notes.items():
        words = f"{before}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            found += _flatten(value, f"{words}: ")
        elif isinstance(value, bool):
            found.append((words, "yes" if value else "no"))
        elif isinstance(value, (int, float, str)):
            found.append((words, value))
    return found
