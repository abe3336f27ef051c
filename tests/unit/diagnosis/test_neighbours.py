"""Nearest train documents, against scikit-learn's vectorizer and neighbours."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from tests.corpora import bbc_news
from textmill.diagnosis import neighbours
from textmill.diagnosis.neighbours import find_neighbours


def batches(documents, size):
    return (documents[start : start + size] for start in range(0, len(documents), size))


def test_they_are_those_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(neighbours, "_MOST_PAIRS", 20 * 64)
    documents = bbc_news()[["id", "text", "label"]]
    train, queries = documents[:500].reset_index(drop=True), documents["text"][500:520].tolist()
    found = find_neighbours(queries, batches(train, 150), 3)
    vectorizer = TfidfVectorizer(token_pattern=r"[^\W]+", sublinear_tf=True)
    fitted = vectorizer.fit_transform(train["text"].str[:4000])
    nearest = NearestNeighbors(n_neighbors=3, metric="cosine").fit(fitted)
    distances, places = nearest.kneighbors(vectorizer.transform([text[:4000] for text in queries]))
    # Some of the thousands of words share a column.
    similar = np.array([[near.similarity for near in row] for row in found])
    np.testing.assert_allclose(similar, 1 - distances, atol=0.02)
    same = [[near.id for near in row] == train["id"][place].tolist() for row, place in zip(found, places, strict=True)]
    assert np.mean(same) > 0.8
    assert all(near.label == train.set_index("id")["label"][near.id] for row in found for near in row)


def test_a_copy_is_found_and_is_entirely_alike():
    train = pd.DataFrame({"id": ["a", "b", "c"], "text": ["one two", "three Four four", ""], "label": ["x", "y", "x"]})
    ((nearest, *others),) = find_neighbours(["four three FOUR"], [train], 2)
    assert (nearest.id, nearest.label) == ("b", "y")
    assert nearest.similarity == pytest.approx(1.0, abs=1e-4)
    assert others == []  # what shares no word is no neighbour


def test_many_documents_take_no_more_memory():
    train = pd.DataFrame({"id": map(str, range(4000)), "text": "one two", "label": "x"})
    tracemalloc.start()
    found = find_neighbours(["two"] * 1000, [train], 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [near.id for (near,) in found] == ["0"] * 1000
    assert peak < 60_000_000


@pytest.mark.parametrize(("texts", "number"), [([], 3), (["four"], 0)])
def test_nothing_asked_is_nothing_found(texts, number):
    train = pd.DataFrame({"id": ["a"], "text": ["four"], "label": ["x"]})
    assert find_neighbours(texts, [train], number) == [[]] * len(texts)


def test_scripts_without_spaces_have_words_too():
    train = pd.DataFrame({"id": ["a", "b"], "text": ["我喜欢看电影", "今天天气很好"], "label": ["x", "y"]})
    assert find_neighbours(["他喜欢电影"], [train], 1)[0][0].id == "a"
