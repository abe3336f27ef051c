"""Which texts count as one, and what becomes of rows that share one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import cluster_of
from textmill.data.duplicates.exact import OTHER, TEST, VALIDATION, Rows, judge_equal_texts, normalise
from textmill.data.quarantine.reasons import KEPT, REASONS


@pytest.mark.parametrize(
    ("one", "other"),
    [("A  b\n", "a b"), ("Straße", "STRASSE"), ("ﬁne", "fine"), ("e\u0301", "É"), ("ｗｉｄｅ", "wide")],  # noqa: RUF001
)
def test_texts_that_count_as_one(one, other):
    assert cluster_of(one) == cluster_of(other)


def test_distinct_texts_are_kept_apart():
    assert cluster_of("good film") != cluster_of("good films")


@given(st.text())
def test_normal_form_is_stable(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_ascii_takes_the_short_way_to_the_same_form(text):
    assert normalise(text) == " ".join(text.casefold().split())


def reference(texts, labels, tiers, drop):
    """The rule in words. Returns the reason and the row that is kept instead, or None, of each row."""
    fates = []
    for place, (text, tier) in enumerate(zip(texts, tiers, strict=True)):
        same = [i for i, other in enumerate(texts) if other == text]
        highest = max(tiers[i] for i in same)
        peers = [i for i in same if tiers[i] == highest]
        conflict = drop and highest < TEST and len({labels[i] for i in peers}) > 1
        if conflict:
            fates.append(("conflicting_labels", None))
        elif tier < highest:
            fates.append(("leaks_into_test" if highest == TEST else "leaks_into_validation", peers[0]))
        elif drop and highest < TEST and place != peers[0]:
            fates.append(("duplicate", peers[0]))
        else:
            fates.append((None, None))
    return fates


ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 1), st.sampled_from([OTHER, VALIDATION, TEST]), st.booleans()),
    max_size=12,
)


def tell(fates):
    names = [None if code == KEPT else list(REASONS)[code] for code in fates.reason]
    kept = [None if row == place else int(row) for place, row in enumerate(fates.kept)]
    return list(zip(names, kept, strict=True))


@given(ROWS, st.booleans())
def test_fates_follow_the_rule(rows, drop):
    texts, labels, tiers, eligible = ([row[i] for row in rows] for i in range(4))
    found = judge_equal_texts(
        Rows(np.array(texts, int), np.array(labels, np.int32), np.array(tiers, np.int8), np.array(eligible, bool)),
        drop=drop,
    )
    places = [i for i, ok in enumerate(eligible) if ok]
    expected = [(None, None)] * len(rows)
    chosen = reference([texts[i] for i in places], [labels[i] for i in places], [tiers[i] for i in places], drop)
    for place, (reason, kept) in zip(places, chosen, strict=True):
        expected[place] = (reason, None if kept is None else places[kept])
    assert tell(found) == expected
