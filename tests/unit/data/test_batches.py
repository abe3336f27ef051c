import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.data.batches import LengthBuckets, ordered_batches, train_batches
from textmill.data.bucketing import plan_buckets
from textmill.data.tokens import Encoded, TokenArrays, write_split


def arrays(windows):
    """Token arrays of documents given as lists of window lengths; the ids count up, so that each place is known."""
    lengths = [length for document in windows for length in document]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return TokenArrays(
        ids=np.arange(offsets[-1], dtype=np.uint32) + 1,
        offsets=offsets,
        windows=np.concatenate([[0], np.cumsum([len(document) for document in windows])]),
        labels=np.arange(len(windows)) % 3,
    )


def padded(tokens, batch):
    """Tokens of a batch of these documents, padding included."""
    windows = [len(window) for index in batch for window in tokens[index]]
    return len(windows) * max(windows)


NEWS = arrays([[length] for length in np.random.default_rng(0).lognormal(6, 0.4, 1500).astype(int).clip(100, 512)])
REVIEWS = arrays([[length] for length in np.random.default_rng(1).normal(27, 11, 6000).astype(int).clip(3, 64)])


def sampler(tokens, batch_size=16, batch_tokens=None, seed=1, epoch=0, shard=None):
    made = LengthBuckets(plan_buckets(tokens, np.arange(len(tokens)), batch_size, batch_tokens), seed, shard)
    made.set_epoch(epoch)
    return made


documents = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=5), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None)
@given(documents, st.integers(1, 12), st.none() | st.integers(8, 400), st.integers(0, 3))
def test_each_document_once_in_equally_many_batches_within_the_budget(windows, batch_size, batch_tokens, epoch):
    tokens = arrays(windows)
    batches = list(sampler(tokens, batch_size, batch_tokens, epoch=epoch))
    assert sorted(index for batch in batches for index in batch) == list(range(len(tokens)))
    assert len(batches) == len(sampler(tokens, batch_size, batch_tokens))
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        assert batch_tokens is None or padded(tokens, batch) <= batch_tokens or len(batch) == 1


