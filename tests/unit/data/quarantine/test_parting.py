"""The rows that stay and those that go, and their counts."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from textmill.data.quarantine.parting import NothingToLearn, Settlement
from textmill.data.quarantine.reasons import CODES, KEPT, REASONS


def settlement(**changes):
    """Six rows: 1 and 2 stay, 3 is like 1, 4 contradicts, 5 was rare and merged, 6 has no label."""
    reasons = [KEPT, KEPT, CODES["duplicate"], CODES["conflicting_labels"], KEPT, CODES["missing_label"]]
    settled = {
        "ids": np.arange(1, 7, dtype=np.uint64),
        "task": "single_label",
        "names": ["x", "y", "r"],
        "label": np.array([0, 1, 0, 1, 1, -1], np.int32),
        "found_label": np.array([0, 1, 0, 1, 2, -1], np.int32),
        "reason": np.array(reasons, np.int8),
        "kept": np.array([0, 1, 0, 3, 4, 5]),
        "is_equal": np.array([0, 0, 1, 1, 0, 0], bool),
        "cluster": None,
        "near_sizes": np.empty(0, np.int64),
    }
    return Settlement(**(settled | changes))


def batches(size=2):
    table = pd.DataFrame(
        {"id": [f"{i:016x}" for i in range(1, 7)], "text": list("abcdef"), "slice_lang": list("uvwxyz")}
    )
    table["slice_lang"] = list("uvwxyz")
    return [table[i : i + size].reset_index(drop=True) for i in range(0, 6, size)]


@pytest.mark.parametrize("size", [1, 4, 6])
def test_rows_part_whatever_the_batches(size):
    kept = pd.concat(settlement().keep(batches(size)))
    assert list(kept["text"]) == ["a", "b", "e"]
    assert list(kept["label"]) == ["x", "y", "y"]
    gone = pd.concat(settlement().quarantine(batches(size)))
    assert gone["text"].tolist() == ["c", "d", "f"]
    assert gone["slice_lang"].tolist() == ["w", "x", "z"]
    assert gone["reason"].tolist() == ["duplicate", "conflicting_labels", "missing_label"]
    assert gone["kept_id"].fillna("").tolist() == ["0000000000000001", "", ""]


def test_clusters_of_groups_are_written():
    grouped = settlement(cluster=np.array([7, 7, 0, 0, 8, 0], np.uint64))
    assert pd.concat(grouped.keep(batches()))["cluster"].tolist() == ["0" * 15 + digit for digit in "778"]


def test_the_summary_adds_up():
    corrections = [{"id": "a", "from": "x", "to": "y"}]
    summary = settlement(near_sizes=np.array([2, 5])).summary(Counter(html_to_text=2, lowercase=0), corrections)
    assert (summary["ingested"], summary["kept"], summary["quarantined"]) == (6, 3, 3)
    assert list(summary["reasons"]) == list(REASONS)
    assert {name: count for name, count in summary["reasons"].items() if count} == {
        "missing_label": 1,
        "duplicate": 1,
        "conflicting_labels": 1,
    }
    assert summary["repaired"] == {"html_to_text": 2, "lowercase": 0}
    assert summary["labels"] == {"x": 1, "y": 2}
    assert summary["merged_labels"] == {"r": 1}
    assert summary["near_duplicates"] == {"num_clusters": 2, "largest": 5}
    assert summary["leaks"] == {"exact": 0, "near": 0}
    assert summary["corrections"] == corrections


def test_leaks_are_counted_by_kind():
    leaks = np.array([KEPT, KEPT, *[CODES["leaks_into_test"]] * 3, CODES["leaks_into_validation"]], np.int8)
    summary = settlement(reason=leaks, kept=np.array([0, 1, 0, 0, 0, 1])).summary(Counter(), [])
    assert summary["leaks"] == {"exact": 2, "near": 2}


def test_a_kept_id_of_a_row_that_goes_is_our_mistake():
    with pytest.raises(AssertionError, match="told to be kept"):
        settlement(kept=np.array([0, 1, 3, 3, 4, 5])).summary(Counter(), [])


def test_a_table_that_changed_between_two_passes_is_our_mistake():
    with pytest.raises(AssertionError, match="changed between two passes"):
        list(settlement().keep(batches()[:2]))


def test_nothing_to_learn_is_told():
    settlement().check_classes([])
    with pytest.raises(NothingToLearn, match=r"All 3 documents .* have one label, 'x'; .*1 duplicate"):
        settlement(label=np.zeros(6, np.int32)).check_classes([])
    empty = settlement(reason=np.full(6, CODES["unknown_label"], np.int8))
    with pytest.raises(NothingToLearn, match=r"all 6 rows .*6 unknown_label; labels .* does not list: 'pos'"):
        empty.check_classes(["pos"])
