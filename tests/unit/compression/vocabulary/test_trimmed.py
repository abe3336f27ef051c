"""Trimmed tokenizers of every kind: the same tokens for covered text, smaller ones for the rest."""

import json
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.vocabularies import KINDS, TEXTS, small_tokenizer
from textmill.compression.draft import DoesNotApply
from textmill.compression.vocabulary.pieces import Pieces
from textmill.compression.vocabulary.selection import TooFewTokens, select_tokens
from textmill.compression.vocabulary.trimmed import trim_tokenizer

WORDS = sorted({word for text in TEXTS for word in text.split()})
WORD = (
    st.sampled_from(WORDS) | st.sampled_from(WORDS).map(str.upper) | st.sampled_from([*"aé☃中ß\t.,[", "textmill", "ﬁ"])
)
PHRASE = st.lists(WORD, max_size=8).map(" ".join) | st.text(max_size=12)


def trim(old, texts, **settings):
    """The trimmed tokenizer and the old ids that are left, by the tokens of the texts."""
    ids = [number for text in texts for number in old.encode(text).ids]
    counts = np.bincount(ids, minlength=old.get_vocab_size())
    settings = {"min_count": 1, "max_tokens": None, "drop_characters": False} | settings
    kept = select_tokens(Pieces(old, [0]), counts, **settings)
    return trim_tokenizer(old, kept), kept


def must_stay(old):
    return len(trim(old, [])[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("drop_characters", [False, True])
@settings(max_examples=40)
@given(kept=st.lists(PHRASE, max_size=12), others=st.lists(PHRASE, max_size=12))
@example(kept=[], others=["", "Some film 中文 ☃", "[CLS] textmill"])
def test_covered_text_is_read_as_the_same_tokens(kind, drop_characters, kept, others):
    """Whatever was counted, also where the text that is read is another one; nothing fails."""
    old = small_tokenizer(kind)
    new, ids = trim(old, kept, drop_characters=drop_characters)
    place = {old_id: new_id for new_id, old_id in enumerate(ids.tolist())}
    for text in [*kept, *others]:
        before, after = old.encode(text), new.encode(text)
        if set(before.ids) <= place.keys():
            assert after.ids == [place[number] for number in before.ids]
            assert after.tokens == before.tokens
            assert after.offsets == before.offsets
        else:
            assert text in others, "what was counted is covered"
        assert new.decode(after.ids) is not None


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(texts=st.lists(PHRASE, max_size=30), spare=st.integers(0, 60))
def test_the_limit_is_kept_and_covered_text_is_still_the_same(kind, texts, spare):
    old = small_tokenizer(kind)
    limit = must_stay(old) + spare
    new, ids = trim(old, texts, max_tokens=limit)
    assert new.get_vocab_size() == len(ids) <= limit
    place = {old_id: new_id for new_id, old_id in enumerate(ids.tolist())}
    for text in texts:
        before = old.encode(text).ids
        if set(before) <= place.keys():
            assert new.encode(text).ids == [place[number] for number in before]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "words"])
def test_uncovered_words_are_spelt_with_pieces_and_nothing_gets_lost(kind):
    """With single characters only, every word of known characters is spelt; none of it becomes unknown."""
    old = small_tokenizer(kind)
    new, _ = trim(old, [])
    unknown = new.token_to_id("[UNK]")
    for text in TEXTS[:40]:
        if unknown not in old.encode(text).ids:
            assert unknown not in new.encode(text).ids, text
            assert len(new.encode(text).ids) >= len(old.encode(text).ids)


def test_a_dropped_word_of_a_vocabulary_of_words_is_unknown():
    new, _ = trim(small_tokenizer("words"), ["a film"])
    assert new.encode("a film of it").tokens == ["[CLS]", "a", "film", "[UNK]", "[UNK]", "[SEP]"]


def test_dropped_characters_are_unknown_and_seen_ones_spell_other_words():
    old = small_tokenizer("wordpiece")
    new, _ = trim(old, ["ab ba"], drop_characters=True)
    assert "[UNK]" not in old.encode("z").tokens
    assert new.encode("aab z").tokens == ["[CLS]", "a", "##a", "##b", "[UNK]", "[SEP]"]


def test_bytes_stay_even_if_characters_are_dropped():
    for kind in ("byte_bpe", "metaspace_bpe", "byte_unigram"):
        old = small_tokenizer(kind)
        new, _ = trim(old, ["a"], drop_characters=True)
        text = "naïve ☃"
        assert "[UNK]" not in new.encode(text).tokens
        assert len(new.encode(text).ids) > len(text.split())


def test_min_count_leaves_rare_tokens_out():
    old = small_tokenizer("words")
    new, _ = trim(old, ["film film story"], min_count=2)
    assert new.token_to_id("film") is not None
    assert new.token_to_id("story") is None


def test_the_most_frequent_are_kept_first():
    old = small_tokenizer("words")
    limit = must_stay(old) + 1
    new, _ = trim(old, ["film film story story story a"], max_tokens=limit)
    assert [new.token_to_id(word) is None for word in ("story", "film", "a")] == [False, True, True]


