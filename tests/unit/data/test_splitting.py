"""Stratified, stable, and no cluster parted."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.splitting import SPLITS, ClassTooSmall, assign_splits, cut_points

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(3, 60), min_size=1)


def documents(counts, copies=1):
    rows = [(f"{label}{number}", label) for label, count in counts.items() for number in range(count)]
    return pd.DataFrame(rows * copies, columns=["cluster", "label"])


@given(COUNTS, st.integers(0, 2**32 - 1))
def test_every_class_has_its_share_in_every_split(counts, seed):
    table = documents(counts)
    table["split"] = assign_splits(table, SHARES, seed)
    for label, count in counts.items():
        found = table[table["label"] == label]["split"].value_counts()
        for name in SPLITS:
            assert found[name] >= 1
            assert abs(found[name] - count * SHARES[name]) <= 1 or count < 7  # too few for 15 %


@given(st.integers(3, 1000), st.floats(0.01, 0.98), st.floats(0.01, 0.98))
def test_cuts_leave_no_split_empty_and_move_by_one(count, test, validation):
    cuts, next_cuts = cut_points(count, test, validation), cut_points(count + 1, test, validation)
    assert 1 <= cuts[0] < cuts[1] < count
    assert all(cut <= new <= cut + 1 for cut, new in zip(cuts, next_cuts, strict=True)) or test + validation > 1


@given(COUNTS, st.integers(1, 3), st.integers(0, 100))
def test_clusters_are_never_parted(counts, copies, seed):
    table = documents(counts, copies)
    table["split"] = assign_splits(table, SHARES, seed)
    assert (table.groupby("cluster")["split"].nunique() == 1).all()


@given(st.integers(10, 300), st.integers(0, 1000), st.text("xyz", min_size=1, max_size=4))
def test_a_new_document_moves_only_those_at_the_cuts(count, seed, name):
    before = documents({"a": count, "b": 20})
    after = pd.concat([before, pd.DataFrame([(name, "a")], columns=before.columns)], ignore_index=True)
    old, new = assign_splits(before, SHARES, seed), assign_splits(after, SHARES, seed)[: len(before)]
    assert (old != new).sum() <= 2  # one at each of the two cuts
    assert (old != new)[before["label"] == "b"].sum() == 0


def test_order_of_the_rows_does_not_matter():
    table = documents({"a": 40, "b": 40})
    shuffled = table.sample(frac=1, random_state=1)
    assert (assign_splits(table, SHARES, 7)[shuffled.index] == assign_splits(shuffled, SHARES, 7)).all()


def test_the_seed_decides():
    table = documents({"a": 200})
    one, other = assign_splits(table, SHARES, 1), assign_splits(table, SHARES, 2)
    # Independent draws agree on .7^2 + .15^2 + .15^2 = 53.5 % of the documents.
    assert 0.4 < (one == other).mean() < 0.67
    assert (one == assign_splits(table, SHARES, 1)).all()


def test_rare_class_is_told():
    with pytest.raises(
        ClassTooSmall, match=r"'b' has 1 document\(s\).*\(too small as well: 'c'\).*at least 3.*clean\.labels"
    ):
        assign_splits(documents({"a": 10, "b": 1, "c": 2}), SHARES, 1)


def test_a_wrong_label_column_is_told_in_short():
    counts = {f"{'a text that someone took for a label ' * 5}{number}": 1 for number in range(1000)}
    with pytest.raises(ClassTooSmall, match=r"and 994 more.*Is data\.label the right column\?") as caught:
        assign_splits(documents(counts), SHARES, 1)
    assert len(str(caught.value)) < 700
