import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import movie_reviews
from tests.task_documents import documents_of
from tests.tiny_bundle import TRUNCATE, tiny_bundle
from textmill import runtime
from textmill.baseline import tfidf
from textmill.baseline.export import PAD_ID, export
from textmill.baseline.truth import Truth
from textmill.bundle import read_manifest, write_bundle
from textmill.runtime import Classifier

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


@given(st.lists(st.integers(0, 3000), max_size=60), st.integers(1, 40))
def test_batches_hold_every_window_once_and_are_as_large_as_they_may_be(lengths, batch_size):
    batches = [[lengths[i] for i in batch] for batch in runtime.batches_of(lengths, batch_size)]
    assert sorted(lengths) == [length for batch in batches for length in batch]
    assert sorted(i for batch in runtime.batches_of(lengths, batch_size) for i in batch) == [*range(len(lengths))]
    for batch, following in pairwise([*batches, [1e9]]):
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or len(batch) * max(batch) <= 2048
        assert len(batch) == batch_size or (len(batch) + 1) * following[0] > 2048


def test_no_text_and_empty_texts(bundle):
    classifier = Classifier.load(bundle)
    assert classifier.predict([]) == []
    assert classifier.predict_logits([]).shape == (0, 2)
    assert classifier.predict_logits([]).dtype == np.float32
    nothing, spaces, review = classifier.predict(["", "  \n", TEXTS[0]])
    assert nothing == spaces != review
    with pytest.raises(TypeError, match="list of texts"):
        classifier.predict("one text")


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