@settings(max_examples=40, deadline=None)
@given(documents, st.integers(1, 12), st.integers(1, 5), st.integers(0, 3))
def test_devices_share_an_epoch(windows, batch_size, num_ranks, epoch):
    tokens = arrays(windows)
    alone = [tuple(batch) for batch in sampler(tokens, batch_size, 200, epoch=epoch)]
    shards = [sampler(tokens, batch_size, 200, epoch=epoch, shard=(rank, num_ranks)) for rank in range(num_ranks)]
    of_ranks = [[tuple(batch) for batch in shard] for shard in shards]
    assert {len(batches) for batches in of_ranks} == {len(shards[0])} == {-(-len(alone) // num_ranks)}
    assert {batch for batches in of_ranks for batch in batches} == set(alone)
    assert sum(map(len, of_ranks)) - len(alone) < num_ranks  # repeated batches


def test_devices_get_batches_of_like_length_at_the_same_step():
    ranks = [list(sampler(NEWS, 16, None, shard=(rank, 4))) for rank in range(4)]
    costs = np.array([[padded(NEWS, batch) for batch in batches] for batches in ranks])
    assert np.mean(costs.max(0) / costs.min(0)) < 1.1


def test_a_document_longer_than_the_budget_is_a_batch_of_its_own():
    tokens = arrays([[5], [50, 50, 50], [6], [5]])
    assert sorted(map(sorted, sampler(tokens, 8, 100))) in ([[0, 2, 3], [1]], [[0], [1], [2, 3]], [[0, 3], [1], [2]])


def test_order_depends_on_seed_and_epoch_alone():
    assert list(sampler(NEWS, seed=1, epoch=2)) == list(sampler(NEWS, seed=1, epoch=2))
    assert list(sampler(NEWS, seed=1, epoch=2)) != list(sampler(NEWS, seed=1, epoch=3))
    assert list(sampler(NEWS, seed=1, epoch=2)) != list(sampler(NEWS, seed=2, epoch=2))


def test_documents_meet_others_in_each_epoch():
    """Batches are not the same ones in another order."""
    first, second = ({frozenset(batch) for batch in sampler(NEWS, 16, 8192, epoch=epoch)} for epoch in (0, 1))
    assert len(first & second) <= 2


@pytest.mark.parametrize(("tokens", "most", "by_chance"), [(NEWS, 0.025, 0.2), (REVIEWS, 0.03, 0.35)])
def test_little_is_padded(tokens, most, by_chance):
    def share(batches):
        return 1 - len(tokens.ids) / sum(padded(tokens, batch) for batch in batches)

    random = np.random.default_rng(1).permutation(len(tokens))
    assert share(sampler(tokens, 16, 16384)) < most
    assert share([random[i : i + 16] for i in range(0, len(random), 16)]) > by_chance


def test_an_interrupted_epoch_goes_on_with_its_next_batch():
    tokens = arrays([[length] for length in range(5, 60)])
    whole = [batch["index_B"].tolist() for batch in train_batches(tokens, 0, batch_size=4, seed=1)]
    first = train_batches(tokens, 0, batch_size=4, seed=1)
    batches = iter(first)
    begun = [next(batches)["index_B"].tolist() for _ in range(5)]
    second = train_batches(tokens, 0, batch_size=4, seed=1)
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == {"epoch": 0, "delivered": 0}  # nothing has been read yet
    rest = [batch["index_B"].tolist() for batch in second]
    assert begun + rest == whole
    assert second.state_dict() == {"epoch": 0, "delivered": len(whole)}
    assert [batch["index_B"].tolist() for batch in second] == whole  # the state holds for one epoch only


def test_the_state_of_another_epoch_leaves_nothing_out():
    loader = train_batches(arrays([[length] for length in range(5, 60)]), 0, batch_size=4, seed=1)
    loader.load_state_dict({"epoch": 0, "delivered": 5})
    loader.batch_sampler.set_epoch(1)
    assert sum(len(batch["index_B"]) for batch in loader) == 55


@pytest.mark.parametrize("make", [train_batches, ordered_batches])
def test_batches_hold_the_tokens_and_mark_the_padding(tmp_path, make):
    written = [[100 + i] * (3 + i % 17) for i in range(50)]
    write_split(tmp_path, "train", [(Encoded.join(written), np.arange(50, dtype=np.uint32) % 2)], 200)
    tokens = TokenArrays.open(tmp_path, "train")
    seen = []
    for batch in make(tokens, 0, batch_size=8, batch_tokens=100, **({"seed": 1} if make is train_batches else {})):
        for row, document in enumerate(batch["document_W"]):
            index = int(batch["index_B"][document])
            mask = batch["attention_mask_WT"][row].bool()
            assert batch["input_ids_WT"][row][mask].tolist() == written[index]
            assert not batch["input_ids_WT"][row][~mask].any()
            assert batch["labels_B"][document] == index % 2
            seen.append(index)
    assert sorted(seen) == list(range(50))


def test_windows_of_a_document_follow_each_other():
    tokens = arrays([[4, 2], [3], [4, 4, 1]])
    for batch in ordered_batches(tokens, 0, batch_size=3):
        expected = [(i, window) for i, index in enumerate(batch["index_B"]) for window in tokens[int(index)]]
        for row, (document, window) in enumerate(expected):
            assert batch["document_W"][row] == document
            assert batch["input_ids_WT"][row, : len(window)].tolist() == window.tolist()
            assert batch["attention_mask_WT"][row].sum() == len(window)
        assert len(batch["input_ids_WT"]) == len(expected)


def test_only_documents_at_the_indices_come():
    indices = np.array([3, 5, 8])
    loader = train_batches(NEWS, 0, batch_size=2, seed=1, indices=indices)
    assert sorted(index for batch in loader for index in batch["index_B"].tolist()) == [3, 5, 8]


def test_augment_changes_the_documents_and_is_told_seed_epoch_and_position():
    tokens = arrays([[4, 3], [3], [6], [2]])

    def augment(windows, seed, epoch, index):
        return [np.append(window[1:], [seed, epoch, index]) for window in windows]

    loader = train_batches(tokens, 0, batch_size=2, seed=77, augment=augment)
    loader.batch_sampler.set_epoch(5)
    for batch in loader:
        for row, document in enumerate(batch["document_W"]):
            ids = batch["input_ids_WT"][row][batch["attention_mask_WT"][row].bool()].tolist()
            index = int(batch["index_B"][document])
            assert ids[-3:] == [77, 5, index]
            assert any(ids[:-3] == window[1:].tolist() for window in tokens[index])
