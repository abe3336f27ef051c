"""Folds: stratified, stable, groups whole."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import movie_reviews
from textmill.data.splitting import ClassTooSmallForFolds, assign_folds


def documents(**counts):
    rows = [(f"{label}{number}", label) for label, count in counts.items() for number in range(count)]
    return pd.DataFrame(rows, columns=["cluster", "label"])


@given(st.integers(5, 80), st.integers(5, 80), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_every_fold_has_its_share_of_every_class(num_a, num_b, num_folds, seed):
    table = documents(a=num_a, b=num_b)
    table["fold"] = assign_folds(table, num_folds, seed)
    assert set(table["fold"]) == set(range(num_folds))
    for label, count in (("a", num_a), ("b", num_b)):
        found = table[table["label"] == label]["fold"].value_counts()
        assert len(found) == num_folds
        assert (found - count / num_folds).abs().max() <= 1


def test_a_new_document_moves_one_at_each_cut_at_most():
    table = movie_reviews()[:3000]
    before, after = assign_folds(table[1:], 5, 7), assign_folds(table, 5, 7)[1:]
    assert (before != after).sum() <= 4


def test_groups_are_never_parted():
    rng = np.random.default_rng(0)
    table = documents(a=400, b=300).assign(group=[f"g{number}" for number in rng.integers(0, 90, 700)])
    folds = pd.Series(assign_folds(table, 5, 1))
    assert (folds.groupby(table["group"]).nunique() == 1).all()
    shares = pd.crosstab(table["label"], folds, normalize="index")
    assert (shares - 0.2).abs().max(axis=None) < 0.02


def test_order_of_the_rows_does_not_matter():
    table = documents(a=40, b=31)
    shuffled = table.sample(frac=1, random_state=1)
    assert (assign_folds(table, 3, 7)[shuffled.index] == assign_folds(shuffled, 3, 7)).all()


def test_a_small_class_is_told():
    with pytest.raises(
        ClassTooSmallForFolds, match=r"'b' has 2 document\(s\) in the train split, too few for split.num"
    ):
        assign_folds(documents(a=9, b=2), 3, 0)
    tied = documents(a=9, b=9).assign(group=["g"] * 7 + [None] * 11)
    assert len(set(assign_folds(tied, 3, 0))) == 3  # a has three to part: the group and two alone
    with pytest.raises(
        ClassTooSmallForFolds, match=r"'a' has 9 document\(s\).*which clusters and groups tie into 3, too"
    ):
        assign_folds(tied, 4, 0)
