"""The split by time: train before validation before test, equal times together."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.splitting import ClassTooSmall, UnusableTimes, assign_splits
from textmill.data.splitting.times import read_times

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def documents(times, labels="ab", **columns):
    names = [f"{number:04x}" for number in range(len(times))]
    kinds = [labels[number % len(labels)] for number in range(len(times))]
    return pd.DataFrame({"id": names, "cluster": names, "label": kinds, "time": pd.array(times, "str"), **columns})


@given(st.lists(st.integers(0, 400), min_size=20, max_size=300), st.integers(0, 99))
def test_parts_follow_each_other_and_equal_times_stay_together(numbers, seed):
    table = documents([str(number) for number in numbers], labels="a")
    try:
        splits = assign_splits(table, SHARES, seed, "time")
    except UnusableTimes:
        assert len(set(numbers)) < 3
        return
    times = pd.Series(numbers)
    assert times[splits == "train"].max() < times[splits == "validation"].min()
    assert times[splits == "validation"].max() < times[splits == "test"].min()
    # As near the shares as whole times allow, when no part had to be forced to have one.
    border = 0.7 * len(numbers)
    ends = times.value_counts().sort_index().cumsum()
    if (splits == "validation").sum() > times[splits == "validation"].value_counts().iloc[0]:
        assert abs((splits == "train").sum() - border) == pytest.approx((ends - border).abs().min())


def test_shares_are_exact_where_times_differ():
    days = pd.date_range("2020-01-01", periods=1000).strftime("%Y-%m-%d")
    splits = assign_splits(documents(days), SHARES, 1, "time")
    assert splits.tolist() == ["train"] * 700 + ["validation"] * 150 + ["test"] * 150


def test_an_atom_goes_where_its_newest_document_goes():
    table = documents([str(number) for number in range(100)], group=["g"] + [None] * 98 + ["g"])
    splits = assign_splits(table, SHARES, 1, "time")
    assert splits[0] == splits[99] == "test"
    assert splits[1] == "train"


def test_only_the_given_train_split_is_cut_by_time():
    table = documents([str(number) for number in range(100)], split=["test"] * 20 + ["train"] * 80)
    table.loc[:19, "time"] = None
    splits = assign_splits(table, SHARES, 1, "time")
    assert splits.tolist() == ["test"] * 20 + ["train"] * 66 + ["validation"] * 14  # 80 * 0.7 / 0.85 = 65.9


@pytest.mark.parametrize(
    "times",
    [
        ["2024-05-31", "2024-05-31T00:00:01", "2024-05-31T01:30:00+01:00", "2024-05-31T00:30:00.5Z", "2024-06"],
        ["-5", " 1.5 ", "2e0", "3", "4"],
        ["1700000000000000001", "1700000000000000002", "1700000000000000003"],  # more digits than a float holds
        ["2019", "2019-05-01", "2020"],  # all dates, though two would pass for numbers
    ],
)
def test_numbers_and_dates_are_ordered(times):
    found = read_times(documents(times))
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["1", "2", None], r"1 of 3 have none that can be read: no value of document 0002"),
        (["2024-05-31", "31.5.2024", "x"], r"2 of 3 have none that can be read: '31.5.2024' of document 0001"),
        (["1", "inf"], r"'inf' of document 0001"),
        (
            ["1.5", "2024-05-31"],
            r"mixes numbers \('1.5' of document 0000\) with dates \('2024-05-31' of document 0001\)",
        ),
    ],
)
def test_times_that_cannot_be_ordered_are_told(times, message):
    with pytest.raises(UnusableTimes, match=message):
        read_times(documents(times))


def test_too_few_times_are_told():
    with pytest.raises(UnusableTimes, match=r"2 different value\(s\).*too few to cut train, validation, test from"):
        assign_splits(documents(["1", "2"] * 10), SHARES, 1, "time")


def test_a_class_that_came_or_went_is_told():
    table = documents([str(number) for number in range(100)], labels="a")
    table.loc[:4, "label"] = "old"
    with pytest.raises(ClassTooSmall, match=r"'old' has 5 document\(s\), none of them in validation, test"):
        assign_splits(table, SHARES, 1, "time")
