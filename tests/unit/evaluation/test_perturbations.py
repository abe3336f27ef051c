"""Perturbations do what they say, to nothing else, and the same for the same seed."""

import re
import unicodedata
from collections import Counter
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.corpora import bbc_news
from textmill.config.evaluation import Perturbation
from textmill.evaluation.perturbations import PERTURBATIONS

LETTERS = "abcdefgxyzABCDEFGXYZäöüéÄÖéабвгдАБВГДαβγδΑΒΓΔ"  # noqa: RUF001
words = st.text(alphabet=LETTERS + "0123456789.,!?'-$😀", min_size=1, max_size=8)
texts = st.lists(words, min_size=1, max_size=20).flatmap(
    lambda chosen: st.sampled_from([" ", "  ", "\n"]).map(lambda gap: gap.join(chosen))
)
seeds = st.integers(0, 2**32 - 1)


def spoil(name: str, text: str, seed: int = 0) -> str:
    return PERTURBATIONS[name].spoil(text, np.random.default_rng(seed))


def all_forms(name: str, text: str) -> set[str]:
    return {spoil(name, text, seed) for seed in range(50)}


def test_the_table_has_the_names_that_params_allow():
    assert set(PERTURBATIONS) == set(get_args(Perturbation))


@pytest.mark.parametrize("name", PERTURBATIONS)
@given(text=texts, seed=seeds)
def test_seeded_and_never_empty(name, text, seed):
    assert spoil(name, text, seed) == spoil(name, text, seed)
    assert spoil(name, text, seed).strip()


@pytest.mark.parametrize("name", PERTURBATIONS)
@pytest.mark.parametrize("text", ["", " ", "7", "😀", "日本語", "...", "ß", "\u0130"])
def test_texts_with_little_to_spoil(name, text):
    for form in all_forms(name, text):
        assert bool(form.strip()) == bool(text.strip())


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_almost_every_article_is_changed(name):
    articles = bbc_news()["text"].tolist()[:50]
    changed = [spoil(name, text, seed) != text for seed, text in enumerate(articles)]
    assert sum(changed) >= 45


@given(texts, seeds)
def test_typos_keep_the_number_of_words_and_change_few(text, seed):
    spoilt = spoil("typos", text, seed)
    before, after = text.split(), spoilt.split()
    assert len(before) == len(after)
    assert re.sub(r"\S", "", spoilt) == re.sub(r"\S", "", text)
    assert (spoilt != text) == any(map(str.isalpha, text))
    num_runs = len(re.findall(r"[^\W\d_]+", text))
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= max(1, num_runs)
    assert abs(len(spoilt) - len(text)) <= num_runs


def test_one_word_in_ten_is_mistyped():
    text = " ".join(["perturbation"] * 10_000)
    changed = sum(word != "perturbation" for word in spoil("typos", text).split())
    assert 850 < changed < 1150
    assert sum(not word.isascii() for word in spoil("homoglyphs", text).split()) in range(850, 1150)


@given(texts, seeds)
def test_casing_keeps_the_letters(text, seed):
    spoilt = spoil("casing", text, seed)
    assert spoilt.casefold() == text.casefold()
    if len({text, text.upper(), text.lower()}) > 1:
        assert spoilt != text


def test_casing_forms():
    assert all_forms("casing", "Don't look at The end") == {
        "DON'T LOOK AT THE END",
        "don't look at the end",
        "Don't Look At The End",
    }


@given(texts, seeds)
def test_punctuation_keeps_letters_digits_and_symbols(text, seed):
    spoilt = spoil("punctuation", text, seed)

    def kept(of: str) -> str:
        return "".join(c for c in of if not unicodedata.category(c).startswith(("P", "Z", "C")))

    assert kept(spoilt) == kept(text)
    assert len(re.findall(r"\w+", spoilt)) == len(re.findall(r"\w+", text))


def test_punctuation_forms():
    assert all_forms("punctuation", 'Well-known - it costs $3.5, don\'t (ever) "buy"!') == {
        "Well-known it costs $3.5 don't ever buy",
        'Well-known -- it costs $3.5,, don\'t ((ever)) ""buy""!!',
    }
    assert all_forms("punctuation", "so--well... (no)!") == {"so--well no", "so--well...... ((no))!!"}
    assert all_forms("punctuation", "很好。") == {"很好", "很好。。"}
    assert all_forms("punctuation", "?!") == {"??!!"}, "an empty text would be another matter"


@given(texts, seeds)
def test_whitespace_keeps_all_other_characters(text, seed):
    spoilt = spoil("whitespace", text, seed)
    assert "".join(spoilt.split()) == "".join(text.split())
    assert (spoilt != text) == (len(text.split()) > 1)


def test_whitespace_forms():
    forms = all_forms("whitespace", "one two three")
    assert forms == {"one  two  three", "one\ntwo\nthree", "onetwo three", "one twothree", "onetwothree"} & forms
    assert {"one  two  three", "one\ntwo\nthree", "onetwo three", "one twothree"} <= forms


@given(texts, seeds)
def test_truncation_keeps_the_first_half_of_the_words(text, seed):
    spoilt = spoil("truncation", text, seed)
    num_words = len(text.split())
    assert text.startswith(spoilt)
    assert spoilt.split() == text.split()[: (num_words + 1) // 2]


@given(texts, seeds)
def test_word_order_moves_words_within_three(text, seed):
    before, after = text.split(), spoil("word_order", text, seed).split()
    for start in range(0, len(before), 3):
        assert Counter(before[start : start + 3]) == Counter(after[start : start + 3])
    assume(len(set(before)) == len(before))
    moved = [a != b for a, b in zip(before, after, strict=True)]
    lone = len(before) % 3 == 1
    assert all(moved[: len(before) - lone])


@given(texts, seeds)
def test_homoglyphs_keep_length_words_and_looks(text, seed):
    spoilt = spoil("homoglyphs", text, seed)
    assert len(spoilt) == len(text)
    for before, after in zip(text, spoilt, strict=True):
        if before != after:
            assert before.isascii() and not after.isascii()
            assert before.isupper() == after.isupper()
            assert before.islower() == after.islower()
    assert (spoilt != text) == any(c in "aceghijopsxyABCEHIJKMNOPSTXYZ" for c in text)


@pytest.mark.parametrize(
    ("affirmed", "denied"),
    [
        ("The film is good.", "The film is not good."),
        ("They WERE late and could come", "They WERE not late and could not come"),
        ("it's fun", "it's not fun"),
    ],
)
def test_negation_goes_both_ways(affirmed, denied):
    assert spoil("negation", affirmed) == denied
    assert spoil("negation", denied) == affirmed


@pytest.mark.parametrize(
    ("text", "spoilt"),
    [
        ("I can't say it isn't dull", "I can say it is dull"),
        ("Won't you? I don\u2019t, we cannot.", "Will you? I do, we can."),
        ("an island of canned willows", "an island of canned willows"),
        ("is nothing", "is not nothing"),
    ],
)
def test_negation_of_short_forms(text, spoilt):
    assert spoil("negation", text) == spoilt
