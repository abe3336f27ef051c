import numpy as np
import pytest
import torch

from textmill.training.pretraining.next_sentence import FOLLOWS, RANDOM, PairMaker

CLS, SEP, PAD = 1, 2, 0


def windows(num_documents=40, per_document=2, length=20):
    """Windows of consecutive numbers that tell their document: 100 d, 100 d + 1, ..."""
    generator = np.random.default_rng(0)
    num_windows = num_documents * per_document
    ids = torch.zeros(num_windows, length, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row in range(num_windows):
        size = int(generator.integers(0, length - 1))
        content = 100 * (1 + row // per_document) + 50 * (row % per_document) + torch.arange(size)
        ids[row, : size + 2] = torch.tensor([CLS, *content.tolist(), SEP])
        mask[row, : size + 2] = 1
    return ids, mask, torch.arange(num_windows) // per_document


def make(ids, mask, document, seed=0, max_length=20):
    return PairMaker([CLS], [SEP], PAD, max_length)(ids, mask, document, np.random.default_rng(seed))


def segments(pairs, row):
    """The two segments of a pair, as its separators and as its types tell them."""
    ids = pairs.ids_WT[row][pairs.attention_mask_WT[row].bool()].tolist()
    assert ids[0] == CLS and ids[-1] == SEP and ids.count(SEP) == 2
    middle = ids.index(SEP)
    types = pairs.token_types_WT[row].tolist()
    assert types[: len(ids)] == [0] * (middle + 1) + [1] * (len(ids) - middle - 1)
    assert not any(types[len(ids) :])
    return ids[1:middle], ids[middle + 1 : -1]


def test_pairs_are_what_their_class_says():
    ids, mask, document = windows()
    pairs = make(ids, mask, document)
    lengths = mask.sum(1)
    for row, kind in enumerate(pairs.classes_W.tolist()):
        first, second = segments(pairs, row)
        own = 1 + int(document[row])
        assert all(number // 100 == own for number in first)
        if kind == FOLLOWS:
            assert all(number // 100 == own for number in second)
            if first and second:
                assert second[0] == first[-1] + 1, "the text goes on where it was cut"
            assert len(first) + len(second) == min(int(lengths[row]) - 2, 17)
        else:
            assert all(number // 100 != own for number in second)
    assert pairs.ids_WT.shape[1] <= 20


def test_half_of_the_pairs_are_random():
    ids, mask, document = windows()
    classes = torch.cat([make(ids, mask, document, seed).classes_W for seed in range(50)])  # 4,000 pairs
    assert (classes == RANDOM).float().mean().item() == pytest.approx(0.5, abs=0.032)


def test_a_batch_of_one_document_has_no_random_pair():
    ids, mask, document = windows(num_documents=1)
    assert all((make(ids, mask, document, seed).classes_W == FOLLOWS).all() for seed in range(20))


def test_the_same_generator_makes_the_same_pairs():
    ids, mask, document = windows()
    for one, other in zip(make(ids, mask, document, 5), make(ids, mask, document, 5), strict=True):
        assert torch.equal(one, other)
