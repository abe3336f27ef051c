"""Real bundles in milliseconds: a word-level Naive Bayes in ONNX, learned from real documents.

Its quality is set by `noise`, so that a test can make a model that is deliberately worse.
"""

from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from textmill.runtime import write_bundle


def tiny_bundle(folder: Path, train: pd.DataFrame, *, noise: float = 0.0, seed: int = 0, recipe: str = "full") -> Path:
    """Write a bundle that knows the words of `train`; `noise` is the standard deviation added to the log-odds."""
    folder.mkdir(parents=True)
    labels = sorted(train["label"].unique())
    tokenizer = _tokenizer(train["text"])
    tokenizer.save(str(folder / "tokenizer.json"))
    weights_VC = _naive_bayes(tokenizer, train, labels)
    weights_VC += np.random.default_rng(seed).normal(0, noise, weights_VC.shape) if noise else 0.0
    weights_VC[0] = 0.0  # padding
    onnx.save(_graph(weights_VC.astype(np.float32)), folder / "model.onnx")
    write_bundle(
        folder,
        family="tiny",
        task="single_label",
        thresholds=None,
        target=None,
        long_documents={"strategy": "truncate"},
        labels=labels,
        max_length=64,
        pad_id=0,
        temperature=1.0,
        recipe=[],
        parent=None if recipe == "full" else "full",
        lineage={"key": f"{abs(hash((noise, seed))):064x}"[:64], "stage": "tiny"},
    )
    return folder


def _tokenizer(texts: pd.Series) -> Tokenizer:
    words = texts.str.lower().str.findall(r"\w+").explode().value_counts().head(5000).index
    vocabulary = {"[PAD]": 0, "[UNK]": 1} | {str(word): i + 2 for i, word in enumerate(sorted(words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _naive_bayes(tokenizer: Tokenizer, train: pd.DataFrame, labels: list[str]) -> np.ndarray:
    counts_VC = np.ones((tokenizer.get_vocab_size(), len(labels)))
    for text, label in zip(train["text"], train["label"], strict=True):
        counts_VC[np.unique(tokenizer.encode(text).ids), labels.index(label)] += 1
    log_VC = np.log(counts_VC / counts_VC.sum(axis=0))
    return log_VC - log_VC.mean(axis=1, keepdims=True)


def _graph(weights_VC: np.ndarray) -> onnx.ModelProto:
    num_classes = weights_VC.shape[1]
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["words"], axis=0),
        helper.make_node("ReduceSum", ["words", "time"], ["logits"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["B", "T"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", num_classes])],
        [numpy_helper.from_array(weights_VC, "weights"), numpy_helper.from_array(np.array([1], np.int64), "time")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
