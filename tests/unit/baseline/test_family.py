"""The baseline as a bundle of each task, from documents to answers."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, f1_score, log_loss, r2_score

from tests.task_documents import documents_of
from textmill.baseline.family import write_baseline_bundle
from textmill.baseline.tfidf import Settings, count_ngrams
from textmill.bundle import read_manifest
from textmill.evaluation.thresholds import fit_thresholds
from textmill.runtime import Classifier
from textmill.tasks import split_labels

SETTINGS = {
    "max_ngram": 2,
    "max_features": 20000,
    "character_ngrams": [3, 4],
    "max_character_features": 20000,
    "regularisation": 10.0,
}
LINEAGE = {"key": "0" * 64}


def make(folder, task, **changes):
    documents = documents_of(task)
    train, validation = documents[:1500], documents[1500:2000]
    given = {"parent": None, "recipe": [], **changes}
    return write_baseline_bundle(folder, train, validation, SETTINGS, task, LINEAGE, **given), documents[2000:2500]


def test_one_label_is_calibrated(tmp_path):
    baseline, test = make(tmp_path / "models/bundle", "single_label")
    classifier = Classifier.load(tmp_path / "models/bundle")
    manifest = classifier.manifest
    assert (manifest["family"], manifest["task"]) == ("tfidf", "single_label")
    assert manifest["labels"] == ["negative", "positive"]
    assert manifest["temperature"] == baseline.temperature != 1.0
    texts = test["text"].tolist()
    probabilities_NC = classifier.predict_proba(texts)
    assert accuracy_score(test["label"], np.array(classifier.labels)[probabilities_NC.argmax(axis=1)]) > 0.6
    uncalibrated_NC = softmax(classifier.predict_logits(texts), axis=1)
    assert log_loss(test["label"], probabilities_NC) < log_loss(test["label"], uncalibrated_NC)


def test_several_labels_have_thresholds_that_fit_validation(tmp_path):
    _, test = make(tmp_path / "bundle", "multi_label")
    classifier = Classifier.load(tmp_path / "bundle")
    validation = documents_of("multi_label")[1500:2000]
    truth_NC, test_NC = (
        np.array([[label in split_labels(joined) for label in classifier.labels] for joined in split["label"]])
        for split in (validation, test)
    )
    expected = fit_thresholds(classifier.predict_proba(validation["text"].tolist()), truth_NC)
    assert classifier.thresholds is not None
    np.testing.assert_allclose(classifier.thresholds, expected, atol=1e-5)
    assert (classifier.thresholds != 0.5).any()
    answers = classifier.predict(test["text"].tolist())
    found_NC = np.array([[label in answer.labels for label in classifier.labels] for answer in answers])
    assert f1_score(test_NC, found_NC, average="macro") > 0.7  # 0.83 measured


def test_numbers_are_in_the_unit_of_the_data(tmp_path):
    baseline, test = make(tmp_path / "bundle", "regression", parent="trained", recipe=[])
    manifest = read_manifest(tmp_path / "bundle")
    assert (manifest["labels"], manifest["thresholds"], manifest["temperature"]) == ([], None, 1.0)
    assert manifest["parent"] == "trained"
    values_N = Classifier.load(tmp_path / "bundle").predict_values(test["text"].tolist())
    assert r2_score(test["label"].astype(float), values_N) > 0.1  # 0.18 measured
    np.testing.assert_allclose(
        values_N, baseline.model.truth.answers(baseline.model.logits(test["text"].tolist()), 1.0)[:, 0], rtol=1e-5
    )


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
def test_counts_that_are_given_and_a_second_run_make_the_same_bytes(task, tmp_path):
    texts = documents_of(task)["text"].tolist()[:1500]
    make(tmp_path / "first", task)
    make(tmp_path / "second", task, counts=count_ngrams(texts, Settings(**SETTINGS)))
    for file in ("model.onnx", "tokenizer.json", "bundle.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
