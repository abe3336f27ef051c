import numpy as np

from textmill.training.sampling import sample_indices


def test_a_class_keeps_its_share_and_at_least_one():
    labels = np.repeat([0, 1, 2], [80, 40, 2])
    taken = sample_indices("single_label", labels, 0.25, seed=1)
    assert np.bincount(labels[taken]).tolist() == [20, 10, 1]
    assert (np.diff(taken) > 0).all()
    assert np.array_equal(taken, sample_indices("single_label", labels, 0.25, seed=1))
    assert not np.array_equal(taken, sample_indices("single_label", labels, 0.25, seed=2))


def test_a_rare_label_is_not_lost_beside_a_frequent_one():
    labels = np.zeros((100, 3), np.float32)
    labels[:90, 0] = 1
    labels[:10, 1] = 1  # always together with the first
    labels[50, 2] = 1
    taken = sample_indices("multi_label", labels, 0.1, seed=1)
    assert labels[taken].sum(axis=0).tolist() == [9 + 1, 1, 1]
    assert (labels[taken].sum(axis=1) == 0).sum() == 1, "documents without a label are a kind of their own"


def test_numbers_are_taken_from_every_tenth():
    numbers = np.random.default_rng(0).lognormal(size=200).astype(np.float32)
    taken = sample_indices("regression", numbers, 0.1, seed=1)
    ranks = numbers.argsort().argsort()[taken]
    assert np.bincount(ranks // 20, minlength=10).tolist() == [2] * 10


def test_fewer_numbers_than_tenths():
    assert sample_indices("regression", np.array([1.0, 5.0, 2.0], np.float32), 0.5, seed=1).tolist() == [0, 1, 2]
