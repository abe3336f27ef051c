"""Occlusion of sums of word weights gives the weights."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from scipy.special import logit

from tests.corpora import bbc_news, movie_reviews
from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from textmill.baseline.family import write_baseline_bundle
from textmill.diagnosis.occlusion import Occlusion
from textmill.diagnosis.served import Decision, Served, evidence_of

TEXT = "A charming comedy with a dull plot, and charming actors!"


def served_and_weights(folder, documents, task="single_label"):
    """The bundle, and the weights [V, C] that its graph adds up."""
    bundle = tiny_bundle(folder / "bundle", documents, task=task)
    graph = onnx.load(bundle / "model.onnx").graph
    return Served(bundle), numpy_helper.to_array(graph.initializer[0]).astype(np.float64)


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
def test_the_weights_of_a_linear_model_come_out(task, tmp_path):
    """Of two classes the log-odds are the difference of the logits; a number is scaled by its deviation."""
    served, weights_VC = served_and_weights(tmp_path, documents_of(task)[:1000], task)
    reading = served.reader.read(TEXT)
    evidence_VC = {
        "single_label": weights_VC - weights_VC[:, ::-1],
        "multi_label": weights_VC,
        "regression": weights_VC * served.std,
    }[task]
    for output in range(weights_VC.shape[1]):
        found = Occlusion(served).attribute(reading, Decision(output, 1))
        (ids_T,), (words_T,) = reading.windows, reading.words
        expected_K = np.bincount(words_T, evidence_VC[ids_T, output])
        np.testing.assert_allclose(found.weights_G, expected_K, atol=1e-4)
        assert found.group_K.tolist() == list(range(len(reading.spans)))


def test_of_several_classes_it_is_the_log_odds_that_fall(tmp_path):
    served, weights_VC = served_and_weights(tmp_path, bbc_news()[:800])
    reading = served.reader.read("The minister said the film would raise taxes.")
    found = Occlusion(served).attribute(reading, Decision(2, 1))
    ids_T = reading.windows[0]
    for word in range(len(reading.spans)):
        without_T = ids_T[reading.words[0] != word]
        logits_2C = np.stack([weights_VC[ids_T].sum(axis=0), weights_VC[without_T].sum(axis=0)])
        shares_2C = np.exp(logits_2C - logits_2C.max(axis=1, keepdims=True))
        shares_2C /= shares_2C.sum(axis=1, keepdims=True)
        odds_2 = np.log(shares_2C[:, 2] / (1 - shares_2C[:, 2]))
        assert found.weights_G[word] == pytest.approx(odds_2[0] - odds_2[1], abs=1e-3)


def test_evidence_does_not_saturate():
    logits_NC = np.array([[100.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    evidence_NC = evidence_of(logits_NC, "single_label")
    np.testing.assert_allclose(evidence_NC[0], [100 - np.log(2), -100, -100])
    np.testing.assert_allclose(evidence_NC[1], -np.log(2))


def test_words_of_a_long_document_are_left_out_several_at_a_time(tmp_path):
    documents = bbc_news()[:100]
    bundle = tiny_bundle(tmp_path / "bundle", documents, max_length=300)
    served = Served(bundle)
    text = max(documents["text"], key=len)
    reading = served.reader.read(text)
    found = Occlusion(served).attribute(reading, Decision(0, 1))
    assert len(reading.spans) > 200
    assert len(found.weights_G) == 64
    sizes = np.bincount(found.group_K)
    assert sizes.max() - sizes.min() <= 1
    spans = found.spans(reading)
    assert sorted(start for start, _, _ in spans)[0] == reading.spans[0][0]
    assert max(end for _, end, _ in spans) == reading.spans[-1][1]
    assert [abs(weight) for *_, weight in spans] == sorted((abs(weight) for *_, weight in spans), reverse=True)


def test_repeated_words_weigh_alike_and_offsets_point_at_them(tmp_path):
    served, _ = served_and_weights(tmp_path, documents_of("single_label")[:1000])
    reading = served.reader.read(TEXT)
    spans = Occlusion(served).attribute(reading, Decision(1, 1)).spans(reading)
    charming = [weight for start, end, weight in spans if TEXT[start:end] == "charming"]
    assert len(charming) == 2
    assert charming[0] == pytest.approx(charming[1])
    assert charming[0] > 0
    assert next(weight for start, end, weight in spans if TEXT[start:end] == "dull") < 0


@pytest.mark.parametrize("character_ngrams", [None, (2, 4)], ids=["words", "characters"])
def test_a_word_of_the_baseline_is_left_out_as_if_it_had_never_stood_there(character_ngrams, tmp_path):
    """Its tokens may be characters, and what is between words is a token then."""
    documents = movie_reviews()
    settings = {"max_ngram": 2, "max_features": 5000, "character_ngrams": character_ngrams}
    settings |= {"max_character_features": 5000, "regularisation": 10.0}
    write_baseline_bundle(
        tmp_path, documents[:600], documents[600:700], settings, "single_label", {"key": "k"}, parent=None, recipe=[]
    )
    served = Served(tmp_path)
    texts = [TEXT, *(" ".join(text.split()) for text in documents["text"][700:705])]
    for text in texts:
        reading = served.reader.read(text)
        found = Occlusion(served).attribute(reading, Decision(1, 1))
        whole = served.classifier.predict_proba([text])[0, 1]
        for (start, end), weight in zip(reading.spans, found.weights_G, strict=True):
            without = served.classifier.predict_proba([text[:start] + " " + text[end:]])[0, 1]
            assert weight == pytest.approx(logit(whole) - logit(without), abs=1e-4)
