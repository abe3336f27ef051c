"""Duplicates, conflicts and the counts that add up."""

import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.cleaning import ROW_REASONS
from textmill.data.duplicates import cluster_of, find_duplicates, normalise
from textmill.data.quarantine import REASONS, NothingToLearn, Verdicts


@pytest.mark.parametrize(
    ("one", "other"),
    [("A  b\n", "a b"), ("Straße", "STRASSE"), ("ﬁne", "fine"), ("e\u0301", "É"), ("ｗｉｄｅ", "wide")],  # noqa: RUF001
)
def test_texts_that_count_as_one(one, other):
    assert cluster_of(one) == cluster_of(other)


@given(st.text())
def test_normal_form_is_stable(text):
    assert normalise(normalise(text)) == normalise(text)


def test_distinct_texts_are_kept_apart():
    assert cluster_of("good film") != cluster_of("good films")


def reference(clusters, labels):
    """The rule in words: the first of a cluster stays, unless the labels of the cluster differ."""
    fates = []
    for place, cluster in enumerate(clusters):
        members = [i for i, other in enumerate(clusters) if other == cluster]
        if len({labels[i] for i in members}) > 1:
            fates.append("conflicting_labels")
        else:
            fates.append("duplicate" if members[0] != place else None)
    return fates


ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 1), st.sampled_from([None, None, *ROW_REASONS])), min_size=1
)


@given(ROWS)
def test_duplicates_follow_the_rule(rows):
    clusters, labels = [c for c, _, _ in rows], [y for _, y, _ in rows]
    found = find_duplicates(np.array(clusters, np.uint64), np.array(labels, np.int64))
    fates = [
        "conflicting_labels" if c else "duplicate" if d else None
        for c, d in zip(found.is_conflicting, found.is_duplicate, strict=True)
    ]
    assert fates == reference(clusters, labels)
    assert list(found.first) == [clusters.index(cluster) for cluster in clusters]


def judge(rows, batch_size=3):
    table = pd.DataFrame(
        {
            "id": [f"{i:016x}" for i in range(1, len(rows) + 1)],
            "label": pd.Series([None if r == "missing_label" else f"label {y}" for _, y, r in rows], dtype=object),
            "found": [f"label {y}" for _, y, _ in rows],
            "cluster": [f"{c:016x}" for c, _, _ in rows],
            "reason": pd.Series([r for _, _, r in rows], dtype=object),
        }
    )
    batches = [table[i : i + batch_size].reset_index(drop=True) for i in range(0, len(table), batch_size)]
    verdicts = Verdicts()
    for batch in batches:
        verdicts.add(batch)
    return verdicts, [batch.drop(columns="reason") for batch in batches]


@given(ROWS)
def test_every_row_is_either_kept_or_quarantined_with_its_reason(rows):
    verdicts, batches = judge(rows)
    try:
        verdicts.settle()
    except NothingToLearn:
        return
    kept = pd.concat(verdicts.keep(batches))
    gone = pd.concat(verdicts.quarantine(batches))
    assert sorted([*kept["id"], *gone["id"]]) == [f"{i:016x}" for i in range(1, len(rows) + 1)]
    eligible = [i for i, row in enumerate(rows) if row[2] is None]
    fates = dict(zip(eligible, reference([rows[i][0] for i in eligible], [rows[i][1] for i in eligible]), strict=True))
    expected = {f"{i + 1:016x}": row[2] or fates[i] for i, row in enumerate(rows) if row[2] or fates[i]}
    assert dict(zip(gone["id"], gone["reason"], strict=True)) == expected
    summary = verdicts.summary(Counter())
    assert summary["ingested"] == summary["kept"] + summary["quarantined"] == len(rows)
    assert summary["reasons"] == {reason: Counter(expected.values())[reason] for reason in REASONS}
    assert sum(summary["labels"].values()) == summary["kept"] == len(kept)


def test_kept_id_names_the_document_that_stays():
    verdicts, batches = judge([(1, 0, None), (2, 1, None), (1, 0, None), (3, 0, None), (3, 1, None)])
    verdicts.settle()
    gone = pd.concat(verdicts.quarantine(batches)).set_index("id")
    assert gone["kept_id"].fillna("").to_dict() == {f"{3:016x}": f"{1:016x}", f"{4:016x}": "", f"{5:016x}": ""}


def test_a_row_in_quarantine_is_nobodys_duplicate():
    verdicts, batches = judge([(1, 0, "unknown_label"), (1, 0, None), (2, 1, None)])
    verdicts.settle()
    assert list(pd.concat(verdicts.keep(batches))["id"]) == [f"{2:016x}", f"{3:016x}"]


def test_single_class_is_told():
    verdicts, _ = judge([(1, 0, None), (2, 0, None), (3, 1, "too_short")])
    with pytest.raises(NothingToLearn, match=r"'label 0'; a classifier needs at least two.*1 too_short.*data\.label"):
        verdicts.settle()


def test_nothing_left_is_told():
    verdicts, _ = judge([(1, 0, "unknown_label"), (2, 1, "unknown_label"), (3, 0, "unknown_label")])
    with pytest.raises(
        NothingToLearn, match=r"all 3 rows .*3 unknown_label; .*: 'label 0', 'label 1'\).*clean\.labels"
    ):
        verdicts.settle()


def test_ten_unknown_labels_are_named_at_most():
    verdicts, _ = judge([(i, i, "unknown_label") for i in range(1000)])
    with pytest.raises(NothingToLearn, match=r"'label 8', 'label 9'\)"):
        verdicts.settle()


def test_many_labels_take_linear_time():
    """A list that is searched for each new label takes a minute here."""
    started = time.process_time()
    verdicts, _ = judge([(i, i, None) for i in range(60_000)], batch_size=60_000)
    verdicts.settle()
    assert len(verdicts.count_labels()) == 60_000
    assert time.process_time() - started < 10
