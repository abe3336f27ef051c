"""What the page tells of pretraining, search, training, seeds and folds; each part only where there is one."""

from pathlib import Path
from typing import Any

import pandas as pd

from textmill.artifacts import read_json
from textmill.paths import Paths

_NO_SEARCH: dict[str, Any] = {"trials": [], "trial": None, "score": None, "values": {}, "outlook": None}
_OBJECTIVES = {"mlm": "masked language modelling", "clm": "causal language modelling"}


def read_training_story(paths: Paths) -> dict[str, Any]:
    """Everything that was done before compression.

    The family `baseline` is neither searched nor trained in epochs: it has no curves, and a search without trials.

    Returns:
        search: models/search/study.json. overrides: models/trained/overrides.json, the keys of params.yaml that train
        took from the search: key, used, written. curves: a row per epoch, or None. repeats: the same training from
        several seeds, and on the folds, each with title, rows (name and score), mean, std and what goes with them.
        pretraining: pretrained.json and `words` for its objective, or None.
    """
    curves = paths.model("trained") / "curves.csv"
    table = pd.read_csv(curves) if curves.exists() else pd.DataFrame()
    pretraining = _read(paths.pretrained / "pretrained.json")
    objective = pretraining.get("objective", "none")
    overrides = paths.model("trained") / "overrides.json"
    seeds = _tell_seeds(_read(paths.model("trained") / "seeds.json"))
    return {
        "search": _NO_SEARCH | _read(paths.study),
        "overrides": read_json(overrides) if overrides.exists() else [],
        "curves": table if len(table) else None,
        "repeats": [told for told in (seeds, _tell_folds(_read(paths.crossvalidation))) if told],
        "pretraining": None if objective == "none" else {**pretraining, "words": _OBJECTIVES.get(objective, objective)},
    }


def _tell_seeds(seeds: dict[str, Any]) -> dict[str, Any] | None:
    if len(seeds.get("seeds", [])) < 2:
        return None
    fate = "Together they are the model that was compressed." if seeds["ensemble"] else "The best of them was kept."
    return {
        "title": "Several seeds",
        "unit": "Seed",
        "on": "validation",
        "rows": [(row["seed"], row["score"]) for row in seeds["seeds"]],
        "mean": seeds["mean"],
        "std": seeds["std"],
        "note": f"The same training from other random numbers. {fate}",
    }


def _tell_folds(folds: dict[str, Any]) -> dict[str, Any] | None:
    if not folds.get("enabled"):
        return None
    return {
        "title": "Cross-validation",
        "unit": "Fold",
        "on": "the fold",
        "rows": list(enumerate(folds["scores"], start=1)),
        "mean": folds["mean"],
        "std": folds["std"],
        "note": "Trained on the other folds of the train split, and asked about each in turn.",
    }


def _read(path: Path) -> dict[str, Any]:
    """A report that only some runs have."""
    found: dict[str, Any] = read_json(path) if path.exists() else {}
    return found
