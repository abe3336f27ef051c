import numpy as np
import pytest

from tests.tiny_language import texts, train_tiny_tokenizer
from textmill.training.words import Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz ,.()!?"


@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe", "unigram"])
def test_words_are_those_of_the_tokenizer_s_own_pre_tokenizer(algorithm):
    tokenizer = train_tiny_tokenizer(algorithm)
    vocabulary = Vocabulary.of(tokenizer)
    for text in texts(60):
        text = "".join(c for c in text if c in LETTERS)  # digits and quotes each take as they like
        encoding = tokenizer.encode(text)
        starts = vocabulary.starts(np.array(encoding.ids))
        words = encoding.word_ids
        if algorithm == "unigram":  # Metaspace parts at spaces only; ours also at punctuation
            expected = [a is None or a != b for a, b in zip(words, [None, *words], strict=False)]
            assert all(start for start, wanted in zip(starts, expected, strict=True) if wanted)
        else:
            expected = [a is None or a != b for a, b in zip(words, [-1, *words], strict=False)]
            assert starts.tolist() == expected, (text, encoding.tokens)


def test_letters_and_punctuation_part_where_tokens_do_not_say():
    tokenizer = train_tiny_tokenizer("unigram")
    encoding = tokenizer.encode("good, bad!")
    starts = Vocabulary.of(tokenizer).starts(np.array(encoding.ids))
    begun = [token for token, start in zip(encoding.tokens, starts, strict=True) if start]
    assert begun[0] == "[CLS]"
    assert [token for token in begun if token in (",", "!")] == [",", "!"]
    assert sum(starts) == 6, "[CLS] good , bad ! [SEP]"


def test_special_tokens_stand_alone_and_what_follows_them_begins_a_word():
    tokenizer = train_tiny_tokenizer("wordpiece")
    vocabulary = Vocabulary.of(tokenizer)
    continuing = next(number for token, number in tokenizer.get_vocab().items() if token.startswith("##"))
    cls = tokenizer.token_to_id("[CLS]")
    assert vocabulary.starts(np.array([continuing, continuing, cls, continuing])).tolist() == [True, False, True, True]
    assert {tokenizer.id_to_token(i) for i in np.flatnonzero(vocabulary.special_V)} >= {"[CLS]", "[SEP]", "[UNK]"}
