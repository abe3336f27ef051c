"""A neural model that has learned from real documents, from texts to a calibrated bundle, in seconds."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from tokenizers import Tokenizer

from tests.tiny_bundle import TRUNCATE
from tests.tiny_language import train_tiny_tokenizer
from tests.tiny_model import HYPER, SETTINGS
from textmill.compression.recipes import run_recipe
from textmill.compression.recovery import Recovery
from textmill.data.tokens import Encoded, write_split
from textmill.models.folder import family, save_model
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit

MAX_LENGTH = 128


def real_bundle(
    folder: Path, train: pd.DataFrame, validation: pd.DataFrame, *, epochs: int, stop_early: bool, seed: int = 0
) -> Path:
    """A bag of embeddings whose temperature was fitted on `validation`, with the weights of its best epoch or its last.

    Of 8 epochs the last is far too sure of itself.
    """
    tokens = _write_tokens(folder / "tokens", train, validation)
    torch.manual_seed(seed)
    block = {"embeddings": "own", "embedding_size": 64}
    model = family("bag_of_embeddings").build(block, tokens=tokens, weights=tokens, pretrained=None, num_labels=2)
    data = TrainingData.open(tokens)
    settings = replace(SETTINGS, batch_size=32, epochs=epochs, patience=epochs, seed=seed)
    hyper = replace(HYPER, learning_rate=0.01, dropout=0.0)
    fit(model, data, settings, hyper, checkpoints=folder / "checkpoints" if stop_early else None)
    save_model(folder / "trained/torch", model, {"hyperparameters": {}})
    recovery = Recovery(data, settings, hyper, folder / "recovery")
    run_recipe([], folder / "trained", folder / "full", recovery, {"key": "0" * 64})
    return folder / "full/bundle"


def _write_tokens(folder: Path, train: pd.DataFrame, validation: pd.DataFrame) -> Path:
    folder.mkdir(parents=True)
    tokenizer = train_tiny_tokenizer(vocabulary_size=3000)
    tokenizer.save(str(folder / "tokenizer.json"))
    labels = sorted(train["label"].unique())
    cutting = Tokenizer.from_str(tokenizer.to_str())
    cutting.enable_truncation(MAX_LENGTH)
    for name, split in (("train", train), ("validation", validation)):
        documents = [encoding.ids for encoding in cutting.encode_batch(split["text"].tolist())]
        codes = split["label"].map(labels.index).to_numpy(dtype="uint32")
        write_split(folder, name, [(Encoded.join(documents), codes)], tokenizer.get_vocab_size())
    meta = {
        "task": "single_label",
        "labels": labels,
        "target": None,
        "pad_id": tokenizer.token_to_id("[PAD]"),
        "max_length": MAX_LENGTH,
        "long_documents": TRUNCATE,
        "vocabulary_size": tokenizer.get_vocab_size(),
        "tokenizer": {"kind": "trained"},
    }
    (folder / "tokens.json").write_text(json.dumps(meta))
    return folder