def test_parts_of_a_merged_token_stay_with_it():
    """`abc` is merged of `ab` and `c`; the other way, by `bc`, is never gone."""
    vocabulary = {token: number for number, token in enumerate(["[PAD]", "a", "b", "c", "ab", "bc", "abc", "abcabc"])}
    merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc"), ("abc", "abc")]
    old = Tokenizer(models.BPE(vocabulary, merges))
    assert Pieces(old).merges("abcabc") == [("a", "b"), ("a", "b"), ("ab", "c"), ("ab", "c"), ("abc", "abc")]
    new, ids = trim(old, ["abcabc"])
    assert ids.tolist() == [0, 1, 2, 3, 4, 6, 7]
    assert new.encode("abcabcbc").tokens == ["abcabc", "b", "c"]
    assert json.loads(new.to_str())["model"]["merges"] == [["a", "b"], ["ab", "c"], ["abc", "abc"]]


def test_a_token_that_is_never_merged_takes_nothing_with_it():
    """Byte-level vocabularies have tokens that a merge of lower rank makes impossible; whole words may skip merging."""
    vocabulary = {token: number for number, token in enumerate(["[PAD]", "a", "b", "c", "ab", "bc", "abc"])}
    old = Tokenizer(models.BPE(vocabulary, [("b", "c"), ("ab", "c"), ("a", "b")], ignore_merges=True))
    assert Pieces(old).merges("abc") == []
    new, ids = trim(old, ["abc"])
    assert ids.tolist() == [0, 1, 2, 3, 6]
    assert new.encode("abc").tokens == ["abc"]


def test_the_score_of_the_unknown_stays():
    """It hangs on the worst piece: were `yz` dropped, `☃x` and `y` would lose to an unknown character and `xy`."""
    pieces = [("[UNK]", 0.0), ("☃x", -20.0), ("y", -20.0), ("xy", -1.0), ("yz", -60.0), ("x", -40.0), ("z", -40.0)]
    old = Tokenizer(models.Unigram(pieces, 0, False))
    assert old.encode("☃xy").tokens == ["☃x", "y"]
    new, ids = trim(old, ["☃xy", "xy"])
    assert len(ids) == len(old.get_vocab())  # here all are characters, seen, or the worst
    assert new.encode("☃xy").tokens == ["☃x", "y"]


@pytest.mark.parametrize("kind", KINDS)
def test_ids_around_a_document_and_of_padding_are_renumbered(kind):
    old = small_tokenizer(kind)
    padded = Tokenizer.from_str(old.to_str())
    padded.enable_padding(pad_id=padded.token_to_id("[PAD]"), pad_token="[PAD]", length=9)
    new, _ = trim(padded, ["a"])
    tokens = new.encode("a").tokens
    assert tokens[0] == "[CLS]" and "[SEP]" in tokens and tokens[-1] == "[PAD]"
    ids = new.encode("a").ids
    assert [new.id_to_token(number) for number in ids] == tokens


def test_ids_within_a_sequence_of_post_processors_are_renumbered():
    names = ["x", "[PAD]", "y", "</s>", "a", "[UNK]"]
    old = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    old.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ending = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 3)])
    old.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), ending])
    counts = np.array([0, 0, 0, 0, 1, 0])
    kept = select_tokens(Pieces(old, [1]), counts, min_count=1, max_tokens=None, drop_characters=False)
    assert kept.tolist() == [1, 3, 4, 5]
    assert trim_tokenizer(old, kept).encode("a").ids == [2, 1]


def test_a_limit_below_what_must_stay_is_refused():
    old = small_tokenizer("wordpiece")
    with pytest.raises(TooFewTokens, match=r"at most 50 tokens, but \d+ must stay.* or drop_characters to true"):
        trim(old, [], max_tokens=50)
    old = small_tokenizer("byte_bpe")
    with pytest.raises(TooFewTokens, match=r"at most 99 tokens, but 261 must stay.*Set max_tokens to 261 or more\.$"):
        trim(old, [], max_tokens=99)
    old = small_tokenizer("words")  # of whose tokens none is a character
    with pytest.raises(TooFewTokens, match=r"at most 2 tokens, but 6 must stay.*Set max_tokens to 6 or more\.$"):
        trim(old, [], max_tokens=2)


def test_words_without_an_unknown_token_cannot_be_trimmed():
    old = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="[UNK]"))
    with pytest.raises(DoesNotApply, match="no token for the unknown"):
        Pieces(old)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trimmed_tokenizer_is_trimmed_again(kind):
    """Step by step gives what one step gives."""
    old = small_tokenizer(kind)
    some = random.Random(5).sample(TEXTS, 40)
    once, _ = trim(old, some[:10])
    between, _ = trim(old, some)
    twice, _ = trim(between, some[:10])
    if kind not in ("unigram", "byte_unigram"):  # of several pieces of the worst score, one stays
        assert twice.to_str() == once.to_str()
    assert [twice.encode(text).tokens for text in some] == [once.encode(text).tokens for text in some]
