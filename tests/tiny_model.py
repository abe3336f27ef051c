"""A BERT of two layers with random weights, and token arrays that it can learn in seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textmill.data.tokens import Encoded, write_split
from textmill.models.transformer import Transformer
from textmill.training.fit import Settings
from textmill.training.lit_module import Hyperparameters

VOCABULARY = 50
META = {
    "task": "single_label",
    "labels": ["no", "yes"],
    "target": None,
    "pad_id": 0,
    "max_length": 32,
    "long_documents": {"strategy": "truncate", "head_share": 0.25, "overlap": 0, "max_windows": 1},
}
HYPER = Hyperparameters(learning_rate=5e-3, weight_decay=0.01, warmup_fraction=0.1, dropout=0.1)
SETTINGS = Settings(
    batch_size=16, precision="32-true", schedule="linear", gradient_clip=1.0, epochs=3, patience=3, seed=7
)


def tiny_transformer(num_labels: int = 2, num_layers: int = 2, **config: Any) -> Transformer:
    values = {
        "model_type": "bert",
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": num_layers,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        **config,
    }
    torch.manual_seed(0)
    return Transformer.from_architecture({"config": values, "num_labels": num_labels, "pooling": "mean"})


def outspoken(model: Transformer) -> Transformer:
    """Make random weights as large as trained ones, in evaluation mode, so that differences show in the logits."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0 if parameter.ndim > 1 else 1.0)
    return model.eval()


def write_tokens(folder: Path, num_train: int = 160, num_validation: int = 64) -> Path:
    """Documents of 3 to 20 tokens; the class is which of the tokens 10 and 11 a document holds."""
    generator = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    for split, size in (("train", num_train), ("validation", num_validation)):
        labels = np.arange(size) % 2
        documents = []
        for label in labels:
            words = generator.integers(12, VOCABULARY, generator.integers(2, 20))
            words[generator.integers(len(words))] = 10 + label
            documents.append([2, *words.tolist()])
        write_split(folder, split, [(Encoded.join(documents), labels.astype(np.uint32))], VOCABULARY)
    (folder / "tokens.json").write_text(json.dumps(META))
    return folder
