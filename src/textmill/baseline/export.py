"""The TF-IDF baseline as tokenizer.json and model.onnx, which the one runtime serves like any other bundle.

Without n-grams of characters a token is a word. With them a token is a character, for a bundle has one tokenizer, and
a word is found as the n-gram of its characters between two spaces: `film` is ▁film▁, `a film` is ▁a▁film▁.

Shapes: B documents, T tokens of the longest, F features (n-grams), C outputs.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.feature_extraction.text import CountVectorizer
from tokenizers import Regex, Tokenizer, normalizers, processors
from tokenizers.models import BPE, WordLevel

from textmill.baseline.linear import HALVES
from textmill.baseline.tfidf import NORMALIZER, PRE_TOKENIZER, SPACE, TfidfModel

# Neither can be a word or a character of a text. They are no special tokens: a text that spells "[UNK]" means the word.
PAD, UNKNOWN = "[PAD]", "[UNK]"
PAD_ID, UNKNOWN_ID = 0, 1
# Stands for all that is between two words, and at both ends of a text; it is part of no word.
BOUNDARY = "▁"
# A document is read whole, however long it is.
READS_ALL = {"strategy": "truncate", "head_share": 0.0, "overlap": 0, "max_windows": 1}
_OPSET = 20
_IR_VERSION = 10


def export(model: TfidfModel, folder: Path) -> None:
    """Write tokenizer.json and model.onnx into `folder`, to be followed by `write_bundle`.

    The graph's probabilities equal scikit-learn's to 1e-5 (float32 against float64). An unknown word or character
    keeps its place as an id that is in no n-gram, so that its neighbours make no false one; so does padding.
    """
    spelled = len(model.counters) == 2  # tokens are characters
    ngrams = [_spell(counter, spelled, position == 0) for position, counter in enumerate(model.counters)]
    found = {token for spellings in ngrams for tokens in spellings for token in tokens}
    known = sorted(found | {BOUNDARY} if spelled else found)
    vocabulary = {PAD: PAD_ID, UNKNOWN: UNKNOWN_ID, **{token: UNKNOWN_ID + 1 + i for i, token in enumerate(known)}}
    tokenizer = _character_tokenizer(vocabulary) if spelled else _word_tokenizer(vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    graph = helper.make_graph(
        _nodes(model, [[[vocabulary[token] for token in tokens] for tokens in spellings] for spellings in ngrams]),
        "tfidf",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", model.truth.num_outputs])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in _weights(model).items()],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="textmill")
    network.ir_version = _IR_VERSION
    onnx.checker.check_model(network)
    onnx.save(network, folder / "model.onnx")


def _spell(counter: CountVectorizer, in_characters: bool, of_words: bool) -> list[list[str]]:
    """The tokens of each n-gram, in the order of its columns."""
    ngrams = sorted(counter.vocabulary_, key=counter.vocabulary_.__getitem__)
    if not in_characters:
        return [ngram.split(SPACE) for ngram in ngrams]
    bounded = [f"{SPACE}{ngram}{SPACE}" if of_words else ngram for ngram in ngrams]
    return [list(ngram.replace(SPACE, BOUNDARY)) for ngram in bounded]


def _word_tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = NORMALIZER
    tokenizer.pre_tokenizer = PRE_TOKENIZER
    return tokenizer


def _character_tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    """A token a character: byte-pair encoding that has learned no pair."""
    tokenizer = Tokenizer(BPE(vocabulary, merges=[], unk_token=UNKNOWN, fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence([NORMALIZER, normalizers.Replace(Regex(r"\W+"), BOUNDARY)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOUNDARY} $A {BOUNDARY}", special_tokens=[(BOUNDARY, vocabulary[BOUNDARY])]
    )
    return tokenizer


def _nodes(model: TfidfModel, ngrams: list[list[list[int]]]) -> list[onnx.NodeProto]:
    make = helper.make_node
    nodes = [node for kind, ids in enumerate(ngrams) for node in _feature_nodes(f"{kind}", ids)]
    parts = [f"features_{kind}" for kind in range(len(ngrams))]
    nodes.append(make("Concat", parts, ["features"], axis=1))
    if not model.linear.has_two_classes:
        return [*nodes, make("Gemm", ["features", "coefficients", "intercepts"], ["logits"], transB=1)]
    # One row of coefficients for two classes.
    decision = make("Gemm", ["features", "coefficients", "intercepts"], ["decision"], transB=1)
    return [*nodes, decision, make("Mul", ["decision", "halves"], ["logits"])]


def _feature_nodes(kind: str, ngrams: list[list[int]]) -> list[onnx.NodeProto]:
    """TF-IDF of one kind of n-grams: features_KIND, rows of unit length."""

    def make(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [f"{output}_{kind}"], **attributes)

    return [
        make("TfIdfVectorizer", ["input_ids"], "counts", mode="TF", **_pool(ngrams)),
        # Sublinear term frequency, 1 + log(count) or 0, written so that log never meets 0.
        make("Max", [f"counts_{kind}", "one"], "counted"),
        make("Log", [f"counted_{kind}"], "log_counts"),
        make("Min", [f"counts_{kind}", "one"], "occurs"),
        make("Add", [f"occurs_{kind}", f"log_counts_{kind}"], "frequencies"),
        make("Mul", [f"frequencies_{kind}", f"idf_{kind}"], "weighted"),
        make("LpNormalization", [f"weighted_{kind}"], "features", p=2, axis=-1),  # leaves a row of zeros as it is
    ]


def _pool(ngrams: list[list[int]]) -> dict[str, Any]:
    """The attributes of TfIdfVectorizer: the ids of all n-grams, shorter ones first, and each one's column."""
    by_length = sorted(range(len(ngrams)), key=lambda column: len(ngrams[column]))  # stable: then by column
    lengths = [len(ngrams[column]) for column in by_length]
    longest = lengths[-1]
    ends = np.cumsum(np.bincount(lengths, minlength=longest + 1) * np.arange(longest + 1))
    return {
        "min_gram_length": 1,
        "max_gram_length": longest,
        "max_skip_count": 0,
        "ngram_counts": ends[:-1].tolist(),  # where the n-grams of each length begin
        "ngram_indexes": by_length,
        "pool_int64s": [token for column in by_length for token in ngrams[column]],
    }


def _weights(model: TfidfModel) -> dict[str, np.ndarray]:
    weights = {
        "one": np.ones(1),
        "coefficients": model.linear.coefficients,  # [C, F], or [1, F] for two classes
        "intercepts": model.linear.intercepts,
        **{f"idf_{kind}": weighting.idf_ for kind, weighting in enumerate(model.weightings)},
    }
    if model.linear.has_two_classes:
        weights["halves"] = HALVES
    return weights
