"""Properties of changed documents, over random documents of real tokenizers."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_language import MAX_LENGTH, TINY_BERT, minilm, texts, train_tiny_tokenizer, write_language
from textmill.data.batches import ordered_batches, train_batches
from textmill.data.tokens import TokenArrays
from textmill.training.augmentation import EasyAugment, NoMaskedModel, build_augment, delete, swap
from textmill.training.dataset import TrainingData
from textmill.training.pretraining.language_model import build_language_model, save_language_model
from textmill.training.settings import AugmentationSettings

TOKENIZERS = {algorithm: train_tiny_tokenizer(algorithm) for algorithm in ("wordpiece", "bpe")}
CHANGES = [{"swap": 0.3}, {"delete": 0.3}, {"typo": 0.3}, {"swap": 0.2, "delete": 0.2, "typo": 0.2}]
shares = st.floats(0, 1)
words = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3), min_size=1, max_size=30)


def augment(algorithm, **changes):
    return EasyAugment(TOKENIZERS[algorithm], MAX_LENGTH, AugmentationSettings(**changes))


def windows_of(algorithm, text):
    tokenizer = TOKENIZERS[algorithm]
    tokenizer.enable_truncation(MAX_LENGTH)
    ids = np.array(tokenizer.encode(text).ids, np.uint16)
    tokenizer.no_truncation()
    return [ids]


@given(st.sampled_from(sorted(TOKENIZERS)), st.sampled_from(CHANGES), st.integers(0, 299), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=100)
def test_frame_length_and_type_are_kept(algorithm, changes, document, seed):
    (window,) = windows_of(algorithm, texts(300)[document])
    before = window.copy()
    changed = augment(algorithm, **changes)([window], seed, 3, document)
    assert len(changed) == 1
    assert changed[0].dtype == window.dtype
    assert 3 <= len(changed[0]) <= MAX_LENGTH, "a token is left beside [CLS] and [SEP]"
    assert (changed[0][0], changed[0][-1]) == (window[0], window[-1])
    special = augment(algorithm, swap=1).vocabulary.special_V
    assert not special[changed[0][1:-1]].any() or special[window[1:-1]].any()
    assert np.array_equal(window, before), "the arrays are the user's"


@pytest.mark.parametrize("changes", CHANGES)
def test_seed_epoch_and_document_decide(changes):
    window = windows_of("bpe", texts(1)[0])
    change = augment("bpe", **changes)
    first = change(window, 1, 2, 3)[0].tolist()
    assert first == change(window, 1, 2, 3)[0].tolist() == augment("bpe", **changes)(window, 1, 2, 3)[0].tolist()
    others = [change(window, *place)[0].tolist() for place in ((2, 2, 3), (1, 3, 3), (1, 2, 4))]
    assert first not in others
    assert first != window[0].tolist()


@given(words, shares, st.integers(0, 2**32 - 1))
def test_swapping_moves_words_by_one_place_at_most(words, share, seed):
    numbered = [[number, *word] for number, word in enumerate(words)]
    swapped = swap(numbered, share, np.random.default_rng(seed))
    places = [word[0] for word in swapped]
    assert sorted(places) == list(range(len(words)))
    assert all(abs(place - now) <= 1 for now, place in enumerate(places))


@given(words, st.floats(0, 0.99), st.integers(0, 2**32 - 1))
def test_deleting_leaves_words_in_their_order(words, share, seed):
    numbered = [[number, *word] for number, word in enumerate(words)]
    kept = delete(numbered, share, np.random.default_rng(seed))
    assert kept
    assert [word[0] for word in kept] == sorted({word[0] for word in kept})
    assert all(numbered[word[0]] == word for word in kept)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_shares_are_of_the_words(share):
    generator = np.random.default_rng(0)
    words = [[number] for number in range(20_000)]
    moved = sum(word != other for word, other in zip(words, swap(words, share, generator), strict=True))
    assert moved / len(words) == pytest.approx(share, abs=0.015)
    if share < 1:
        assert 1 - len(delete(words, share, generator)) / len(words) == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("algorithm", sorted(TOKENIZERS))
def test_a_typo_stays_within_its_word(algorithm):
    """The other words keep their tokens, and the mistyped one is one edit away."""
    change = augment(algorithm, typo=0.15)
    tokenizer, num_typos = TOKENIZERS[algorithm], 0
    for document, text in enumerate(texts(50)):
        plain = " ".join(word for word in text.split() if word.isalpha() and word.isascii())[:60]
        (window,) = windows_of(algorithm, plain)
        (changed,) = change([window], 0, 0, document)
        if len(window) == MAX_LENGTH or len(changed) == MAX_LENGTH:
            continue  # cut somewhere
        before, after = (tokenizer.decode(ids.tolist()).split() for ids in (window, changed))
        assert len(before) == len(after)
        for old, new in zip(before, after, strict=True):
            assert abs(len(old) - len(new)) <= 1
            num_typos += old != new
    assert num_typos > 20


def test_a_document_of_special_tokens_stays():
    empty = np.array([TOKENIZERS["bpe"].token_to_id("[CLS]"), TOKENIZERS["bpe"].token_to_id("[SEP]")], np.uint16)
    assert augment("bpe", delete=0.9, swap=1)([empty], 0, 0, 0)[0].tolist() == empty.tolist()


def test_windows_are_changed_one_by_one():
    both = windows_of("bpe", texts(2)[0]) + windows_of("bpe", texts(2)[1])
    changed = augment("bpe", swap=0.5)(both, 0, 0, 0)
    assert [sorted(window.tolist()) for window in changed] == [sorted(window.tolist()) for window in both]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_language(tmp_path_factory.mktemp("language") / "tokens", TOKENIZERS["wordpiece"])


def test_train_batches_are_changed_and_validation_is_not(tokens):
    change = build_augment(TrainingData.open(tokens), AugmentationSettings(swap=0.5))
    arrays = TokenArrays.open(tokens, "train")
    batches = train_batches(arrays, 0, batch_size=64, seed=1, augment=change)
    epochs = []
    for epoch in (0, 1):
        batches.batch_sampler.set_epoch(epoch)
        epochs.append({int(i): ids for batch in batches for i, ids in zip(batch["index_B"], rows(batch), strict=True)})
    own = {index: arrays[index][0].tolist() for index in range(len(arrays))}
    assert sum(epochs[0][i] != own[i] for i in own) > 0.9 * len(own)
    assert sum(epochs[0][i] != epochs[1][i] for i in own) > 0.9 * len(own)
    held_out = TokenArrays.open(tokens, "validation")
    for batch in ordered_batches(held_out, 0, batch_size=64):
        assert rows(batch) == [held_out[int(i)][0].tolist() for i in batch["index_B"]]


def rows(batch):
    lengths = batch["attention_mask_WT"].sum(1).tolist()
    return [ids[:length].tolist() for ids, length in zip(batch["input_ids_WT"], lengths, strict=True)]


def test_nothing_asked_is_nothing_done(tokens):
    assert build_augment(TrainingData.open(tokens), AugmentationSettings()) is None


@pytest.mark.parametrize("pretrained", [True, False])
def test_replacing_without_a_model_is_told(tokens, tmp_path, pretrained):
    with pytest.raises(NoMaskedModel, match=r"training\.augmentation\.replace is 0\.1.*pretrain\.objective to mlm"):
        build_augment(TrainingData.open(tokens, tmp_path if pretrained else None), AugmentationSettings(replace=0.1))


@pytest.fixture(scope="module")
def pretrained(tokens, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    model = build_language_model("mlm", config=TINY_BERT, tokens=tokens, weights=minilm(), next_sentence=False)
    save_language_model(model, tokens, folder)
    return folder


def test_replaced_words_are_a_share_and_never_special(tokens, pretrained):
    change = build_augment(TrainingData.open(tokens, pretrained), AugmentationSettings(replace=0.2))
    arrays = TokenArrays.open(tokens, "train")
    special = change.vocabulary.special_V
    num_changed = num_words = 0
    for index in range(len(arrays)):
        before, (after,) = arrays[index][0], change(arrays[index], 1, 0, index)
        assert len(before) == len(after)
        assert np.array_equal(before[special[before]], after[special[before]])
        assert not special[after[~special[before]]].any()
        num_changed += int((before != after).sum())
        num_words += int((~special[before]).sum())
    # An untrained model draws nearly uniformly, so that few tokens come back.
    assert num_changed / num_words == pytest.approx(0.2, abs=0.03)


def test_replacement_depends_on_the_place_alone(tokens, pretrained):
    arrays = TokenArrays.open(tokens, "train")

    def replaced(order, seed=1, epoch=0):
        change = build_augment(TrainingData.open(tokens, pretrained), AugmentationSettings(replace=0.3))
        return {index: change(arrays[index], seed, epoch, index)[0].tolist() for index in order}

    indices = list(range(len(arrays)))
    first = replaced(indices)
    some = replaced(reversed(indices[::7]))
    assert all(some[index] == first[index] for index in some)
    assert replaced(indices[:20], epoch=1) != {index: first[index] for index in indices[:20]}
    assert replaced(indices[:20], seed=2) != {index: first[index] for index in indices[:20]}


def test_draws_follow_the_model(tokens, pretrained):
    """A head that knows one token only puts it everywhere."""
    import torch

    change = build_augment(TrainingData.open(tokens, pretrained), AugmentationSettings(replace=0.5))
    favourite = TOKENIZERS["wordpiece"].token_to_id("the")
    with torch.no_grad():
        change.replace_words.model.model.cls.predictions.bias[favourite] = 50.0
    arrays = TokenArrays.open(tokens, "train")
    pairs = [(arrays[index][0], change(arrays[index], 0, 0, index)[0]) for index in range(50)]
    drawn = list(chain.from_iterable(after[before != after].tolist() for before, after in pairs))
    assert set(drawn) == {favourite}
