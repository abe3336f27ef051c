"""Words that speak for a label: those of a linear model, and a shortcut that was planted."""

import numpy as np
import pytest

from tests.corpora import movie_reviews
from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from textmill.diagnosis.class_words import find_class_words
from textmill.diagnosis.served import Served

SHORTCUT = "zqxshort"


def evidence_in(served, texts):
    return served.evidence([served.reader.read(text).windows for text in texts])


def words_of(folder, documents, task="single_label", number=10, **arguments):
    """Of a bundle that learned the first 2,000 documents, in those that follow."""
    served = Served(tiny_bundle(folder / "bundle", documents[:2000], task=task))
    texts = documents["text"][2000:3200].tolist()
    return served, find_class_words(served, texts, evidence_in(served, texts), number, seed=0, **arguments)


def test_a_planted_shortcut_comes_out_at_the_top(tmp_path):
    documents = movie_reviews()[:3000].copy()
    planted = (documents["label"] == "positive") & (np.arange(3000) % 3 == 0)
    documents.loc[planted, "text"] += f" {SHORTCUT.upper()}!"
    _, (words, unmeasured) = words_of(tmp_path, documents)
    assert words["positive"][0][0] == SHORTCUT
    assert SHORTCUT not in dict(words["negative"])
    assert unmeasured == 0
    assert words["positive"][0][1] > 2 * words["positive"][1][1]


def test_words_and_weights_are_those_of_the_model(tmp_path):
    served, (words, _) = words_of(tmp_path, movie_reviews())
    assert {"bad", "too"} <= dict(words["negative"]).keys()
    for word, weight in words["negative"]:
        alone, empty = evidence_in(served, [word, ""])[:, served.classifier.labels.index("negative")]
        if "'" not in word:
            assert weight == pytest.approx(alone - empty, rel=0.5)  # in a document it may occur twice
    weights = [weight for _, weight in words["negative"]]
    assert weights == sorted(weights, reverse=True)
    assert all(weight > 0 for weight in weights)
    assert len(weights) == 10


def test_rare_words_do_not_show(tmp_path):
    _, (words, _) = words_of(tmp_path, movie_reviews(), number=50)
    texts = movie_reviews()["text"][2000:3200].str.lower()
    assert all(texts.str.contains(word, regex=False).sum() >= 5 for pairs in words.values() for word, _ in pairs)


def test_several_labels_and_numbers_have_their_words(tmp_path):
    _, (words, _) = words_of(tmp_path / "several", documents_of("multi_label"), "multi_label")
    assert {"funny", "comedy"} <= dict(words["funny"]).keys()
    assert {"story", "plot"} <= dict(words["story"]).keys()
    _, (words, _) = words_of(tmp_path / "numbers", documents_of("regression"), "regression")
    assert words.keys() == {"higher", "lower"}
    assert {"funny", "comedy"} & dict(words["higher"]).keys()
    assert {"bad", "dull"} & dict(words["lower"]).keys()


def test_what_is_late_is_left_out_and_the_same_seed_gives_the_same(tmp_path):
    calls = []
    _, (words, unmeasured) = words_of(
        tmp_path / "late", movie_reviews(), is_late=lambda: len(calls) == 4, progress=calls.append
    )
    assert sum(map(len, words.values())) <= 4
    assert unmeasured == 56
    first, second = (words_of(tmp_path / name, movie_reviews())[1] for name in ("one", "two"))
    assert first == second


def test_few_documents_have_no_words(tmp_path):
    served = Served(tiny_bundle(tmp_path / "bundle", movie_reviews()[:500]))
    texts = ["unheard of", "quite another"]
    words, unmeasured = find_class_words(served, texts, evidence_in(served, texts), 5, seed=0)
    assert words == {"negative": [], "positive": []}
    assert unmeasured == 0
