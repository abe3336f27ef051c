"""One valid step of every method, as params.yaml has it, for tiny models; a new method costs a line here."""

from typing import Any

from pydantic import TypeAdapter

from textmill.compression.recipes import Step
from textmill.config.steps import Step as StepSection

_TRAINED = {"epochs": 1, "learning_rate": 1.0e-3}
_BAG = {"family": "bag_of_embeddings", "embeddings": "own", "embedding_size": 8}
# Of a BERT; FAMILY_STEPS has what other families are told instead.
STEPS: dict[str, dict[str, Any]] = {
    "prune": {"importance": "taylor", "heads": 0.5, "feed_forward": 0.5, **_TRAINED},
    "distill": {"student": {"family": "transformer", "num_layers": 1}, "temperature": 2.0, "soft_weight": 0.5}
    | _TRAINED,
    "sparsify": {"zeros": 0.5, **_TRAINED},
    "train_quantized": {"per_channel": True, **_TRAINED},
    "trim_vocabulary": {"min_count": 2},
    "factorize_embeddings": {"rank": 8},
    "quantize": {"per_channel": True},
    "engine": {"name": "openvino", "precision": "float32"},
}
NOT_SMALLER = ("sparsify", "train_quantized", "engine")  # alone: zeros take the room that numbers do
FAMILY_STEPS: dict[tuple[str, str], dict[str, Any]] = {
    ("prune", "gpt2"): {"importance": "similarity", "layers": 0.5, **_TRAINED},
    ("prune", "lstm"): {"importance": "taylor", "hidden": 0.5, **_TRAINED},
    ("prune", "text_cnn"): {"importance": "magnitude", "filters": 0.5, **_TRAINED},
    ("prune", "bag_of_embeddings"): {"importance": "magnitude", "width": 0.25, **_TRAINED},
    **{
        ("distill", family): {"student": _BAG, "temperature": 2.0, "soft_weight": 0.5, **_TRAINED}
        for family in ("lstm", "text_cnn", "bag_of_embeddings")
    },
}


def written_step(method: str, family: str = "transformer", **changes: Any) -> dict[str, Any]:
    """As in params.yaml."""
    return {"method": method, **FAMILY_STEPS.get((method, family), STEPS[method]), **changes}


def step_of(written: dict[str, Any]) -> Step:
    """As a recipe takes it, past the schema."""
    section = TypeAdapter(StepSection).validate_python(written)
    return Step(section.method, section.model_dump(exclude={"method"}))
