"""Diagnosis of tiny real bundles at the edges: perfect models, many classes, few documents, absent classes."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from tests.corpora import movie_reviews
from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from textmill.diagnosis.report import Material, Settings, diagnose
from textmill.evaluation.answers import output_of, write_answers
from textmill.runtime import Classifier

SETTINGS = Settings(
    documents=5, neighbours=2, words_per_class=4, max_seconds=60.0, confidence=0.95, num_resamples=100, seed=1
)


def answers_of(bundle, test):
    """predictions.parquet of a bundle."""
    classifier = Classifier.load(bundle)
    outputs = output_of(classifier)(test["text"].tolist(), 1)
    probabilities = {f"p{i}": outputs[:, i] for i in range(len(classifier.labels))}
    table = test[["id", "cluster", "label"]].reset_index(drop=True)
    return table.assign(predicted=write_answers(classifier, outputs), **probabilities), classifier.labels


def material(folder, train, test, *, task="single_label"):
    """A chosen model that learned `train`, and a baseline that did so with noise."""
    bundle = tiny_bundle(folder / "full", train, task=task)
    answers, _ = answers_of(bundle, test)
    beside, labels = answers_of(tiny_bundle(folder / "baseline", train, task=task, noise=1.0), test)
    tables = {"full": answers, "baseline": beside}
    return Material(
        "full", bundle, None, tables, "baseline", labels, {"full": "trained"}, test, [train], set(train["id"][:50])
    )


def with_labels(documents, number):
    """As many classes as asked for, each with its own word."""
    labels = pd.Series([f"class {i % number:02}" for i in range(len(documents))], documents.index, "str")
    return documents.assign(label=labels, text=documents["text"] + " " + labels.str.replace("class ", "zq"))


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
def test_the_same_inputs_give_the_same_bytes(task, tmp_path):
    documents = documents_of(task)
    given = material(tmp_path, documents[:800], documents[800:950], task=task)
    first, second = (json.dumps(diagnose(given, SETTINGS), allow_nan=False) for _ in range(2))
    assert first == second


def test_two_and_fifty_classes_and_thirty_documents(tmp_path):
    documents = with_labels(movie_reviews(), 52)
    found = diagnose(material(tmp_path, documents[:2000], documents[2000:2030]), SETTINGS)
    assert found["num_mistakes"] == len(found["mistakes"]) > 0
    assert len(found["words_per_class"]) == 52
    assert sum(pair["count"] for pair in found["confusion_pairs"]) == found["num_mistakes"]
    json.dumps(found, allow_nan=False)


def test_a_perfect_model_has_nothing_to_explain(tmp_path):
    documents = movie_reviews()
    given = material(tmp_path, documents[:800], documents[800:900])
    answers = {name: table.assign(label=given.answers["full"]["predicted"]) for name, table in given.answers.items()}
    found = diagnose(replace(given, answers=answers), SETTINGS)
    assert (found["num_mistakes"], found["mistakes"], found["confusion_pairs"]) == (0, [], [])
    assert (found["faithfulness"], found["left_out"]) == ([], [])
    assert found["flips"][0]["num_broken"] == 0
    assert all(found["words_per_class"].values())


def test_a_document_without_a_word_is_a_mistake_without_an_explanation(tmp_path):
    documents = movie_reviews()
    test = documents[800:830].copy()
    test["text"] = "!!!"
    test["label"] = "positive"
    given = material(tmp_path, documents[:800], test)
    wrong = "negative" if (given.answers["full"]["predicted"] == "positive").all() else "positive"
    answers = {name: table.assign(label=wrong) for name, table in given.answers.items()}
    found = diagnose(replace(given, answers=answers), SETTINGS)
    assert found["num_mistakes"] == 30
    assert all(mistake["explanation"] is None and mistake["neighbours"] == [] for mistake in found["mistakes"])
    assert found["words_per_class"] == {"negative": [], "positive": []}
