"""Documents of each class, label or range."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.contract.classes import count_classes


def test_classes_are_counted():
    labels = pd.Series(list("aaabbbbbbb"))
    classes = count_classes(labels, {"train": labels[:6], "validation": labels[6:8], "test": labels[8:]})
    assert classes.counts.to_dict("index") == {
        "a": {"documents": 3, "train": 3, "validation": 0, "test": 0},
        "b": {"documents": 7, "train": 3, "validation": 2, "test": 2},
    }
    assert classes.shares("train").to_dict() == {"a": 0.5, "b": 0.5}
    assert classes.target is None


def test_a_document_counts_for_each_of_its_labels():
    labels = pd.Series(["a|b", "a", "", "b|c", None])
    classes = count_classes(labels, {"train": labels[:2], "test": labels[2:]}, "multi_label")
    assert classes.counts.to_dict("index") == {
        "a": {"documents": 2, "train": 2, "test": 0},
        "b": {"documents": 2, "train": 1, "test": 1},
        "c": {"documents": 1, "train": 0, "test": 1},
    }
    assert classes.sizes == {"documents": 4, "train": 2, "test": 2}
    assert classes.shares("documents").tolist() == [0.5, 0.5, 0.25]


def test_numbers_are_counted_by_tenths():
    labels = pd.Series([repr(float(number)) for number in range(100)])
    classes = count_classes(labels, {"train": labels[:50], "test": labels[50:]}, "regression")
    assert classes.counts["documents"].tolist() == [10] * 10
    assert classes.counts["train"].tolist() == [10] * 5 + [0] * 5
    assert list(classes.counts.index[:2]) == ["below 9.9", "9.9 to 19.8"]
    assert classes.target == {
        "min": 0.0,
        "max": 99.0,
        "mean": 49.5,
        "std": pytest.approx(np.arange(100).std()),
        "borders": pytest.approx([9.9 * number for number in range(1, 10)]),
    }


def test_given_borders_are_kept():
    labels = pd.Series(["-1.0", "0.0", "5.0", "five", None])
    classes = count_classes(labels, {}, "regression", [0.0, 3.0])
    assert classes.counts["documents"].to_dict() == {"below 0": 1, "0 to 3": 1, "from 3": 1}
    assert classes.sizes == {"documents": 3}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=50))
def test_every_number_is_in_one_range(numbers):
    labels = pd.Series([repr(number) for number in numbers], dtype=object)
    classes = count_classes(labels, {"train": labels[::2]}, "regression")
    assert classes.counts.sum().to_dict() == {"documents": len(numbers), "train": len(numbers[::2])}
    assert classes.counts.index.is_unique
