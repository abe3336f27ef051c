"""Words, shingles and signatures, against plain Python."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import long_movie_reviews
from textmill.data.duplicates import shingles
from textmill.data.duplicates.exact import normalise
from textmill.data.duplicates.shingles import SKETCH, Banding, hash_shingles, hash_words, sketch

BANDING = Banding(ngram=3, num_bands=18, num_rows=6)
TEXTS = st.lists(
    st.text(st.one_of(st.sampled_from("ab c,.'é\n"), st.characters(exclude_categories=["Cs"])), max_size=30), max_size=6
)


def words_of(text):
    """Runs of letters, digits and marks; characters of scripts without spaces one by one."""
    words, run = [], ""
    for char in [*text, " "]:
        unspaced = re.match("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
                            "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]", char)  # fmt: skip
        category = unicodedata.category(char)
        is_word = category[0] in "LMN" or category == "Co" or "\U00020000" <= char <= "\U0003ffff"
        if is_word and not unspaced and char < "\U00020000":
            run += char
            continue
        words += [run] if run else []
        run = ""
        words += [char] if unspaced and is_word else []
    return words


def shingles_of(text, ngram):
    words = words_of(text)
    return [tuple(words[i : i + ngram]) for i in range(max(len(words) - ngram + 1, 1))] if words else []


def same_partition(hashes, values):
    """Equal where the values are, and different where they are not."""
    pairs = set(zip(hashes, values, strict=True))
    return len(pairs) == len(set(hashes)) == len(set(values))


@given(TEXTS)
def test_words_are_told_apart(texts):
    hashes, counts = hash_words(texts)
    words = [words_of(text) for text in texts]
    assert list(counts) == [len(of_text) for of_text in words]
    assert same_partition(hashes.tolist(), [word for of_text in words for word in of_text])


@pytest.mark.parametrize("ngram", [1, 2, 3, 5])
@given(texts=TEXTS)
def test_shingles_are_told_apart(texts, ngram):
    hashes, counts = hash_shingles(texts, ngram)
    found = [shingles_of(text, ngram) for text in texts]
    assert list(counts) == [len(of_text) for of_text in found]
    assert same_partition(hashes.tolist(), [shingle for of_text in found for shingle in of_text])


def test_real_words_do_not_collide():
    texts = [normalise(text) for text in long_movie_reviews()]
    hashes, _ = hash_shingles(texts, 3)
    assert len(hashes) > 60_000
    assert same_partition((hashes >> np.uint64(32)).tolist(), [s for text in texts for s in shingles_of(text, 3)])


def test_ascii_and_the_rest_take_ways_to_the_same_hashes():
    mixed, _ = hash_words(["good film", "é"])
    plain, _ = hash_words(["good film"])
    assert list(mixed[:2]) == list(plain)


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("?!…", 0), ("😀 😡", 0), ("one", 1), ("one two", 1), ("a b c", 1), ("a b c d", 2), ("我们看电影", 3)],
)
def test_number_of_shingles(text, count):
    assert sketch([text], BANDING).sizes[0] == count


def test_a_text_with_fewer_words_is_one_shingle_of_its_own():
    found = sketch(["a b", "a b c", "b a", "a, b!", "a"], BANDING)
    assert len(set(found.shingles)) == 4
    assert found.shingles[0] == found.shingles[3]


@given(TEXTS, st.integers(1, 40))
def test_a_sketch_does_not_depend_on_its_company(texts, block):
    together = sketch(texts, BANDING)
    usual, shingles._BLOCK = shingles._BLOCK, block
    try:
        alone = [sketch([text], BANDING) for text in texts]
        in_blocks = sketch(texts, BANDING)
    finally:
        shingles._BLOCK = usual
    for other in (
        in_blocks,
        *([shingles.Sketches(*map(np.concatenate, zip(*map(as_tuple, alone), strict=True)))] if texts else []),
    ):
        for one, two in zip(as_tuple(together), as_tuple(other), strict=True):
            np.testing.assert_array_equal(one, two)


def as_tuple(found):
    return found.bands, found.sizes, found.shingles


def test_long_documents_keep_the_smallest_hashes():
    text = " ".join(f"w{i}" for i in range(5000))
    found = sketch([text, "a b c"], BANDING)
    every = np.unique(hash_shingles([text], 3)[0] >> np.uint64(32))
    assert list(found.sizes) == [SKETCH, 1]
    np.testing.assert_array_equal(found.shingles[:SKETCH], every[:SKETCH])


def test_bands_agree_as_often_as_the_similarity_says():
    """A band of R hashes is shared with probability s^R: the mean over many pairs, within five standard errors."""
    rng = np.random.default_rng(0)
    num_pairs, similarity = 400, 0.0
    texts = []
    for _ in range(num_pairs):
        words = [f"w{i}" for i in rng.integers(0, 10**9, 160)]
        other = words.copy()
        other[rng.integers(20, 60)] = "x"
        other[rng.integers(100, 140)] = "y"
        texts += [" ".join(words), " ".join(other)]
        one, two = (set(shingles_of(text, 3)) for text in texts[-2:])
        similarity += len(one & two) / len(one | two) / num_pairs
    bands = sketch(texts, BANDING).bands
    shared = (bands[::2] == bands[1::2]).mean()
    expected = similarity**BANDING.num_rows
    assert shared == pytest.approx(expected, abs=5 * (expected * (1 - expected) / (num_pairs * 18)) ** 0.5 * 2)
