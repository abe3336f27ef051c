"""Stratified splits: shares of every class, stable, no atom parted, order of no matter."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from tests.corpora import bbc_news
from textmill.data.splitting import ClassTooSmall, assign_splits
from textmill.paths import SPLITS

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(3, 60), min_size=1)


def documents(counts, copies=1):
    rows = [(f"{label}{number}", label) for label, count in counts.items() for number in range(count)]
    return pd.DataFrame(rows * copies, columns=["cluster", "label"])


@st.composite
def tangled(draw):
    """Documents of a few classes, clusters and groups, in any combination."""
    num_documents = draw(st.integers(1, 80))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    num_clusters, num_groups = draw(st.integers(1, 80)), draw(st.integers(1, 80))
    grouped = rng.random(num_documents) < draw(st.floats(0, 1))
    groups = rng.integers(0, num_groups, num_documents)
    return pd.DataFrame(
        {
            "cluster": [f"c{number}" for number in rng.integers(0, num_clusters, num_documents)],
            "label": [f"l{number}" for number in rng.integers(0, draw(st.integers(1, 4)), num_documents)],
            "group": [f"g{group}" if has else None for group, has in zip(groups, grouped, strict=True)],
        }
    )


@given(COUNTS, st.integers(0, 2**32 - 1))
def test_shares_are_exact_to_one_document(counts, seed):
    table = documents(counts)
    table["split"] = assign_splits(table, SHARES, seed)
    for label, count in counts.items():
        found = table[table["label"] == label]["split"].value_counts()
        for name in SPLITS:
            assert found[name] >= 1
            assert abs(found[name] - count * SHARES[name]) <= 1 or count < 7  # too few for 15 %


def test_shares_are_those_of_scikit_learn():
    table = bbc_news()
    splits = assign_splits(table, SHARES, 42)
    _, held_out = next(StratifiedShuffleSplit(1, test_size=0.15, random_state=0).split(table, table["label"]))
    ours, theirs = table["label"][splits == "test"].value_counts(), table["label"].iloc[held_out].value_counts()
    assert (ours - theirs).abs().max() <= 1


@given(tangled(), st.integers(0, 100))
def test_nothing_shared_ever_crosses_and_every_class_is_everywhere(table, seed):
    try:
        splits = assign_splits(table, SHARES, seed)
    except ClassTooSmall:
        return
    assert splits.notna().all()
    for column in ("cluster", "group"):
        assert (splits.groupby(table[column], observed=True).nunique() == 1).all()
    assert (splits.groupby(table["label"], observed=True).nunique() == 3).all()


@given(tangled(), st.integers(0, 100))
def test_order_of_the_rows_does_not_matter(table, seed):
    shuffled = table.sample(frac=1, random_state=seed)
    try:
        splits = assign_splits(table, SHARES, seed)
    except ClassTooSmall:
        with pytest.raises(ClassTooSmall):
            assign_splits(shuffled, SHARES, seed)
        return
    assert (splits[shuffled.index] == assign_splits(shuffled, SHARES, seed)).all()


@given(st.integers(10, 300), st.integers(0, 1000), st.text("xyz", min_size=1, max_size=4))
def test_a_new_document_moves_only_those_at_the_cuts(count, seed, name):
    before = documents({"a": count, "b": 20})
    after = pd.concat([before, pd.DataFrame([(name, "a")], columns=before.columns)], ignore_index=True)
    old, new = assign_splits(before, SHARES, seed), assign_splits(after, SHARES, seed)[: len(before)]
    assert (old != new).sum() <= 2  # one at each of the two cuts
    assert (old != new)[before["label"] == "b"].sum() == 0


def test_a_new_document_of_a_group_moves_few_groups():
    """Users who wrote about 20 documents each, of all classes, are the hardest case: they cannot be cut by class."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"group": [f"u{user}" for user in rng.integers(0, 500, 10_000)]})
    table["label"] = rng.choice(list("abcde"), len(table))
    table["cluster"] = [f"c{row}" for row in range(len(table))]
    before = assign_splits(table, SHARES, 1)
    moved = []
    for number in range(20):
        added = pd.DataFrame({"group": [f"u{number}"], "label": [list("abcde")[number % 5]], "cluster": ["new"]})
        after = assign_splits(pd.concat([table, added], ignore_index=True), SHARES, 1)[: len(table)]
        moved.append(table["group"][before != after].nunique())
    assert np.mean(moved) < 25  # of 500; dealt out anew, 233 would move (1 - .7² - .15² - .15²)


