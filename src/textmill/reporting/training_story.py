"""What the page tells of pretraining, search, training, seeds and folds; each part only where there is one."""

from pathlib import Path
from typing import Any

import pandas as pd

from textmill.artifacts import read_json
from textmill.paths import Paths

_NO_SEARCH: dict[str, Any] = {"trials": [], "trial": None, "score": None, "values": {}}
_OBJECTIVES = {"mlm": "masked language modelling", "clm": "causal language modelling"}


def read_training_story(paths: Paths) -> dict[str, Any]:
    """Everything that was done before compression.

    The family `baseline` is neither searched nor trained in epochs: it has no curves, and a search without trials.

    Returns:
        search: models/search/study.json. curves: a row per epoch, or None. seeds: models/trained/seeds.json, or None
        where there was one seed. folds: reports/crossvalidation.json, or None. pretraining: pretrained.json and
        `words` for its objective, or None.
    """
    curves = paths.model("trained") / "curves.csv"
    table = pd.read_csv(curves) if curves.exists() else pd.DataFrame()
    seeds, folds = _read(paths.model("trained") / "seeds.json"), _read(paths.crossvalidation)
    pretraining = _read(paths.pretrained / "pretrained.json")
    objective = pretraining.get("objective", "none")
    return {
        "search": _NO_SEARCH | _read(paths.study),
        "curves": table if len(table) else None,
        "seeds": seeds if len(seeds.get("seeds", [])) > 1 else None,
        "folds": folds if folds.get("enabled") else None,
        "pretraining": None if objective == "none" else {**pretraining, "words": _OBJECTIVES.get(objective, objective)},
    }


def _read(path: Path) -> dict[str, Any]:
    """A report that only some runs have."""
    found: dict[str, Any] = read_json(path) if path.exists() else {}
    return found
