"""A working directory in which `textmill compress` has all that it needs: a BERT of three layers that has learned."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.tiny_model import HYPER, META, SETTINGS, tiny_transformer, write_tokens
from tests.tiny_texts import texts_of
from textmill.artifacts import DOCUMENTS, write_table
from textmill.compression.recipes import run_recipe
from textmill.compression.recovery import Recovery
from textmill.config import load_params
from textmill.config.params import Params
from textmill.data.tokens import TokenArrays
from textmill.models.folder import save_model
from textmill.paths import Paths
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit

REPOSITORY = Path(__file__).resolve().parent.parent
_RATE = {"type": "float", "low": 1e-3, "high": 1e-2, "log": True, "default": 5e-3}
_TAUGHT = {"method": "distill", "temperature": 2.0, "soft_weight": 0.5, "epochs": 2, "learning_rate": _RATE}
_BAG = {"family": "bag_of_embeddings", "embeddings": "own", "embedding_size": 16}
SPACE: dict[str, Any] = {
    "steps": {
        "trim": {"method": "trim_vocabulary", "min_count": 1},
        "layers": {
            **_TAUGHT,
            "student": {"family": "transformer", "num_layers": {"type": "int", "low": 1, "high": 2, "default": 1}},
        },
        "bag": {**_TAUGHT, "student": _BAG, "epochs": {"type": "categorical", "choices": [1, 2], "default": 2}},
        "int8": {"method": "quantize", "per_channel": True},
    },
    "recipes": [["int8"], ["bag", "int8"], ["layers", "int8"], ["layers"]],
}
SEARCH: dict[str, Any] = {
    "num_trials": 4,
    "timeout_minutes": None,
    "trial_minutes": None,
    "max_failures": 2,
    "sampler": "tpe",
    "space": SPACE,
}


def write_full(root: Path) -> Paths:
    """data/tokens, data/splits and models/full, of a model that knows the classes of `write_tokens`."""
    paths = Paths(root, root)
    write_tokens(paths.tokens)
    for split in ("train", "validation"):
        write_table(paths.split(split), texts_of(TokenArrays.open(paths.tokens, split), split), DOCUMENTS)
    data, model = TrainingData.open(paths.tokens), tiny_transformer(num_layers=3)
    fit(model, data, replace(SETTINGS, epochs=4), HYPER)
    description = {"hyperparameters": vars(HYPER), "max_length": META["max_length"], "lineage": {"key": "0" * 64}}
    save_model(paths.model("trained") / "torch", model, description)
    recovery = Recovery(data, SETTINGS, HYPER, root / "unused")
    run_recipe([], paths.model("trained"), paths.model("full"), recovery, {"key": "1" * 64})
    return paths


def write_search(paths: Paths, **changes: Any) -> Params:
    """params.yaml with `compress.search` changed, and an evaluation of little work."""
    values = YAML(typ="safe").load(REPOSITORY / "params.yaml")
    values["project"] = "tiny"
    values["training"] |= {"precision": "32-true", "batch_size": 16}
    values["tokenize"]["max_length"] = META["max_length"]
    values["evaluate"] |= {"num_resamples": 100, "latency_documents": 10}
    values["select"] = {
        "budget": {"max_size_mb": None, "max_latency_ms": None, "max_drop": None},
        "prefer": "size_mb",
        "allow_baseline": False,
    }
    values["compress"]["search"] = {**SEARCH, **changes}
    paths.params.write_text(json.dumps(values))
    return load_params(paths.params)
