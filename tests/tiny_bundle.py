"""Real bundles of every task in milliseconds: word weights summed in ONNX, learned from real documents.

Their quality is set by `noise`, so that a test can make a model that is deliberately worse.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from textmill.bundle import write_bundle
from textmill.tasks import split_labels

TRUNCATE = {"strategy": "truncate", "head_share": 0.25, "overlap": 16, "max_windows": 8}


def tiny_bundle(
    folder: Path,
    train: pd.DataFrame,
    *,
    task: str = "single_label",
    noise: float = 0.0,
    seed: int = 0,
    recipe: str = "full",
    max_length: int = 64,
    long_documents: dict[str, Any] = TRUNCATE,
) -> Path:
    """Write a bundle that knows the words of `train`; `noise` is the standard deviation added to their weights."""
    folder.mkdir(parents=True)
    tokenizer, labels, target, weights_VC = _fit(tuple(train["text"]), tuple(train["label"]), task)
    tokenizer.save(str(folder / "tokenizer.json"))
    weights_VC = weights_VC + (np.random.default_rng(seed).normal(0, noise, weights_VC.shape) if noise else 0.0)
    weights_VC[0] = 0.0  # padding
    onnx.save(_graph(weights_VC.astype(np.float32)), folder / "model.onnx")
    write_bundle(
        folder,
        family="tiny",
        task=task,
        thresholds=[0.5] * len(labels) if task == "multi_label" else None,
        target=target,
        long_documents=long_documents,
        labels=labels,
        max_length=max_length,
        pad_id=0,
        temperature=1.0,
        recipe=[],
        parent=None if recipe == "full" else "full",
        lineage={"key": f"{abs(hash((noise, seed))):064x}"[:64], "stage": "tiny"},
    )
    return folder


@cache
def _fit(
    texts: tuple[str, ...], labels: tuple[str, ...], task: str
) -> tuple[Tokenizer, list[str], dict[str, float] | None, np.ndarray]:
    """Tokenizer, labels, target and weights [V, C]: the same for every model of these documents."""
    tokenizer = _tokenizer(pd.Series(texts))
    names, target, truth_NC = _truth(pd.Series(labels), task)
    return tokenizer, names, target, _learn(_occurrences(tokenizer, pd.Series(texts)), truth_NC, task)


def _truth(column: pd.Series, task: str) -> tuple[list[str], dict[str, float] | None, np.ndarray]:
    """Labels, target, and what is learned: ones and zeros [N, C], or standardised numbers [N, 1]."""
    if task == "regression":
        values_N = column.astype(float).to_numpy()
        target = {"mean": float(values_N.mean()), "std": float(values_N.std())}
        return [], target, ((values_N - target["mean"]) / target["std"])[:, None]
    given = [split_labels(label) if task == "multi_label" else [label] for label in column]
    labels = sorted(set().union(*given))
    return labels, None, np.array([[label in own for label in labels] for own in given], float)


def _tokenizer(texts: pd.Series) -> Tokenizer:
    words = texts.str.lower().str.findall(r"\w+").explode().value_counts().head(5000).index
    vocabulary = {"[PAD]": 0, "[UNK]": 1} | {str(word): i + 2 for i, word in enumerate(sorted(words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _occurrences(tokenizer: Tokenizer, texts: pd.Series) -> np.ndarray:
    """1 where a document has a word [N, V]."""
    occurs_NV = np.zeros((len(texts), tokenizer.get_vocab_size()), np.float32)
    for row, text in zip(occurs_NV, texts, strict=True):
        row[np.unique(tokenizer.encode(text).ids)] = 1
    return occurs_NV


def _learn(occurs_NV: np.ndarray, truth_NC: np.ndarray, task: str) -> np.ndarray:
    """Weights [V, C]: naive Bayes, of each label against the others; of numbers, the mean of a word's documents."""
    if task == "regression":
        return occurs_NV.T @ truth_NC / (occurs_NV.sum(axis=0)[:, None] + 5) / 5
    log_VC = _log_frequency(occurs_NV.T @ truth_NC)
    if task == "single_label":
        return log_VC - log_VC.mean(axis=1, keepdims=True)
    return log_VC - _log_frequency(occurs_NV.T @ (1 - truth_NC))


def _log_frequency(counts_VC: np.ndarray) -> np.ndarray:
    return np.log((1 + counts_VC) / (1 + counts_VC).sum(axis=0))


def _graph(weights_VC: np.ndarray) -> onnx.ModelProto:
    num_outputs = weights_VC.shape[1]
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["words"], axis=0),
        helper.make_node("ReduceSum", ["words", "time"], ["logits"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["B", "T"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", num_outputs])],
        [numpy_helper.from_array(weights_VC, "weights"), numpy_helper.from_array(np.array([1], np.int64), "time")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
