from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from tests.corpora import bbc_news, movie_reviews
from tests.task_documents import documents_of
from textmill.baseline.export import PAD_ID, READS_ALL, export
from textmill.baseline.tfidf import (
    Settings,
    TfidfModel,
    UnfitForBaseline,
    character_analyzer,
    count_ngrams,
    fit,
    out_of_fold,
    words,
)
from textmill.baseline.truth import Truth
from textmill.bundle import write_bundle
from textmill.evaluation.answers import UnknownLabels
from textmill.runtime import Classifier

SETTINGS = Settings(
    max_ngram=2, max_features=20000, character_ngrams=None, max_character_features=20000, regularisation=10.0
)
TASKS = ("single_label", "multi_label", "regression")
STRANGE = [
    "",
    "!?",
    "zzqx unheard wwvv",
    "İstanbul É e\u0301 straße ΣΑΣ \uff15 ² Ⅷ snake_case 電影 good電影 ไทย नमस्ते",
    "[UNK] [PAD] unk pad",
    "▁good▁film▁ ▁▁ _film_",
    "a\u00a0film\u200bof\tthe\r\nyear",
    "film " * 500,
]


def learn(train: pd.DataFrame, task: str = "single_label", **settings: object) -> TfidfModel:
    chosen = SETTINGS._replace(**settings)
    counts = count_ngrams(train["text"].tolist(), chosen)
    return fit(counts, Truth.of_train(train["label"], task), chosen.regularisation)


def load(model: TfidfModel, folder: Path) -> Classifier:
    export(model, folder)
    task = model.truth.task
    write_bundle(
        folder,
        family="tfidf",
        task=task,
        thresholds=[0.5] * len(model.truth.labels) if task == "multi_label" else None,
        target=model.truth.target,
        long_documents=READS_ALL,
        labels=model.truth.labels,
        max_length=None,
        pad_id=PAD_ID,
        temperature=1.0,
        recipe=[],
        parent=None,
        lineage={"key": "0" * 64},
    )
    return Classifier.load(folder)


def answers(classifier: Classifier, texts: list[str]) -> np.ndarray:
    """Probabilities, or numbers [N, 1]."""
    if classifier.task == "regression":
        return classifier.predict_values(texts)[:, None]
    return classifier.predict_proba(texts)


@pytest.mark.parametrize("characters", [None, [3, 5], [1, 8]])
@pytest.mark.parametrize("task", TASKS)
def test_the_bundle_equals_scikit_learn_for_every_task_and_option(task, characters, tmp_path):
    documents = documents_of(task)
    model = learn(documents[:400], task, character_ngrams=characters)
    texts = documents["text"].tolist()[400:500] + STRANGE
    classifier = load(model, tmp_path)
    np.testing.assert_allclose(classifier.predict_logits(texts), model.logits(texts), atol=1e-4)
    np.testing.assert_allclose(
        answers(classifier, texts), model.truth.answers(model.logits(texts), 1.0), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("corpus", [movie_reviews, bbc_news])
def test_the_bundle_equals_scikit_learn(corpus, tmp_path):
    documents = corpus()
    model = learn(documents[:200])
    texts = documents["text"].tolist()[400:500] + STRANGE
    expected_NC = softmax(model.logits(texts), axis=1)
    classifier = load(model, tmp_path)
    assert classifier.labels == sorted(documents["label"].unique())
    np.testing.assert_allclose(classifier.predict_proba(texts), expected_NC, atol=1e-5)
    np.testing.assert_allclose(classifier.predict_logits(texts, batch_size=1), model.logits(texts), atol=1e-4)


@pytest.mark.parametrize("characters", [None, [4, 6]])
@pytest.mark.parametrize(("max_ngram", "max_features"), [(1, 50), (3, 20000), (3, 2)])
def test_any_length_of_ngram_is_exported(max_ngram, max_features, characters, tmp_path):
    documents = movie_reviews()[:300]
    model = learn(documents, max_ngram=max_ngram, max_features=max_features, character_ngrams=characters)
    texts = documents["text"].tolist() + STRANGE
    np.testing.assert_allclose(load(model, tmp_path).predict_logits(texts), model.logits(texts), atol=1e-4)


@pytest.mark.parametrize("characters", [None, [3, 5]])
def test_unknown_words_and_padding_make_no_bigram(tmp_path, characters):
    train = pd.DataFrame({"text": ["good film", "bad film", "good", "film bad"], "label": ["p", "n", "p", "n"]})
    model = learn(train, character_ngrams=characters)
    assert "good film" in model.counters[0].vocabulary_
    classifier = load(model, tmp_path)
    texts = ["good film", "good unheard film", "good", "a film that is much longer and has good in it film"]
    np.testing.assert_allclose(classifier.predict_logits(texts), model.logits(texts), atol=1e-5)
    apart, joined = classifier.predict_logits(["good unheard film", "good film"])
    assert not np.allclose(apart, joined)


def test_features_are_scikit_learns_tfidf():
    texts = movie_reviews()["text"].tolist()[:300]
    whole = TfidfVectorizer(
        tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), max_features=20000, sublinear_tf=True
    )
    expected_NF = whole.fit_transform(texts)
    model = learn(movie_reviews()[:300])
    np.testing.assert_allclose((model.features(texts) - expected_NF).toarray(), 0, atol=1e-12)
    assert model.counters[0].vocabulary_ == whole.vocabulary_


