"""Cuts and shares, against closed forms and scikit-learn's StratifiedGroupKFold."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from textmill.data.splitting.stratification import count_classes, cut, stratify

SHARE = st.floats(0.01, 0.48)


@given(st.integers(3, 1000), SHARE, SHARE)
def test_cuts_leave_no_part_empty_and_move_by_one(count, test, validation):
    targets, needs = np.array([test, validation, 1 - test - validation]), np.ones(3, bool)
    cuts, next_cuts = (cut(np.ones(size, int), targets, needs) for size in (count, count + 1))
    assert 1 <= cuts[0] < cuts[1] < count
    assert all(place <= new <= place + 1 for place, new in zip(cuts, next_cuts, strict=True))
    assert abs(cuts[0] - count * test) <= 0.5 + 1e-9 or cuts[0] == 1 or cuts[1] == count - 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(2, 8))
def test_cuts_are_within_half_an_atom(sizes, num_parts):
    places = cut(np.array(sizes), np.full(num_parts, 1 / num_parts), np.zeros(num_parts, bool))
    ends = np.concatenate([[0], np.cumsum(sizes)])
    ideal = np.arange(1, num_parts) * ends[-1] / num_parts
    for place, border in zip(places, ideal, strict=True):
        assert abs(ends[place] - border) == pytest.approx(np.abs(ends - border).min())


def test_needs_come_before_shares():
    assert cut(np.array([1, 1, 98]), np.array([0.9, 0.05, 0.05]), np.ones(3, bool)).tolist() == [1, 2]
    assert cut(np.array([98, 1, 1]), np.array([0.05, 0.05, 0.9]), np.ones(3, bool)).tolist() == [1, 2]
    assert cut(np.array([5, 5]), np.array([0.1, 0.1, 0.8]), np.ones(3, bool)).tolist() == [0, 0]  # too few for three


def authors(num_documents, num_groups, num_labels, spread, zipf, seed):
    """Documents of authors who each have favourite classes; with `zipf`, few of them wrote most."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, num_groups + 1) if zipf else np.ones(num_groups)
    group = rng.choice(num_groups, num_documents, p=weights / weights.sum())
    favourites = rng.dirichlet(rng.dirichlet(np.full(num_labels, 3)) * spread * num_labels, num_groups)
    label = np.array([rng.choice(num_labels, p=favourites[number]) for number in group])
    return pd.factorize(group)[0].astype(np.int32), pd.factorize(label)[0]


def deviation(label, part, num_parts):
    """How far the share of a class in a part is from the target, at most and on average."""
    shares = pd.crosstab(label, part, normalize="index").reindex(columns=range(num_parts), fill_value=0)
    off = (shares - 1 / num_parts).abs().to_numpy()
    return off.max(), off.mean()


@pytest.mark.parametrize(
    ("num_documents", "num_groups", "num_labels", "spread", "zipf"),
    [(2000, 40, 3, 0.5, False), (2000, 20, 2, 1, False), (5000, 300, 5, 5, False), (5000, 500, 4, 0.3, True)],
)
def test_groups_are_stratified_as_well_as_by_scikit_learn(num_documents, num_groups, num_labels, spread, zipf):
    """Means of ten draws; ours are 0.58 to 0.91 times scikit-learn's at the worst class and part."""
    ours, theirs = [], []
    for seed in range(10):
        group, label = authors(num_documents, num_groups, num_labels, spread, zipf, seed)
        position = np.random.default_rng(seed).permutation(group.max() + 1).astype(np.uint64)
        counts = count_classes(group, label, group.max() + 1, label.max() + 1)
        ours.append(deviation(label, stratify(counts, position, [0.2] * 5)[group], 5))
        part = np.empty(len(label), int)
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(label, label, group)
        for number, (_, held_out) in enumerate(folds):
            part[held_out] = number
        theirs.append(deviation(label, part, 5))
    assert (np.mean(ours, axis=0) <= np.mean(theirs, axis=0)).all()


def test_small_atoms_make_up_for_large_ones():
    """One group holds half of the class; the rest are single documents, and the shares come out exact."""
    atom = np.concatenate([np.zeros(500), np.arange(1, 501)]).astype(np.int32)
    label = np.zeros(1000, int)
    part = stratify(count_classes(atom, label, 501, 1), np.arange(501, dtype=np.uint64), [0.15, 0.15, 0.7])
    assert np.bincount(part[atom]).tolist() == [150, 150, 700]
    assert part[0] == 2
