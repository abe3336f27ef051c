import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from tests.tiny_language import train_tiny_tokenizer
from textmill.training.pretraining.masking import IGNORED, Masking, NoMaskToken, find_mask_id
from textmill.training.words import Vocabulary


@pytest.fixture(scope="module")
def tokenizer():
    return train_tiny_tokenizer()


def random_batch(tokenizer, windows=200, length=64):
    """Windows with [CLS] before and padding behind."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(10, tokenizer.get_vocab_size(), (windows, length), generator=generator)
    ids[:, 0] = tokenizer.token_to_id("[CLS]")
    mask = torch.ones_like(ids)
    mask[:, -4:], ids[:, -4:] = 0, tokenizer.token_to_id("[PAD]")
    return ids, mask


def hide(tokenizer, ids, mask, *, share=0.15, whole_words=False, seed=0):
    masking = Masking(Vocabulary.of(tokenizer), find_mask_id(tokenizer), share, whole_words=whole_words)
    return masking(ids, mask, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("whole_words", [False, True])
def test_shares(tokenizer, whole_words):
    ids, mask = random_batch(tokenizer, windows=1000)
    shown, targets = hide(tokenizer, ids, mask, whole_words=whole_words)
    asked = targets != IGNORED
    allowed = mask.bool() & ~torch.from_numpy(Vocabulary.of(tokenizer).special_V)[ids]
    assert not (asked & ~allowed).any(), "neither special tokens nor padding"
    num_asked = int(asked.sum())
    # Four standard deviations of a binomial; words of several tokens make it wider.
    assert num_asked / int(allowed.sum()) == pytest.approx(0.15, abs=0.006 if not whole_words else 0.012)
    masked = asked & (shown == find_mask_id(tokenizer))
    changed = asked & (shown != ids) & ~masked
    assert int(masked.sum()) / num_asked == pytest.approx(0.8, abs=0.018)
    assert int(changed.sum()) / num_asked == pytest.approx(0.1, abs=0.014)
    assert (shown[~asked] == ids[~asked]).all()
    assert (targets[asked] == ids[asked]).all()
    assert not Vocabulary.of(tokenizer).special_V[shown[changed].numpy()].any()


def test_whole_words_are_hidden_whole(tokenizer):
    ids, mask = random_batch(tokenizer)
    _, targets = hide(tokenizer, ids, mask, whole_words=True)
    asked = (targets != IGNORED).numpy()
    words = np.cumsum(Vocabulary.of(tokenizer).starts(ids.numpy()), axis=1)
    num_long = 0
    for row in range(len(ids)):
        for word in np.unique(words[row]):
            of_word = asked[row][(words[row] == word) & mask[row].numpy().astype(bool)]
            assert len(set(of_word.tolist())) <= 1
            num_long += len(of_word) > 1
    assert num_long > 100


def test_single_tokens_part_words(tokenizer):
    ids, mask = random_batch(tokenizer)
    _, targets = hide(tokenizer, ids, mask, whole_words=False)
    starts = torch.from_numpy(Vocabulary.of(tokenizer).starts(ids.numpy()))
    asked = targets != IGNORED
    continued = ~starts[:, 1:] & mask[:, 1:].bool()
    assert (asked[:, 1:] != asked[:, :-1])[continued].any()


def test_the_generator_decides(tokenizer):
    ids, mask = random_batch(tokenizer)
    first, again, other = (hide(tokenizer, ids, mask, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_a_short_batch_is_asked_for_one_token(tokenizer):
    ids = torch.tensor([[tokenizer.token_to_id("[CLS]"), 50, 51, tokenizer.token_to_id("[SEP]")]])
    for seed in range(20):
        _, targets = hide(tokenizer, ids, torch.ones_like(ids), share=1e-6, seed=seed)
        assert (targets != IGNORED).sum() == 1
    _, targets = hide(tokenizer, ids[:, :1], torch.ones(1, 1, dtype=torch.int64))
    assert (targets == IGNORED).all(), "a special token is never asked for"


def test_a_tokenizer_without_a_mask_token_is_told():
    with pytest.raises(NoMaskToken, match=r"\[MASK\].*pretrain\.objective to clm"):
        find_mask_id(Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a")))
