"""Splits and folds of documents with several labels, and with numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.splitting import (
    ClassTooSmall,
    ClassTooSmallForFolds,
    UnusableGivenSplits,
    assign_folds,
    assign_splits,
)
from textmill.data.splitting.strata import NO_LABEL, find_strata
from textmill.paths import SPLITS
from textmill.tasks import join_labels, split_labels

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def documents(labels, groups=None):
    return pd.DataFrame({"label": labels, "cluster": [f"c{row}" for row in range(len(labels))], "group": groups})


@st.composite
def label_sets(draw):
    """Columns of joined labels, some of them rare, some empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = draw(st.lists(st.floats(0.01, 0.9), min_size=2, max_size=8))
    has_label = rng.random((draw(st.integers(10, 300)), len(shares))) < shares
    return [join_labels(f"l{number}" for number in np.flatnonzero(row)) for row in has_label]


@given(st.lists(st.sampled_from(["", "a", "a|b", "b|c", "c"]), min_size=1))
def test_a_document_counts_for_each_of_its_labels(labels):
    strata = find_strata(pd.Series(labels), "multi_label")
    pairs = [(row, strata.names[code]) for row, code in zip(strata.row_E, strata.stratum_E, strict=True)]
    assert pairs == [(row, name) for row, label in enumerate(labels) for name in split_labels(label) or [NO_LABEL]]
    rows = np.arange(0, len(labels), 2)
    taken = strata.take(rows, len(labels))
    expected = find_strata(pd.Series(labels[::2]), "multi_label")
    assert taken.row_E.tolist() == expected.row_E.tolist()
    assert [strata.names[code] for code in taken.stratum_E] == [expected.names[code] for code in expected.stratum_E]


@given(label_sets(), st.integers(0, 1000))
def test_every_label_is_in_train_and_no_split_is_empty(labels, seed):
    splits = assign_splits(documents(labels), SHARES, seed, task="multi_label")
    assert set(splits) == set(SPLITS)
    train = {name for label in np.array(labels)[splits == "train"] for name in split_labels(label)}
    assert train == {name for label in labels for name in split_labels(label)}


@given(label_sets(), st.integers(0, 1000))
def test_every_label_has_its_share_of_every_split(labels, seed):
    table = documents(labels)
    table["split"] = assign_splits(table, SHARES, seed, task="multi_label")
    rows = table.assign(name=[split_labels(label) or [NO_LABEL] for label in labels]).explode("name")
    for _, part in rows.groupby("name"):
        for split, share in SHARES.items():
            # rounding of each label, and of those that its documents were dealt out by
            assert abs((part["split"] == split).sum() - share * len(part)) <= max(5, 0.05 * len(part))


def test_rare_labels_are_stratified_better_than_at_random():
    """20 labels of 1 % to 30 %, 4,000 documents; against a random split of the same sizes."""
    rng = np.random.default_rng(0)
    has_label = rng.random((4000, 20)) < np.geomspace(0.01, 0.3, 20)
    labels = [join_labels(f"l{number:02}" for number in np.flatnonzero(row)) for row in has_label]
    splits = assign_splits(documents(labels), SHARES, 1, task="multi_label").to_numpy()

    def error(splits):
        shares = np.stack([has_label[splits == name].sum(axis=0) for name in SPLITS]) / has_label.sum(axis=0)
        return np.abs(shares - np.array(list(SHARES.values()))[:, None]).max()

    assert error(splits) < 0.02
    assert error(rng.permutation(splits)) > 0.04
    folds = assign_folds(documents(labels), 5, 1, "multi_label")
    shares = np.stack([has_label[folds == fold].sum(axis=0) for fold in range(5)]) / has_label.sum(axis=0)
    assert np.abs(shares - 0.2).max() < 0.03


