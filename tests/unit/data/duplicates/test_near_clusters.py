"""Who stays among near duplicates: the rule in words, over every small case that hypothesis thinks of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.duplicates.exact import OTHER, TEST, VALIDATION, Rows, judge_equal_texts
from textmill.data.duplicates.near_clusters import judge_near_texts
from textmill.data.quarantine.reasons import KEPT, REASONS

NUM_TEXTS = 6
ROWS = st.lists(
    st.tuples(
        st.integers(0, NUM_TEXTS - 1),
        st.integers(0, 1),
        st.sampled_from([OTHER, OTHER, OTHER, VALIDATION, TEST]),
        st.sampled_from([True, True, True, False]),
    ),
    min_size=1,
    max_size=12,
)
PAIRS = st.sets(st.tuples(st.integers(0, NUM_TEXTS - 1), st.integers(0, NUM_TEXTS - 1)).filter(lambda p: p[0] < p[1]))


def judge(rows, pairs, action="quarantine", drop=True):
    texts, labels, tiers, eligible = ([row[i] for row in rows] for i in range(4))
    table = Rows(np.array(texts, int), np.array(labels, np.int32), np.array(tiers, np.int8), np.array(eligible, bool))
    places = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    equal = judge_equal_texts(table, drop=drop)
    return equal, judge_near_texts(table, equal, places, NUM_TEXTS, action)


def names(fates):
    return [None if code == KEPT else list(REASONS)[code] for code in fates.reason]


def documents(*texts):
    """Rows with a text and a label each, such as `0+` and `1-`; a capital letter behind names the split."""
    tiers = {"": OTHER, "V": VALIDATION, "T": TEST}
    return [(int(text[0]), int(text[1] == "+"), tiers[text[2:]], True) for text in texts]


@pytest.mark.parametrize(
    ("rows", "pairs", "expected"),
    [
        (["0+", "1+", "2-"], {(0, 1)}, [None, "near_duplicate", None]),
        (["0+", "1-", "2-"], {(0, 1)}, ["near_conflicting_labels"] * 2 + [None]),
        # A chain of small changes: what is not like the one that stays, stays.
        (["0+", "1+", "2+"], {(0, 1), (1, 2)}, [None, "near_duplicate", None]),
        (["0+", "1+", "2+"], {(0, 1), (0, 2)}, [None, "near_duplicate", "near_duplicate"]),
        (["0+", "1+", "2-"], {(0, 1), (0, 2)}, ["near_conflicting_labels"] * 3),
        # The test set outranks what comes before it, and stays whole.
        (["0+", "1+T", "2+T"], {(0, 1), (1, 2)}, ["leaks_into_test", None, None]),
        (["0+", "1-T"], {(0, 1)}, ["leaks_into_test", None]),
        (["0+", "1+V", "2+T"], {(0, 1), (1, 2)}, [None, "leaks_into_test", None]),
        (["0-", "1+V"], {(0, 1)}, ["leaks_into_validation", None]),
        (["0+", "1+V", "2+V"], {(0, 2), (1, 2)}, [None, None, "near_duplicate"]),
        (["0+", "1+V", "2-V"], {(0, 1), (1, 2)}, ["near_conflicting_labels"] * 3),
        # Equal texts are judged first; who went for a text that goes shares its fate.
        (["0+", "1+", "1+"], {(0, 1)}, [None, "near_duplicate", "near_duplicate"]),
        (["1+", "1+", "0+T"], {(0, 1)}, ["leaks_into_test", "leaks_into_test", None]),
        (["1+", "1+V", "0+V"], {(0, 1)}, ["leaks_into_validation", None, "near_duplicate"]),
        (["1+", "0+V", "1+V"], {(0, 1)}, ["leaks_into_validation", None, "near_duplicate"]),
        (["0+", "0-", "1+"], {(0, 1)}, ["conflicting_labels", "conflicting_labels", None]),
    ],
)
def test_what_goes(rows, pairs, expected):
    _, near = judge(documents(*rows), pairs)
    assert names(near.fates) == expected


def test_what_is_kept_is_named():
    _, near = judge(documents("1+", "0+", "0+", "2+", "3+T"), {(0, 1), (2, 3)})
    assert list(near.fates.kept) == [0, 0, 0, 4, 4]
    assert list(near.sizes) == [2]


@pytest.mark.parametrize(
    ("rows", "pairs", "expected", "clusters"),
    [
        (["0+", "1-", "2+"], {(0, 1), (1, 2)}, [None, None, None], [0, 0, 0]),
        (["2+", "1+", "0+"], {(0, 1)}, [None, None, None], [1, 1, 2]),  # the first that came
        (["0+", "1+", "2+T"], {(0, 1), (1, 2)}, [None, "leaks_into_test", None], [0, 1, 2]),
        (["0+T", "1+T"], {(0, 1)}, [None, None], [0, 1]),
        (["0+", "1+V"], {(0, 1)}, ["leaks_into_validation", None], [0, 1]),
    ],
)
def test_groups_are_what_is_connected(rows, pairs, expected, clusters):
    _, near = judge(documents(*rows), pairs, action="group")
    assert names(near.fates) == expected
    assert list(near.cluster[: len(clusters)]) == clusters


def test_a_chain_is_told_so_that_the_rest_is_searched_again():
    assert judge(documents("0+", "1+", "2+"), {(0, 1), (1, 2)})[1].has_chains
    assert not judge(documents("0+", "1+", "2+"), {(0, 1), (0, 2)})[1].has_chains


def test_equal_texts_that_are_all_kept_share_the_fate_of_their_text():
    _, near = judge(documents("0+", "1+", "1+", "1-"), {(0, 1)}, drop=False)
    assert names(near.fates) == ["near_conflicting_labels"] * 4
    assert list(near.sizes) == [4]
    _, near = judge(documents("0+", "0-"), set(), drop=False)
    assert names(near.fates) == [None, None]


@given(ROWS, PAIRS, st.booleans())
def test_what_stays_has_no_near_duplicate_and_what_goes_has_one_that_stays(rows, pairs, drop):
    equal, near = judge(rows, pairs, drop=drop)
    alike = pairs | {(b, a) for a, b in pairs} | {(t, t) for t in range(NUM_TEXTS)}
    told = names(near.fates)
    for place, ((text, _, tier, eligible), reason, kept) in enumerate(zip(rows, told, near.fates.kept, strict=True)):
        if not eligible or reason is None or "conflicting" in reason:
            assert kept == place
            continue
        assert told[kept] is None  # whatever is told to be kept is
        assert (text, rows[kept][0]) in alike or equal.reason[place] != KEPT
        assert (rows[kept][2] == TEST) == (reason == "leaks_into_test")
        assert tier < TEST
    stays = [row for row, reason in zip(rows, told, strict=True) if reason is None and row[3]]
    for one in stays:
        for other in stays:
            if (one[0], other[0]) in pairs:
                assert one[2] == other[2] == TEST
    assert near.sizes.sum() <= len(rows)


@given(ROWS, PAIRS)
def test_groups_keep_all_but_leaks_and_never_cross(rows, pairs):
    equal, near = judge(rows, pairs, action="group")
    new = {name for name, code in zip(names(near.fates), equal.reason, strict=True) if code == KEPT} - {None}
    assert new <= {"leaks_into_test", "leaks_into_validation"}
    stays = {row[0]: row[2] for row, reason in zip(rows, names(near.fates), strict=True) if reason is None and row[3]}
    for one, other in pairs:
        if {one, other} <= set(stays):
            assert stays[one] == stays[other]
            assert stays[one] == TEST or near.cluster[one] == near.cluster[other]