def test_the_order_is_that_of_earlier_versions():
    """A document that is test today was so before groups came, and stays so: the hash is part of the interface."""
    table = pd.DataFrame({"cluster": [f"{number:016x}" for number in range(20)], "label": ["a", "b"] * 10})
    splits = assign_splits(table, SHARES, 42)
    assert splits.map({"train": ".", "validation": "v", "test": "t"}).str.cat() == "t..v......ttv..t...."


def test_the_seed_decides():
    table = documents({"a": 200})
    one, other = assign_splits(table, SHARES, 1), assign_splits(table, SHARES, 2)
    # Independent draws agree on .7^2 + .15^2 + .15^2 = 53.5 % of the documents.
    assert 0.4 < (one == other).mean() < 0.67
    assert (one == assign_splits(table, SHARES, 1)).all()


def test_a_group_takes_its_clusters_along():
    """g1 and g2 share the cluster c1, so that all five stay together."""
    table = documents({"a": 60})
    chain = {"cluster": ["c0", "c1", "c1", "c2", "c2"], "group": ["g1", "g1", "g2", "g2", None], "label": ["a"] * 5}
    table = pd.concat([table.assign(group=None), pd.DataFrame(chain)], ignore_index=True)
    for seed in range(30):
        assert assign_splits(table, SHARES, seed)[60:].nunique() == 1


def test_blank_groups_are_none():
    table = documents({"a": 40}).assign(group=" ")
    assert assign_splits(table, SHARES, 1).nunique() == 3


def test_a_class_of_one_group_or_too_few_is_told():
    with pytest.raises(
        ClassTooSmall,
        match=r"each of train, validation, test: 3 at least.*'b' has 1 document\(s\); 'c' has 2 document\(s\).*"
        r"clean\.labels",
    ):
        assign_splits(documents({"a": 10, "b": 1, "c": 2}), SHARES, 1)
    tied = documents({"a": 10, "b": 9}).assign(group=lambda table: table["label"].map({"b": "g"}))
    with pytest.raises(ClassTooSmall, match=r"'b' has 9 document\(s\) that clusters and groups tie into 1\."):
        assign_splits(tied, SHARES, 1)


def of_groups(*groups):
    """A document of every class of each group: 'ab' is a group with a document of a and one of b."""
    rows = [(f"g{number}", label) for number, labels in enumerate(groups) for label in labels]
    return pd.DataFrame(rows, columns=["group", "label"]).assign(cluster=[f"c{row}" for row in range(len(rows))])


@pytest.mark.parametrize("seed", range(20))
def test_classes_that_hang_together_are_parted_where_that_is_possible(seed):
    splits = assign_splits(table := of_groups("ab", "ab", "a", "b"), SHARES, seed)
    assert (splits.groupby(table["label"], observed=True).nunique() == 3).all()


def test_classes_that_cannot_be_parted_are_told_with_the_split():
    """a wants g0, g1 and g2 apart, b wants g0, g1 and g3 apart: so g2 and g3 are together, and c lacks a split."""
    with pytest.raises(
        ClassTooSmall, match=r"'.' has 3 document\(s\), none of them in (train|validation|test)\. Add documents"
    ):
        assign_splits(of_groups("abc", "ab", "ac", "bc"), SHARES, 1)


def test_a_wrong_label_column_is_told_in_short():
    counts = {f"{'a text that someone took for a label ' * 5}{number}": 1 for number in range(1000)}
    with pytest.raises(ClassTooSmall, match=r"and 995 classes more.*Is data\.label the right column\?") as caught:
        assign_splits(documents(counts), SHARES, 1)
    assert len(str(caught.value)) < 900
