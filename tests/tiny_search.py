"""A working directory in which a search has all that it needs, with trials of a second."""

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.task_documents import documents_of
from tests.tiny_model import META, write_tokens
from textmill.artifacts import DOCUMENTS, write_json, write_table
from textmill.config import load_params
from textmill.config.params import Params
from textmill.paths import Paths

REPOSITORY = Path(__file__).resolve().parent.parent


def write_checkout(root: Path, family: str = "bag_of_embeddings", **tune: Any) -> tuple[Params, Paths]:
    """params.yaml with `tune` changed, and the outputs of the stages tokenize and pretrain."""
    paths, yaml = Paths(root, root), YAML(typ="safe")
    values = yaml.load(REPOSITORY / "params.yaml")
    values["project"], values["model"]["family"] = "tiny", family
    values["model"]["bag_of_embeddings"] = {"embeddings": "own", "embedding_size": 16}
    values["training"] |= {"precision": "32-true", "batch_size": 16}
    values["tokenize"]["max_length"] = META["max_length"]
    values["tune"] |= {"num_trials": 3, "train_fraction": 1.0, **tune}
    root.mkdir(parents=True, exist_ok=True)
    paths.params.write_text(json.dumps(values))
    write_tokens(paths.tokens)
    write_table(paths.split("train"), documents_of("single_label")[:160], DOCUMENTS)
    write_json(paths.pretrained / "pretrained.json", {"objective": "none"})
    return load_params(paths.params), paths
