"""Near duplicates are found at a stated recall and precision, whatever the batches, in linear time."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpora import bbc_news, long_movie_reviews
from tests.unit.data.duplicates.test_shingles import shingles_of
from textmill.data.duplicates.exact import normalise
from textmill.data.duplicates.near import MIN_RECALL, NearDuplicateIndex, choose_banding
from textmill.data.duplicates.shingles import SKETCH, Sketches, sketch

THRESHOLD = 0.8


def find(texts, folder, *, threshold=THRESHOLD, ngram=3, batch_size=100, rows=None, num_hashes=112):
    banding = choose_banding(threshold, ngram, num_hashes)
    index = NearDuplicateIndex(folder, threshold)
    for start in range(0, len(texts), batch_size):
        index.add(sketch([normalise(text) for text in texts[start : start + batch_size]], banding))
    return [
        tuple(pair) for pair in index.find_pairs(np.arange(len(texts)) if rows is None else np.array(rows)).tolist()
    ]


def jaccard(one, other, ngram=3):
    a, b = (set(shingles_of(normalise(text), ngram)) for text in (one, other))
    return len(a & b) / len(a | b)


def perturb(text, share, rng, vocabulary):
    """Replace a share of the words by others, drop some and add some."""
    words = []
    for word in text.split():
        draw = rng.random()
        if draw < share * 0.6:
            word = str(rng.choice(vocabulary))
        elif draw < share * 0.8:
            continue
        elif draw < share:
            words.append(str(rng.choice(vocabulary)))
        words.append(word)
    return " ".join(words)


@pytest.fixture(scope="module")
def planted():
    """Real reviews and articles, each followed by a copy with 0.5 to 14 % of its words changed."""
    rng = np.random.default_rng(0)
    originals = [text for text in dict.fromkeys([*long_movie_reviews(), *bbc_news()["text"][:400]]) if len(text) > 400]
    vocabulary = np.array(sorted({word for text in originals[:300] for word in text.split()}))
    texts = []
    for text in originals:
        texts += [text, perturb(text, rng.uniform(0.005, 0.14), rng, vocabulary)]
    return texts, np.array([jaccard(*texts[i : i + 2]) for i in range(0, len(texts), 2)])


@pytest.mark.parametrize("threshold", [0.6, 0.7, 0.8, 0.9])
def test_recall_and_precision_on_planted_duplicates(planted, threshold, tmp_path):
    texts, similarity = planted
    found = set(find(texts, tmp_path, threshold=threshold))
    is_found = np.array([(i, i + 1) in found for i in range(0, len(texts), 2)])
    at_threshold = similarity >= threshold
    assert at_threshold.sum() > 80 < (~at_threshold).sum()
    assert is_found[at_threshold].mean() >= MIN_RECALL
    # Every pair that is told is one, by the exact similarity, planted or not.
    assert min(jaccard(texts[one], texts[other]) for one, other in found) >= threshold - 1e-9


def test_recall_just_above_the_threshold(planted, tmp_path):
    """Where an estimate from 112 hashes alone, with a standard error of 0.04, would lose half."""
    texts, similarity = planted
    narrow = (similarity >= THRESHOLD) & (similarity < THRESHOLD + 0.03)
    found = set(find(texts, tmp_path))
    is_found = np.array([(i, i + 1) in found for i in range(0, len(texts), 2)])
    assert narrow.sum() > 20
    assert is_found[narrow].mean() >= 0.95


def test_texts_that_have_nothing_to_do_with_each_other_are_no_pairs(tmp_path):
    texts = list(dict.fromkeys(bbc_news()["text"]))[:1500]
    found = find(texts, tmp_path)
    assert all(jaccard(texts[one], texts[other]) >= THRESHOLD for one, other in found)
    assert len(found) < 40  # articles that were published twice


def test_pairs_do_not_depend_on_batches(planted, tmp_path):
    texts = planted[0][:300]
    expected = find(texts, tmp_path, batch_size=300)
    assert len(expected) > 40
    for batch_size in (1, 7, 299):
        assert find(texts, tmp_path, batch_size=batch_size) == expected


def test_rows_are_asked_about_in_order_of_precedence(planted, tmp_path):
    texts = planted[0][:60]
    forwards = set(find(texts, tmp_path))
    backwards = find(texts, tmp_path, rows=range(59, -1, -1))
    assert {(59 - other, 59 - one) for one, other in backwards} == forwards
    some = [0, 1, 4, 5, 8]
    assert {(some[one], some[other]) for one, other in find(texts, tmp_path, rows=some)} == {
        pair for pair in forwards if set(pair) <= set(some)
    }


def test_long_documents_are_compared_by_a_part_of_their_shingles(tmp_path):
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"w{i}" for i in range(5000)])
    originals = [" ".join(rng.choice(vocabulary, 3 * SKETCH)) for _ in range(50)]
    texts = []
    for text in originals:
        texts += [text, perturb(text, rng.uniform(0.005, 0.09), rng, vocabulary)]
    similarity = np.array([jaccard(*texts[i : i + 2]) for i in range(0, len(texts), 2)])
    found = set(find(texts, tmp_path))
    is_found = np.array([(i, i + 1) in found for i in range(0, len(texts), 2)])
    # The standard error of the estimate is 0.0125: four of them apart, no mistake is made.
    assert is_found[similarity >= THRESHOLD + 0.05].all()
    assert not is_found[similarity < THRESHOLD - 0.05].any()
    assert (similarity < THRESHOLD - 0.05).sum() > 8 < (similarity >= THRESHOLD + 0.05).sum()


def test_long_documents_of_different_length(tmp_path):
    """The smallest hashes of a text reach further than those of one that is twice as long and holds it."""
    words = [f"w{i}" for i in range(8 * SKETCH)]
    texts = [" ".join(words), " ".join(words[: 4 * SKETCH])]
    assert jaccard(*texts) == pytest.approx(0.5, abs=0.001)
    assert find(texts, tmp_path, threshold=0.44) == [(0, 1)]
    assert find(texts, tmp_path, threshold=0.56) == []


def of_numbers(*sets, bands):
    """Sketches of texts with these shingles and bands."""
    arrays = [np.array(sorted(numbers), np.uint32) for numbers in sets]
    return Sketches(np.array(bands, np.uint32), np.array(list(map(len, arrays)), np.int32), np.concatenate(arrays))


def test_what_is_unlike_the_first_of_a_bucket_is_compared_with_the_next(tmp_path):
    index = NearDuplicateIndex(tmp_path, THRESHOLD)
    sets = [range(i, i + 10) for i in (0, 100, 200, 100, 300, 200)]
    index.add(of_numbers(*sets, bands=[[7, 7]] * 6))
    assert index.find_pairs(np.arange(6)).tolist() == [[1, 3], [2, 5]]


def test_texts_without_words_are_like_no_other(tmp_path):
    assert find(["?!", "...", "😀", "", "a", "a!"], tmp_path) == [(4, 5)]


def test_nothing_to_compare(tmp_path):
    assert find([], tmp_path) == []
    assert find(["", "..."], tmp_path) == []


TINY = st.lists(st.lists(st.sampled_from("abc"), max_size=4).map(" ".join), max_size=10)


@settings(max_examples=50)
@given(TINY)
def test_short_texts_are_near_duplicates_when_their_shingles_are_the_same(tmp_path_factory, texts):
    """Of so few shingles, 0.8 is all of them: equal sets share every band, and the first finds them all."""
    found = find(texts, tmp_path_factory.mktemp("index"))
    sets = [frozenset(shingles_of(normalise(text), 3)) for text in texts]
    expected = [(sets.index(own), place) for place, own in enumerate(sets) if own and sets.index(own) != place]
    assert found == sorted(expected)


def test_a_bucket_of_many_equal_texts_takes_linear_time(tmp_path):
    """All pairs of 60,000 would be 1.8 billion."""
    texts = ["the same few words over and over again in every text of a large bucket"] * 60_000
    started = time.process_time()
    found = find(texts, tmp_path, batch_size=10_000)
    assert found[:2] == [(0, 1), (0, 2)]
    assert len(found) == 59_999
    assert time.process_time() - started < 20


def test_a_bucket_of_texts_that_are_alike_but_not_enough_takes_linear_time(tmp_path):
    """Texts that share a long boilerplate, so that many fall into one bucket and none is another's near duplicate."""
    rng = np.random.default_rng(0)
    boilerplate = " ".join(f"b{i}" for i in range(54))
    texts = [f"{boilerplate} {' '.join(f'w{i}' for i in rng.integers(0, 10**9, 12))}" for _ in range(6000)]
    assert jaccard(texts[0], texts[1]) == pytest.approx(0.7, abs=0.05)
    started = time.process_time()
    assert find(texts, tmp_path, batch_size=1000) == []
    assert time.process_time() - started < 20


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("num_hashes", [16, 112, 128])
def test_bands_find_a_pair_at_the_threshold(threshold, num_hashes):
    banding = choose_banding(threshold, 3, num_hashes)
    assert banding.num_bands * banding.num_rows <= num_hashes
    recall = 1 - (1 - threshold**banding.num_rows) ** banding.num_bands
    assert recall >= MIN_RECALL or banding.num_rows == 1
    if banding.num_rows < num_hashes:
        longer = num_hashes // (banding.num_rows + 1)
        assert 1 - (1 - threshold ** (banding.num_rows + 1)) ** longer < MIN_RECALL


def test_bands_of_the_default_settings():
    banding = choose_banding(0.8, 3, 112)
    assert (banding.num_bands, banding.num_rows) == (18, 6)
    assert (1 - 0.8**6) ** 18 < 0.0043  # of the pairs at the threshold are lost