def test_groups_of_several_labels_are_never_parted():
    rng = np.random.default_rng(0)
    has_label = rng.random((900, 4)) < 0.3
    labels = [join_labels("abcd"[number] for number in np.flatnonzero(row)) for row in has_label]
    table = documents(labels, [f"g{number}" for number in rng.integers(0, 150, 900)])
    splits = assign_splits(table, SHARES, 1, task="multi_label")
    assert (splits.groupby(table["group"]).nunique() == 1).all()
    assert (splits == "train").mean() == pytest.approx(0.7, abs=0.02)


def test_labels_of_given_splits():
    table = documents(["a|b", "a", "b", "b", "a|b", ""]).assign(split=["train"] * 3 + ["validation", "test", "test"])
    assert assign_splits(table, SHARES, 1, task="multi_label").tolist() == table["split"].tolist()
    table["label"] = ["a", "a", "", "b", "a|b", ""]
    with pytest.raises(UnusableGivenSplits, match=r"in the given train split, but after cleaning 'b' has 0 in train"):
        assign_splits(table, SHARES, 1, task="multi_label")


def test_a_label_in_one_fold_is_told():
    labels = ["a", "b"] * 20
    assert len(set(assign_folds(documents([*labels, "c", "c|a"]), 5, 1, "multi_label"))) == 5
    with pytest.raises(ClassTooSmallForFolds, match=r"The class 'c' has 1 document\(s\) in the train split, too few"):
        assign_folds(documents([*labels, "c"]), 5, 1, "multi_label")
    assert len(set(assign_folds(documents([*labels, ""]), 5, 1, "multi_label"))) == 5  # one document without a label


@given(st.lists(st.floats(-1e6, 1e6), min_size=60, max_size=400), st.integers(0, 1000))
def test_numbers_are_spread_over_the_splits(numbers, seed):
    table = documents([repr(number) for number in numbers])
    splits = assign_splits(table, SHARES, seed, task="regression")
    assert (splits == "train").mean() == pytest.approx(0.7, abs=0.06)
    strata = find_strata(table["label"], "regression")
    assert len(strata.names) <= 10
    for code in range(len(strata.names)):
        of_range = splits[strata.stratum_E == code]
        assert abs((of_range == "train").sum() - 0.7 * len(of_range)) <= 2
    folds = assign_folds(table, 5, seed, "regression")
    # Within a range, the folds differ by one document at most.
    assert np.ptp(np.bincount(folds, minlength=5)) <= len(strata.names)


def test_means_are_nearer_than_at_random():
    numbers = np.random.default_rng(0).lognormal(size=2000)
    table = documents([repr(float(number)) for number in numbers])
    splits = assign_splits(table, SHARES, 1, task="regression").to_numpy()
    ranks = pd.Series(numbers).rank(pct=True).to_numpy()
    assert max(abs(ranks[splits == name].mean() - 0.5) for name in SPLITS) < 0.005
    rng = np.random.default_rng(1)
    at_random = [rng.permutation(splits) for _ in range(20)]
    assert np.mean([max(abs(ranks[each == name].mean() - 0.5) for name in SPLITS) for each in at_random]) > 0.01


def test_few_different_numbers_are_ranges_of_their_own():
    strata = find_strata(pd.Series(["1.0", "2.0", "5.0"] * 40), "regression")
    assert len(strata.names) == 3
    assert np.bincount(strata.stratum_E).tolist() == [40, 40, 40]


def test_too_few_numbers_are_told():
    with pytest.raises(ClassTooSmall, match=r"Each of train, validation, test needs a document, .* only 2 document"):
        assign_splits(documents(["1.0", "2.0"]), SHARES, 1, task="regression")
    with pytest.raises(
        ClassTooSmallForFolds, match=r"The train split has 3 document\(s\), too few for split.num_folds"
    ):
        assign_folds(documents(["1.0", "2.0", "3.0"]), 5, 1, "regression")
    tied = documents([str(number) for number in range(40)], ["g"] * 39 + [None])
    with pytest.raises(ClassTooSmall, match=r"only 40 document.*tie into 2"):
        assign_splits(tied, SHARES, 1, task="regression")
