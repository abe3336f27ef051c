"""The TF-IDF baseline as tokenizer.json and model.onnx, which the one runtime serves like any other bundle.

Shapes: B documents, T words of the longest, F features (n-grams), C classes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from textmill.baseline.tfidf import NORMALIZER, PRE_TOKENIZER, TfidfModel

# Neither can be a word of a text. They are no special tokens: a text that spells "[UNK]" means the word.
PAD, UNKNOWN = "[PAD]", "[UNK]"
PAD_ID, UNKNOWN_ID = 0, 1
_OPSET = 20
_IR_VERSION = 10


def export(model: TfidfModel, folder: Path) -> None:
    """Write tokenizer.json and model.onnx into `folder`, to be followed by `runtime.write_bundle`.

    The graph's probabilities equal scikit-learn's to 1e-5 (float32 against float64). An unknown word keeps
    its place as an id that is in no n-gram, so that its neighbours make no false bigram; so does padding.
    """
    vocabulary = _vocabulary(model)
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = NORMALIZER
    tokenizer.pre_tokenizer = PRE_TOKENIZER
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    graph = helper.make_graph(
        _nodes(model, vocabulary),
        "tfidf",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(model.labels)])],
        [numpy_helper.from_array(value, name) for name, value in _weights(model).items()],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="textmill")
    network.ir_version = _IR_VERSION
    onnx.checker.check_model(network)
    onnx.save(network, folder / "model.onnx")


def _vocabulary(model: TfidfModel) -> dict[str, int]:
    known = sorted({word for ngram in model.counter.vocabulary_ for word in ngram.split(" ")})
    return {PAD: PAD_ID, UNKNOWN: UNKNOWN_ID, **{word: UNKNOWN_ID + 1 + i for i, word in enumerate(known)}}


def _nodes(model: TfidfModel, vocabulary: dict[str, int]) -> list[onnx.NodeProto]:
    make = helper.make_node
    nodes = [
        make("TfIdfVectorizer", ["input_ids"], ["counts"], mode="TF", **_ngrams(model, vocabulary)),
        # Sublinear term frequency, 1 + log(count) or 0, written so that log never meets 0.
        make("Max", ["counts", "one"], ["counted"]),
        make("Log", ["counted"], ["log_counts"]),
        make("Min", ["counts", "one"], ["occurs"]),
        make("Add", ["occurs", "log_counts"], ["frequencies"]),
        make("Mul", ["frequencies", "idf"], ["weighted"]),
        make("LpNormalization", ["weighted"], ["features"], p=2, axis=-1),  # leaves a row of zeros as it is
    ]
    if len(model.labels) > 2:
        return [*nodes, make("Gemm", ["features", "coefficients", "intercepts"], ["logits"], transB=1)]
    # scikit-learn has one row for two classes.
    decision = make("Gemm", ["features", "coefficients", "intercepts"], ["decision"], transB=1)
    return [*nodes, decision, make("Mul", ["decision", "halves"], ["logits"])]


def _ngrams(model: TfidfModel, vocabulary: dict[str, int]) -> dict[str, Any]:
    """The attributes of TfIdfVectorizer: a pool of word ids, shorter n-grams first, and each n-gram's column."""
    longest = model.counter.ngram_range[1]
    pool: list[int] = []
    starts: list[int] = []
    columns: list[int] = []
    ngrams = [(ngram.split(" "), int(column)) for ngram, column in model.counter.vocabulary_.items()]
    for length in range(1, longest + 1):
        starts.append(len(pool))
        for ngram, column in sorted((pair for pair in ngrams if len(pair[0]) == length), key=lambda pair: pair[1]):
            pool.extend(vocabulary[word] for word in ngram)
            columns.append(column)
    return {
        "min_gram_length": 1,
        "max_gram_length": longest,
        "max_skip_count": 0,
        "ngram_counts": starts,
        "ngram_indexes": columns,
        "pool_int64s": pool,
    }


def _weights(model: TfidfModel) -> dict[str, np.ndarray]:
    weights = {
        "one": np.ones(1),
        "idf": model.weighting.idf_,  # [F]
        "coefficients": model.classifier.coef_,  # [C, F], or [1, F] for two classes
        "intercepts": model.classifier.intercept_,
    }
    if len(model.labels) == 2:
        weights["halves"] = np.array([-0.5, 0.5])
    return {name: value.astype(np.float32) for name, value in weights.items()}
