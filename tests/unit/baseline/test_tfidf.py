from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline

from tests.corpora import bbc_news, movie_reviews
from textmill.baseline.export import PAD_ID, export
from textmill.baseline.tfidf import TfidfModel, UnfitForBaseline, fit, out_of_fold, words
from textmill.runtime import Classifier, write_bundle

SETTINGS = {"max_ngram": 2, "max_features": 20000, "regularisation": 10.0}
STRANGE = [
    "",
    "!?",
    "zzqx unheard wwvv",
    "İstanbul É e\u0301 straße ΣΑΣ \uff15 ² Ⅷ snake_case 電影 good電影 ไทย नमस्ते",
    "[UNK] [PAD] unk pad",
    "a\u00a0film\u200bof\tthe\r\nyear",
    "film " * 500,
]


def learn(train: pd.DataFrame, **settings: float) -> TfidfModel:
    return fit(train["text"].tolist(), train["label"].tolist(), **{**SETTINGS, **settings})


def load(model: TfidfModel, folder: Path) -> Classifier:
    export(model, folder)
    write_bundle(
        folder,
        family="tfidf",
        task="single_label",
        thresholds=None,
        target=None,
        long_documents={"strategy": "truncate"},
        labels=model.labels,
        max_length=None,
        pad_id=PAD_ID,
        temperature=1.0,
        recipe=[],
        parent=None,
        lineage={"key": "0" * 64},
    )
    return Classifier.load(folder)


@pytest.mark.parametrize("corpus", [movie_reviews, bbc_news])
def test_the_bundle_equals_scikit_learn(corpus, tmp_path):
    documents = corpus()
    model = learn(documents[:400])
    texts = documents["text"].tolist()[400:600] + STRANGE
    expected_NC = model.classifier.predict_proba(model.features(texts))
    classifier = load(model, tmp_path)
    assert classifier.labels == sorted(documents["label"].unique())
    np.testing.assert_allclose(classifier.predict_proba(texts), expected_NC, atol=1e-5)
    np.testing.assert_allclose(classifier.predict_logits(texts, batch_size=1), model.logits(texts), atol=1e-4)


@pytest.mark.parametrize(("max_ngram", "max_features"), [(1, 50), (3, 20000), (3, 2)])
def test_any_length_of_ngram_is_exported(max_ngram, max_features, tmp_path):
    documents = movie_reviews()[:300]
    model = learn(documents, max_ngram=max_ngram, max_features=max_features)
    texts = documents["text"].tolist() + STRANGE
    np.testing.assert_allclose(load(model, tmp_path).predict_logits(texts), model.logits(texts), atol=1e-4)


def test_unknown_words_and_padding_make_no_bigram(tmp_path):
    train = pd.DataFrame({"text": ["good film", "bad film", "good", "film bad"], "label": ["p", "n", "p", "n"]})
    model = learn(train)
    assert "good film" in model.counter.vocabulary_
    classifier = load(model, tmp_path)
    texts = ["good film", "good unheard film", "good", "a film that is much longer and has good in it film"]
    np.testing.assert_allclose(classifier.predict_logits(texts), model.logits(texts), atol=1e-5)
    apart, joined = classifier.predict_logits(["good unheard film", "good film"])
    assert not np.allclose(apart, joined)


def test_two_classes_have_the_softmax_of_the_sigmoid():
    model = learn(movie_reviews()[:300])
    texts = movie_reviews()["text"].tolist()[300:320]
    logits_NC = model.logits(texts)
    softmax_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax_NC, model.classifier.predict_proba(model.features(texts)), atol=1e-12)


def test_features_are_scikit_learns_tfidf():
    texts = movie_reviews()["text"].tolist()[:300]
    whole = TfidfVectorizer(
        tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), max_features=20000, sublinear_tf=True
    )
    expected_NF = whole.fit_transform(texts)
    model = learn(movie_reviews()[:300])
    np.testing.assert_allclose((model.features(texts) - expected_NF).toarray(), 0, atol=1e-12)
    assert model.counter.vocabulary_ == whole.vocabulary_


def test_the_same_documents_give_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        export(learn(movie_reviews()[:300]), tmp_path / name)
    for file in ("model.onnx", "tokenizer.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_words_are_lower_case_runs_of_letters_and_digits():
    assert words("It's GREAT — 10/10, cafe\u0301!") == ["it", "s", "great", "10", "10", "café"]


def test_it_learns_something_real():
    documents = movie_reviews()
    model = learn(documents[:4000])
    test = documents[4000:]
    predicted = np.array(model.labels)[model.logits(test["text"].tolist()).argmax(axis=1)]
    assert (predicted == test["label"]).mean() > 0.70  # 0.75 measured; one standard error is 0.007


def test_out_of_fold_is_scikit_learns_cross_validation():
    documents = movie_reviews()[:400]
    texts, labels = documents["text"].tolist(), documents["label"].tolist()
    counter = CountVectorizer(
        tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), max_features=20000
    )
    pipeline = make_pipeline(TfidfTransformer(sublinear_tf=True), LogisticRegression(C=10.0, max_iter=2000))
    folds = np.random.default_rng(7).integers(0, 4, len(labels))
    expected_NC = cross_val_predict(
        pipeline, counter.fit_transform(texts), labels, cv=PredefinedSplit(folds), method="predict_proba"
    )
    done: list[int] = []
    found_NC = out_of_fold(texts, labels, folds, progress=done.append, **SETTINGS)
    np.testing.assert_allclose(found_NC, expected_NC, atol=1e-9)
    assert done == [1, 1, 1, 1]
    other_NC = out_of_fold(texts, labels, (folds + np.arange(len(labels))) % 4, **SETTINGS)
    assert not np.allclose(found_NC, other_NC)


def test_what_cannot_be_learned_is_told():
    with pytest.raises(UnfitForBaseline, match="None of the 2 train documents has a word"):
        fit(["!", "?"], ["p", "n"], **SETTINGS)
    with pytest.raises(UnfitForBaseline, match="All documents of the class 'rare' are in fold 1 of the train split"):
        out_of_fold(["a"] * 7, ["often"] * 6 + ["rare"], [0, 0, 0, 1, 1, 1, 1], **SETTINGS)
