"""Every class in every part wherever that is possible, which all ways of dealing groups out can tell."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from textmill.data.splitting.gaps import MAX_FREE, fill_gaps
from textmill.data.splitting.stratification import stratify

NUM_PARTS = 3
HOLDINGS = st.lists(st.lists(st.booleans(), min_size=3, max_size=3).filter(any), min_size=3, max_size=6)


def covers(holds_AC, part_A):
    return all(holds_AC[np.array(part_A) == part].any(axis=0).all() for part in range(NUM_PARTS))


@settings(max_examples=200)
@given(HOLDINGS, st.integers(1, 9))
def test_a_class_is_missing_only_where_no_way_exists(holdings, scale):
    holds_AC = np.array(holdings)
    holds_AC = holds_AC[:, holds_AC.sum(axis=0) >= NUM_PARTS]
    if not holds_AC.size:
        return
    counts_AC = csr_array(holds_AC * np.arange(1, holds_AC.size + 1).reshape(holds_AC.shape) * scale)
    part_A = stratify(counts_AC, np.arange(len(holds_AC), dtype=np.uint64), [0.15, 0.15, 0.7])
    possible = any(covers(holds_AC, way) for way in product(range(NUM_PARTS), repeat=len(holds_AC)))
    assert covers(holds_AC, part_A) == possible


def test_as_few_documents_move_as_possible():
    """Part 1 lacks the class: of its atoms with 9, 2 and 5 documents in part 0, the one with 2 moves."""
    counts_AC = csr_array(np.array([[9], [2], [5], [7]]))
    assert fill_gaps(counts_AC, np.array([0, 0, 0, 2], np.int8), NUM_PARTS).tolist() == [0, 1, 0, 2]


def test_what_cannot_be_filled_stays_as_it_was():
    assert fill_gaps(csr_array(np.array([[1], [1]])), np.zeros(2, np.int8), NUM_PARTS).tolist() == [0, 0]
    many = csr_array(np.ones((MAX_FREE + 1, 1)))
    assert fill_gaps(many, np.zeros(MAX_FREE + 1, np.int8), NUM_PARTS).max() == 0
