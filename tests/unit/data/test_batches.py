import numpy as np
import pytest

from tests.tiny_model import write_tokens
from textmill.data.batches import LengthBuckets, ordered_batches, train_batches
from textmill.data.tokens import TokenArrays

LENGTHS = np.random.default_rng(0).integers(3, 200, 1000)


def flat(sampler):
    return [index for batch in sampler for index in batch]


def test_each_document_comes_once_an_epoch():
    sampler = LengthBuckets(LENGTHS, np.arange(1000), batch_size=32, seed=1)
    assert sorted(flat(sampler)) == list(range(1000))
    assert len(sampler) == len(list(sampler)) == 32


def test_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        sampler = LengthBuckets(LENGTHS, np.arange(1000), 32, seed)
        sampler.set_epoch(epoch)
        return flat(sampler)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_bucketing_pads_far_less_than_chance():
    def padded(batches):
        return sum(LENGTHS[batch].max() * len(batch) for batch in batches) / LENGTHS.sum()

    random = np.random.default_rng(1).permutation(1000)
    by_chance = padded([random[i : i + 32] for i in range(0, 1000, 32)])
    assert padded(LengthBuckets(LENGTHS, np.arange(1000), 32, seed=1)) < 1.06 < 1.7 < by_chance


@pytest.mark.parametrize("make", [train_batches, ordered_batches])
def test_batches_hold_the_tokens_and_mark_the_padding(tmp_path, make):
    tokens = TokenArrays.open(write_tokens(tmp_path, num_train=50), "train")
    loader = make(tokens, 0, batch_size=8, **({"seed": 1} if make is train_batches else {}))
    seen = []
    for batch in loader:
        for ids, mask, label, index in zip(*batch.values(), strict=True):
            assert ids[mask.bool()].tolist() == tokens[int(index)].tolist()
            assert not ids[~mask.bool()].any()
            assert label == tokens.labels[index]
            seen.append(int(index))
    assert sorted(seen) == list(range(50))