def test_character_features_are_scikit_learns_within_words():
    texts = movie_reviews()["text"].tolist()[:300] + STRANGE
    model = learn(pd.DataFrame({"text": texts, "label": ["a", "b"] * (len(texts) // 2)}), character_ngrams=[3, 5])
    reference = TfidfVectorizer(
        preprocessor=lambda text: " ".join(words(text)),
        analyzer="char_wb",
        ngram_range=(3, 5),
        max_features=20000,
        sublinear_tf=True,
    )
    expected_NF = reference.fit_transform(texts)
    assert model.counters[1].vocabulary_ == reference.vocabulary_
    found_NF = model.features(texts)[:, len(model.counters[0].vocabulary_) :]
    np.testing.assert_allclose((found_NF - expected_NF).toarray(), 0, atol=1e-12)


@pytest.mark.parametrize(("shortest", "longest"), [(1, 3), (3, 5), (6, 6)])
def test_ngrams_of_characters_are_those_of_char_wb_but_for_the_lone_space(shortest, longest):
    reference = CountVectorizer(analyzer="char_wb", ngram_range=(shortest, longest), lowercase=False).build_analyzer()
    text = "a film of the extraordinary año 1999"
    found = character_analyzer(shortest, longest)(text)
    assert sorted(found) == sorted(ngram for ngram in reference(text) if ngram != " ")


def test_characters_find_what_words_do_not():
    """Endings, misspellings and compounds: an unheard word with known parts is no longer nothing."""
    train = movie_reviews()[:2000]
    plain, spelled = learn(train), learn(train, character_ngrams=[3, 5])
    unheard = ["wonderfuly lovelyyy", "borrringly tediousss"]
    assert plain.features(unheard).nnz == 0
    labels = np.array(spelled.truth.labels)[spelled.logits(unheard).argmax(axis=1)]
    assert labels.tolist() == ["positive", "negative"]


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
    predicted = np.array(model.truth.labels)[model.logits(test["text"].tolist()).argmax(axis=1)]
    assert (predicted == test["label"]).mean() > 0.70  # 0.75 measured; one standard error is 0.007


def test_what_cannot_be_learned_is_told():
    with pytest.raises(UnfitForBaseline, match="None of the 2 train documents has a word"):
        count_ngrams(["!", "?"], SETTINGS)
    truth = Truth.of_train(pd.Series(["often"] * 6 + ["rare"]), "single_label")
    with pytest.raises(UnfitForBaseline, match="All documents of the class 'rare' are in fold 1 of the train split"):
        out_of_fold(count_ngrams(["a"] * 7, SETTINGS), truth, [0, 0, 0, 1, 1, 1, 1], 10.0)
    with pytest.raises(UnknownLabels, match=r"1 documents have a label that the model does not know: \['new'\]"):
        truth.of(pd.Series(["often", "new"]))
