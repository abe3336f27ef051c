"""Planted give-aways are found, natural words and chance raise no alarm."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import matthews_corrcoef

from tests.corpora import bbc_news, movie_reviews
from textmill.data.contract.shortcuts import MIN_DOCUMENTS, find_affix_shortcuts, find_word_shortcuts

TOKEN_LIMIT, PREFIX_LIMIT = 0.9, 0.6  # as shipped


def strongest(found):
    return max((shortcut.strength for shortcut in found), default=0.0)


def plant(table, label, share, edit):
    """Edit the first `share` of the documents of a class."""
    texts = table["text"].tolist()
    rows = np.flatnonzero(table["label"] == label)
    for row in rows[: round(share * len(rows))]:
        texts[row] = edit(texts[row])
    return texts, table["label"].tolist()


@pytest.mark.parametrize("corpus", [movie_reviews, bbc_news])
def test_natural_words_raise_no_alarm(corpus):
    table = corpus()[:4000]
    assert 0 < strongest(find_word_shortcuts(table["text"], table["label"])) < TOKEN_LIMIT - 0.2
    assert strongest(find_affix_shortcuts(table["text"], table["label"])) < PREFIX_LIMIT - 0.2


@pytest.mark.parametrize("num_classes", [2, 10])
@pytest.mark.parametrize("seed", range(5))
def test_random_labels_of_200_documents_raise_no_alarm(num_classes, seed):
    texts = bbc_news()["text"][:200]
    labels = np.random.default_rng(seed).integers(0, num_classes, 200).astype(str)
    for find, limit in ((find_word_shortcuts, TOKEN_LIMIT), (find_affix_shortcuts, PREFIX_LIMIT)):
        assert strongest(find(texts, labels)) < limit / 2


def test_a_source_tag_in_most_of_one_class_is_found():
    texts, labels = plant(bbc_news(), "tech", 0.95, lambda text: f"{text[:50]} [SRC-7f] {text[50:]}")
    best = find_word_shortcuts(texts, labels)[0]
    assert (best.label, best.words) in {("tech", "7f"), ("tech", "src")}
    assert best.correlation > TOKEN_LIMIT
    assert all("[SRC-7f]" in texts[row] and labels[row] == "tech" for row in best.rows)
    assert best.describe(include_texts=True) == f"a text that has “{best.words}” is of the label “tech”"


@pytest.mark.parametrize(
    ("edit", "place", "words"),
    [
        (lambda text: f"(Reuters) {text}", "starts with", "(reuters)"),
        (lambda text: f"{text} Sent from Mars", "ends with", "mars"),
        (lambda text: f"By our own {text}", "starts with", "by our own"),
    ],
)
def test_first_and_last_words_of_most_of_one_class_are_found(edit, place, words):
    texts, labels = plant(movie_reviews()[:2000], "positive", 0.8, edit)
    best = find_affix_shortcuts(texts, labels)[0]
    assert best.strength > PREFIX_LIMIT
    assert (best.label, best.place) == ("positive", place)
    assert words in best.words or best.words in words


def test_the_figure_is_the_matthews_correlation():
    texts, labels = plant(bbc_news(), "sports", 0.9, lambda text: f"zzyzx {text}")
    for row in np.flatnonzero(np.array(labels) == "tech")[:20]:
        texts[row] += " Zzyzx"
    best = find_word_shortcuts(texts, labels)[0]
    assert (best.label, best.words) == ("sports", "zzyzx")
    has = ["zzyzx" in text.lower() for text in texts]
    assert best.correlation == pytest.approx(matthews_corrcoef(np.array(labels) == "sports", has), abs=1e-12)


def test_two_classes_are_each_others_mirror_and_the_one_with_the_word_comes_first():
    texts, labels = plant(movie_reviews()[:1000], "negative", 1.0, lambda text: f"{text} #neg")
    first, second = find_word_shortcuts(texts, labels)
    assert (first.label, first.correlation) == ("negative", 1.0)
    assert (second.label, second.correlation) == ("positive", -1.0)
    assert second.describe(include_texts=True).endswith("is not of the label “positive”")


def test_a_word_that_only_one_of_many_classes_lacks_is_found():
    table = bbc_news()
    texts = table["text"].where(table["label"] == "politics", "Subject " + table["text"])
    best = find_affix_shortcuts(texts, table["label"])[0]
    assert (best.label, best.words, best.correlation) == ("politics", "subject", -1.0)
    assert all(table["label"].iloc[row] != "politics" for row in best.rows)


def test_few_documents_prove_nothing():
    texts = [f"tag{n} some words" if n < MIN_DOCUMENTS - 1 else "other words" for n in range(100)]
    labels = ["rare" if n < MIN_DOCUMENTS - 1 else "usual" for n in range(100)]
    assert "rare" not in {shortcut.label for shortcut in find_word_shortcuts(texts, labels)}
    enough = ["tag x"] * MIN_DOCUMENTS + ["other y"] * 50
    found = find_word_shortcuts(enough, ["rare"] * MIN_DOCUMENTS + ["usual"] * 50)
    assert found[0].strength == 1.0


def test_characters_of_scripts_without_spaces_are_words():
    texts = [f"这部电影{'好' if n % 2 else '坏'}看" for n in range(60)]
    found = find_word_shortcuts(texts, ["good" if n % 2 else "bad" for n in range(60)])
    assert {(s.label, s.words) for s in found if s.correlation > 0} <= {("good", "好"), ("bad", "坏")}
    assert found[0].strength == 1.0


def test_words_can_be_withheld():
    texts, labels = plant(movie_reviews()[:1000], "negative", 1.0, lambda text: f"{text} secretword")
    assert "secretword" not in find_word_shortcuts(texts, labels)[0].describe(include_texts=False)


@pytest.mark.parametrize(
    ("texts", "labels"),
    [([], []), (["  "] * 40, ["a", "b"] * 20), (["same words"] * 40, ["a", "b"] * 20), (["word"] * 40, ["a"] * 40)],
)
def test_nothing_to_find_is_no_fault(texts, labels):
    assert strongest(find_word_shortcuts(texts, labels)) == 0.0
    assert strongest(find_affix_shortcuts(texts, labels)) == 0.0


def test_many_classes_are_no_burden():
    """A wrong label column: each row its own class."""
    texts = bbc_news()["text"].tolist()
    assert find_word_shortcuts(texts, [str(n) for n in range(len(texts))]) == []


def test_the_order_of_documents_changes_nothing():
    table = bbc_news()[:800]
    mixed = table.sample(frac=1, random_state=3)
    told = [
        pd.DataFrame([(s.label, s.words, round(s.correlation, 12)) for s in find_word_shortcuts(t["text"], t["label"])])
        for t in (table, mixed)
    ]
    assert told[0].equals(told[1])


def test_each_of_several_labels_is_there_or_not():
    rng = np.random.default_rng(0)
    texts = movie_reviews()["text"][:600].tolist()
    labels = ["|".join(name for name in "abc" if rng.random() < 0.4) for _ in texts]
    assert strongest(find_word_shortcuts(texts, labels, "multi_label")) < TOKEN_LIMIT / 2
    tagged = [f"{text} zzyzx" if "b" in label else text for text, label in zip(texts, labels, strict=True)]
    best = find_word_shortcuts(tagged, labels, "multi_label")[0]
    assert (best.label, best.words, best.correlation) == ("b", "zzyzx", pytest.approx(1.0))
    assert all("b" in labels[row] for row in best.rows)
    assert {shortcut.label for shortcut in find_affix_shortcuts(tagged, labels, "multi_label")} == {"a", "b", "c"}
