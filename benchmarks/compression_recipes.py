"""The variants of bench_compression: recipes on the full model, their settings chosen on the validation split."""

from typing import Any, NamedTuple

from textmill.config.compression import Recipe

INT8 = {"method": "quantize", "arithmetic": "dynamic_int8", "per_channel": True}
TRIM = {"method": "trim_vocabulary", "min_count": 2, "drop_characters": True}


class Chosen(NamedTuple):
    """What was chosen for a dataset: of the vocabulary, of transformers, of the bag of embeddings, of the text_cnn."""

    max_tokens: int | None
    epochs: int
    bag: dict[str, float]
    cnn: dict[str, float]


CHOSEN = {
    "bbc-news": Chosen(
        max_tokens=None,
        epochs=3,
        bag={"temperature": 2.0, "soft_weight": 0.9, "epochs": 10, "learning_rate": 2.0e-2},
        cnn={"temperature": 2.0, "soft_weight": 0.9, "epochs": 10, "learning_rate": 2.0e-3},
    ),
    "reuters-r8": Chosen(
        max_tokens=None,
        epochs=3,
        bag={"temperature": 4.0, "soft_weight": 0.9, "epochs": 15, "learning_rate": 1.0e-2},
        cnn={"temperature": 4.0, "soft_weight": 0.9, "epochs": 10, "learning_rate": 2.0e-3},
    ),
    "20-newsgroups": Chosen(
        max_tokens=10000,
        epochs=2,
        bag={"temperature": 2.0, "soft_weight": 0.9, "epochs": 8, "learning_rate": 1.0e-2},
        cnn={"temperature": 2.0, "soft_weight": 0.9, "epochs": 8, "learning_rate": 2.0e-3},
    ),
}
DATASETS = tuple(CHOSEN)


def recipes_of(data: str) -> dict[str, Recipe]:
    """Recipes by name, of a dataset; each starts from `full` or from another one of them."""
    chosen = CHOSEN[data]
    pruning = {"importance": "taylor", "layers": 0.3334, "heads": 0.4, "feed_forward": 0.6}
    teaching = {"temperature": 2.0, "soft_weight": 0.7, "epochs": chosen.epochs, "learning_rate": 2.0e-4}
    two_layers = {"family": "transformer", "num_layers": 2}
    embeddings = {"embeddings": "teacher", "embedding_size": 128}
    bag = {"family": "bag_of_embeddings", **embeddings}
    cnn = {"family": "text_cnn", **embeddings, "widths": [2, 3], "num_filters": 64}
    found: dict[str, dict[str, Any]] = {
        "int8": {"from": "full", "steps": [INT8]},
        "pruned": {
            "from": "full",
            "steps": [{"method": "prune", **pruning, "epochs": chosen.epochs, "learning_rate": 2.0e-4}],
        },
        "trimmed": {"from": "full", "steps": [{**TRIM, "max_tokens": chosen.max_tokens}]},
        "two-layers-int8": {
            "from": "trimmed",
            "steps": [{"method": "distill", "student": two_layers, **teaching}, INT8],
        },
        "bag": {"from": "trimmed", "steps": [{"method": "distill", "student": bag, **chosen.bag}]},
        "bag-int8": {"from": "bag", "steps": [INT8]},
        "cnn-int8": {"from": "trimmed", "steps": [{"method": "distill", "student": cnn, **chosen.cnn}, INT8]},
    }
    return {name: Recipe(**recipe) for name, recipe in found.items()}
