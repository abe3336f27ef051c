"""What the model card tells beside the page's stories: rows for its tables, each from a report or left out.

Nothing is guessed: a part that was not measured is None or empty, and the card says unknown.
"""

from collections.abc import Mapping
from typing import Any

from textmill.artifacts import read_json
from textmill.paths import Paths
from textmill.reporting.comparison import orient
from textmill.reporting.compression_story import tell_variant
from textmill.reporting.facts import Facts
from textmill.reporting.quality_story import interval_of, title_of

# Figures of the test split in the order of the card; those that the task has are shown.
FIGURES = (
    "f1_macro",
    "r2",
    "accuracy",
    "balanced_accuracy",
    "subset_accuracy",
    "f1_micro",
    "f1_weighted",
    "precision_macro",
    "recall_macro",
    "matthews",
    "kappa",
    "roc_auc",
    "average_precision",
    "mean_average_precision",
    "hamming_loss",
    "log_loss",
    "brier",
    "ece",
    "ece_adaptive",
    "rmse",
    "mae",
    "spearman",
    "top_k",
)
_FAMILIES = {
    "transformer": "transformer",
    "lstm": "bidirectional LSTM",
    "text_cnn": "convolutional network",
    "bag_of_embeddings": "mean of word vectors and a linear layer",
    "tfidf": "TF-IDF and a linear model",
}
_MOST_SLICES = 10
_MOST_LABELS = 5
_YAML = {"None": "null", "True": "true", "False": "false"}
_COSTS = (
    "parameters",
    "flops_per_document",
    "median_tokens",
    "startup_ms",
    "memory_mb",
    "libraries_mb",
    "energy_joules_per_document",
    "energy_note",
)


def tell_card(facts: Facts, paths: Paths, training: Mapping[str, Any]) -> dict[str, Any]:
    """What the template needs beside facts, data and training.

    Returns:
        model: what it is and what it was made from. figures: title, value, low and high of each. hyperparameters: key,
        value and who set it. slices, fairness, pairs: rows. num_weak_found: slices that the search found.
        worst_perturbation: the largest drop by what should change no answer, or None. parts: those of report.json, or
        None. costs: of its part `efficiency`, None where unknown. tools: versions of the bundle's
        makers. variant: against its parent (`compression_story.tell_variant`), or None. evidence: evidence.json of the
        recipe, or None. search_seconds: of all trials, or None. faithfulness: of the explanations, or none.
    """
    report = facts.report
    slices = sorted((report.get("slices") or {}).get("rows", []), key=lambda row: row["difference"])
    bundle = paths.bundle(facts.chosen["name"]) / "bundle.json"
    seconds = [trial["seconds"] for trial in training["search"]["trials"] if trial.get("seconds")]
    return {
        "model": tell_model(facts),
        "figures": tell_figures(facts),
        "hyperparameters": tell_hyperparameters(facts, paths, training),
        "slices": slices[:_MOST_SLICES],
        "num_weak_found": len((report.get("weak_slices") or {}).get("rows", [])),
        "fairness": tell_fairness(report),
        "pairs": tell_pairs(facts),
        "variant": tell_variant(facts, facts.chosen["name"]),
        "evidence": report.get("compression"),
        "worst_perturbation": _find_worst(report.get("robustness")),
        "parts": {name: report.get(name) for name in ("selective", "conformal", "robustness", "checks", "shift")},
        "costs": {**dict.fromkeys(_COSTS), **(report.get("efficiency") or {})},
        "tools": read_json(bundle)["tool_versions"] if bundle.exists() else {},
        "search_seconds": sum(seconds) if seconds else None,
        "faithfulness": read_json(paths.diagnosis).get("faithfulness", []) if paths.diagnosis.exists() else [],
    }


def tell_model(facts: Facts) -> dict[str, Any]:
    """`type`: the family in words. `origin`: the weights that it began with, or None. `origin_words`: what was taken
    of them. `methods`: the compression steps of its recipe."""
    family, model = facts.report["family"], facts.params.model
    steps = [] if facts.chosen_is_baseline else facts.params.compress.recipes[facts.chosen["name"]].steps
    origin = None
    if family == "transformer" and model.transformer.config is None:
        origin = "fine-tuned from"
    elif family in ("lstm", "text_cnn", "bag_of_embeddings") and model.family == family:
        origin = "word vectors of" if getattr(model, family).embeddings == "pretrained" else None
    return {
        "type": _FAMILIES.get(family, family),
        "origin": model.weights if origin else None,
        "origin_words": origin,
        "methods": [step.method for step in steps],
    }


def tell_figures(facts: Facts) -> list[dict[str, Any]]:
    """Title, value, low and high (None without an interval) of what was measured on the test split."""
    rows = []
    for key in FIGURES:
        if facts.chosen.get(key) is not None:
            low, high = interval_of(facts.report, key)
            rows.append({"title": title_of(facts.report, key), "value": facts.chosen[key], "low": low, "high": high})
    return rows


def tell_hyperparameters(facts: Facts, paths: Paths, training: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Key, value and `source` of what the training was told; none for the family that has no epochs.

    What a search found was used instead of what params.yaml has written (`overrides`).
    """
    described = paths.model("trained") / "torch/model.json"
    found = read_json(described).get("hyperparameters", {}) if described.exists() else {}
    if not found:
        return []
    was_searched = training["search"]["trial"] is not None
    source = f"trial {training['search']['trial']} of the search" if was_searched else "the default of tune.space"
    used = {row["key"]: row["used"] for row in training["overrides"]}
    written = {
        **{f"training.{key}": value for key, value in facts.params.training.model_dump().items()},
        **{f"train.{key}": getattr(facts.params.train, key) for key in ("epochs", "patience", "num_seeds", "ensemble")},
    }
    plain = {key: value for key, value in written.items() if not isinstance(value, dict)}
    rows = [{"key": key, "value": value, "source": source} for key, value in found.items() if key not in written]
    fixed = facts.params.tune.fixed
    rows = [{**row, "source": "tune.fixed" if row["key"] in fixed else row["source"]} for row in rows]
    rows += [
        {"key": key, "value": used.get(key, value), "source": source if key in used else "params.yaml"}
        for key, value in plain.items()
    ]
    return [{**row, "value": _YAML.get(str(row["value"]), row["value"])} for row in rows]


def tell_fairness(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Column, name of the difference in words, label, value, low, high and chance.

    Of each difference that over all labels (label None), and those labels whose groups differ by more than chance, the
    largest first.
    """
    rows = []
    for column, of_column in (report.get("fairness") or {}).items():
        by_name: dict[str, list[dict[str, Any]]] = {}
        for row in of_column["differences"]:
            told = {**row, "column": column, "name": row["name"].replace("_", " ")}
            by_name.setdefault(row["name"], []).append(told)
        for found in by_name.values():
            of_labels = [row for row in found if row["label"] is not None and row["value"] > row["chance"]]
            rows += [row for row in found if row["label"] is None]
            rows += sorted(of_labels, key=lambda row: -row["value"])[:_MOST_LABELS]
    return rows


def _find_worst(robustness: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    rows = (robustness or {}).get("rows", [])
    kept = [row for row in rows if row["expects"] == "same" and row["num_changed"]]
    return max(kept, key=lambda row: row["drop"], default=None)


def tell_pairs(facts: Facts) -> list[dict[str, Any]]:
    """The comparisons in which the chosen model stands, seen from it."""
    name = facts.chosen["name"]
    return [orient(pair, name) for pair in facts.pairs["pairs"] if name in (pair["a"], pair["b"])]
