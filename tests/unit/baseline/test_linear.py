"""The linear models, each against scikit-learn's own way of fitting it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from tests.corpora import movie_reviews
from tests.task_documents import documents_of
from textmill.baseline.tfidf import Settings, TfidfModel, count_ngrams, fit, out_of_fold, words
from textmill.baseline.truth import Truth

SETTINGS = Settings(
    max_ngram=2, max_features=20000, character_ngrams=None, max_character_features=20000, regularisation=10.0
)


def learn(train: pd.DataFrame, task: str = "single_label", **settings: object) -> TfidfModel:
    chosen = SETTINGS._replace(**settings)
    counts = count_ngrams(train["text"].tolist(), chosen)
    return fit(counts, Truth.of_train(train["label"], task), chosen.regularisation)


def test_two_classes_have_the_softmax_of_the_sigmoid():
    model = learn(movie_reviews()[:300])
    texts = movie_reviews()["text"].tolist()[300:320]
    logits_NC = model.logits(texts)
    softmax_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    margin_N = model.features(texts) @ model.linear.coefficients[0] + model.linear.intercepts[0]
    np.testing.assert_allclose(softmax_NC[:, 1], 1 / (1 + np.exp(-margin_N)), atol=1e-12)


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
    counts, truth = count_ngrams(texts, SETTINGS), Truth.of_train(documents["label"], "single_label")
    found_NC = out_of_fold(counts, truth, folds, 10.0, done.append)
    np.testing.assert_allclose(found_NC, expected_NC, atol=1e-9)
    assert done == [1, 1, 1, 1]
    other_NC = out_of_fold(counts, truth, (folds + np.arange(len(labels))) % 4, 10.0)
    assert not np.allclose(found_NC, other_NC)


def test_several_labels_are_scikit_learns_one_versus_rest():
    documents = documents_of("multi_label")[:400]
    model = learn(documents, "multi_label")
    features_NF = model.features(documents["text"].tolist())
    reference = OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=2000))
    expected_NC = reference.fit(features_NF, model.truth.values).predict_proba(features_NF)
    found_NC = model.truth.answers(model.linear.logits(features_NF), temperature=1.0)
    np.testing.assert_allclose(found_NC, expected_NC, atol=1e-9)


def test_a_label_that_is_always_or_never_there_is_told_by_its_share():
    """In a fold without a rare label nothing is known but that: Laplace's rule of succession."""
    texts = ["good film", "bad film", "good", "bad"]
    truth = Truth.of_train(pd.Series(["all", "all|rare", "all", "all|other"]), "multi_label")
    counts = count_ngrams(texts, SETTINGS)
    answers_NC = out_of_fold(counts, truth, [0, 1, 2, 1], 10.0)
    assert truth.labels == ["all", "other", "rare"]
    np.testing.assert_allclose(answers_NC[1], [3 / 4, 1 / 4, 1 / 4])  # the two documents of the other folds


@pytest.mark.parametrize("characters", [None, [3, 5]])
def test_numbers_are_ridge_regressions(characters):
    documents = documents_of("regression")[:300]
    model = learn(documents, "regression", character_ngrams=characters)
    features_NF = model.features(documents["text"].tolist()).toarray()
    numbers_N = documents["label"].astype(float).to_numpy()
    standardised_N = (numbers_N - numbers_N.mean()) / numbers_N.std()
    closed_form = Ridge(alpha=0.1, solver="cholesky").fit(features_NF, standardised_N)
    np.testing.assert_allclose(model.linear.coefficients[0], closed_form.coef_, atol=1e-4)
    found_N = model.truth.answers(model.logits(documents["text"].tolist()), 1.0)[:, 0]
    expected_N = closed_form.predict(features_NF) * numbers_N.std() + numbers_N.mean()
    np.testing.assert_allclose(found_N, expected_N, atol=0.01)  # the numbers go from 40 to 80


def test_numbers_that_are_all_the_same_are_learned():
    model = learn(movie_reviews()[:20].assign(label="7.5"), "regression")
    np.testing.assert_allclose(model.truth.answers(model.logits(["anything"]), 1.0), 7.5)
