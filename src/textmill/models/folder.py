"""Model folders: `model.safetensors` and `model.json`, written atomically and read strictly."""

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from textmill.artifacts import MissingArtifact, atomic, read_json, write_json
from textmill.models.ensemble import Ensemble

# A new family costs one file, one line here and one block under `model:` in params.yaml.
FAMILIES = {
    "transformer": "textmill.models.transformer:Transformer",
    "lstm": "textmill.models.lstm:Lstm",
    "text_cnn": "textmill.models.text_cnn:TextCnn",
    "bag_of_embeddings": "textmill.models.bag_of_embeddings:BagOfEmbeddings",
}


def family(name: str) -> Any:
    """The class of a family."""
    module, _, attribute = FAMILIES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def save_model(folder: Path, model: nn.Module, description: dict[str, Any]) -> None:
    """Write weights (safetensors) and `model.json`.

    Args:
        description: labels, max_length, truncated_share of the train documents (None: as in tokens.json), parent,
            hyperparameters and lineage; family and architecture are added.
    """
    from safetensors.torch import save_file

    with atomic(folder) as temporary:
        temporary.mkdir()
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, temporary / "model.safetensors")
        architecture = model.architecture()  # type: ignore[operator]
        made = {"family": model.family, "architecture": architecture}  # of a student, not its teacher's family
        write_json(temporary / "model.json", {**description, **made})


def load_model(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Rebuild a saved model on the CPU, in evaluation mode, and return it with its description.

    Raises:
        MissingArtifact: the folder is not there, as after a recipe whose last step works on ONNX.
    """
    from safetensors.torch import load_file

    description = read_json(folder / "model.json")
    model = _untrained(description)
    weights = folder / "model.safetensors"
    try:
        model.load_state_dict(load_file(weights), strict=True)
    except Exception as error:
        raise MissingArtifact(f"{weights} does not fit its model.json: {error}. `dvc repro` makes both anew.") from None
    return model.eval(), description


def read_shape(folder: Path) -> Any:
    """A saved model without its weights, which are not read: to ask what it is. Raises: MissingArtifact."""
    with torch.device("meta"):
        return _untrained(read_json(folder / "model.json"))


def _untrained(description: dict[str, Any]) -> Any:
    """One model of that shape, or an ensemble of them."""
    cls, architecture = family(description["family"]), description["architecture"]
    if "ensemble" in architecture:
        return Ensemble.from_architecture(architecture, cls.from_architecture)
    return cls.from_architecture(architecture)
