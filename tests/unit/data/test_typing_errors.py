"""Mistakes in typing are those of Damerau, one in a word."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.typing_errors import NEIGHBOURS, mistype


@given(st.text(min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_a_mistake_is_one_edit(word, seed):
    """Of Damerau's four kinds: the lengths differ by one at most, and so do the letters but for a swapped pair."""
    mistyped = mistype(word, np.random.default_rng(seed))
    assert mistyped
    differing = (Counter(word) - Counter(mistyped)) + (Counter(mistyped) - Counter(word))
    assert abs(len(mistyped) - len(word)) <= 1
    assert differing.total() <= 2
    if len(mistyped) == len(word) and Counter(word) == Counter(mistyped):
        changed = [position for position in range(len(word)) if word[position] != mistyped[position]]
        assert len(changed) == 2 and changed[1] == changed[0] + 1
    elif len(mistyped) == len(word):
        (position,) = (position for position in range(len(word)) if word[position] != mistyped[position])
        assert mistyped[position].lower() in NEIGHBOURS[word[position].lower()]


def test_keys_beside_each_other():
    assert sorted(NEIGHBOURS["s"]) == sorted("awedxz")
    assert sorted(NEIGHBOURS["q"]) == sorted("wa")
    assert all(key in NEIGHBOURS[other] for key, others in NEIGHBOURS.items() for other in others)
