import re

import numpy as np
import pandas as pd

from tests.corpora import bbc_news
from tests.group_case import group_case
from textmill.evaluation.conditions import Condition, count_words, find_conditions


def test_words_are_those_of_pythons_regular_expressions():
    texts = bbc_news()["text"][:300]
    words, has_NW = count_words(texts)
    expected = [set(re.findall(r"\w+", text.lower())) for text in texts]
    assert words == sorted(set().union(*expected))
    dense = has_NW.toarray()
    assert set(np.unique(dense)) == {0, 1}
    for row, own in zip(dense, expected, strict=True):
        assert {words[i] for i in np.flatnonzero(row)} == own


def test_words_of_any_script():
    texts = pd.Series(["ÜBER-Größe über", "हिन्दी भाषा", "日本語です 2024", "", "!?"])
    words, has_NW = count_words(texts)
    assert sorted(words) == sorted(["über", "größe", "हिन्दी", "भाषा", "日", "本", "語", "で", "す", "2024"])
    assert has_NW.toarray().sum(axis=1).tolist() == [2, 2, 6, 0, 0]
    assert count_words(pd.Series(["", "..."]))[0] == []


def test_a_condition_is_held_by_enough_documents_and_not_by_all(tmp_path):
    texts = ["the film" if i % 2 else "the tape" for i in range(80)]
    texts[:30] = [f"{text} twice" for text in texts[:30]]
    texts[0] += " once"
    truth = np.arange(80) % 2
    answers = np.where(np.arange(80) < 4, 1 - truth, truth)
    case = group_case(tmp_path, truth, answers, texts=texts, columns={"source": ["p"] * 60 + ["q"] * 20})
    found = find_conditions(case, 20)
    sizes = dict(zip(found.names, found.holds_NF.sum(axis=0).tolist(), strict=True))
    words = {name.value: size for name, size in sizes.items() if name.feature == "word"}
    assert words == {
        "film": 40,
        "tape": 40,
        "twice": 30,
        "without film": 40,
        "without tape": 40,
        "without twice": 50,
    }
    assert sizes[Condition("source", "p")] == 60
    assert sizes[Condition("source", "q")] == 20
    assert sizes[Condition("predicted", "a")] == 40
    assert {name.feature for name in sizes} == {"word", "source", "predicted", "length"}


def test_the_true_label_is_no_condition(tmp_path):
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 2, (2, 200))
    found = find_conditions(group_case(tmp_path, truth, answers, slices={"min_documents": 5}), 5)
    held = found.holds_NF.toarray().T
    given = {name.value: row for name, row in zip(found.names, held, strict=True) if name.feature == "predicted"}
    np.testing.assert_array_equal(given["a"], answers == 0)
    assert not any((row == truth).all() or (row == 1 - truth).all() for row in held)


def test_answers_of_the_other_tasks(tmp_path):
    rng = np.random.default_rng(0)
    sets = rng.integers(0, 2, (100, 3))
    case = group_case(tmp_path, sets, 1 - sets, task="multi_label", num_classes=3)
    found = find_conditions(case, 20)
    at = found.names.index(Condition("predicted", "b"))
    np.testing.assert_array_equal(found.holds_NF[:, [at]].toarray()[:, 0], 1 - sets[:, 1])
    numbers = np.arange(100.0)
    case = group_case(tmp_path, numbers, numbers, task="regression")
    bins = [name.value for name in find_conditions(case, 20).names if name.feature == "predicted"]
    assert bins == ["0 to 24", "25 to 49", "50 to 74", "75 to 99"]
