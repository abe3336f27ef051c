from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.group_case import group_case
from textmill.evaluation.groups import (
    MISSING,
    Grouping,
    cells_of,
    cut,
    find_wrong,
    group_by_column,
    group_by_length,
    resample_groups,
)


def column(values: list) -> pd.DataFrame:
    return pd.DataFrame({"slice_x": pd.Series(values, dtype=object)})


def test_each_value_is_a_group_and_what_is_empty_is_one_too():
    grouping = group_by_column(column(["b", "a", None, "b", "", " ", float("nan")]), "x", 4)
    assert grouping.values == ["a", "b", MISSING]
    assert grouping.codes_N.tolist() == [1, 0, 2, 1, 2, 2, 2]


def test_few_numbers_are_values_and_many_are_bins():
    years = [str(1990 + i % 15) for i in range(150)]
    assert group_by_column(column(years), "x", 4).values == [str(1990 + i) for i in range(15)]
    prices = [*(str(i) for i in range(100)), None]
    grouping = group_by_column(column(prices), "x", 4)
    assert grouping.values == ["0 to 24", "25 to 49", "50 to 74", "75 to 99", MISSING]
    assert grouping.sizes().tolist() == [25, 25, 25, 25, 1]
    mixed = [*prices[:99], "unknown"]
    assert len(group_by_column(column(mixed), "x", 4).values) == 100


@pytest.mark.parametrize("num_bins", [2, 4, 20])
def test_bins_hold_equally_many_and_equal_numbers_stay_together(num_bins):
    rng = np.random.default_rng(0)
    for numbers in (rng.normal(size=1000), rng.integers(0, 60, 1000).astype(float)):
        names, codes_N = cut(numbers, num_bins)
        sizes = np.bincount(codes_N)
        ties = np.unique(numbers, return_counts=True)[1].max()
        assert len(names) == num_bins
        assert sizes.max() - sizes.min() <= 2 * ties + 1
        assert all(len(set(codes_N[numbers == number])) == 1 for number in set(numbers.tolist()))
        ends = [(numbers[codes_N == i].min(), numbers[codes_N == i].max()) for i in range(num_bins)]
        assert all(high < low for (_, high), (low, _) in pairwise(ends))


def test_equal_numbers_are_one_bin_and_what_is_no_number_has_none():
    assert cut(np.full(10, 3.0), 4)[0] == ["3"]
    mostly = np.array([5.0] * 90 + [1.0, 9.0] * 5 + [np.nan])
    names, codes_N = cut(mostly, 4)
    assert codes_N[-1] == -1
    assert sum(np.bincount(codes_N[:-1])) == 100
    assert len(names) <= 3


def test_lengths_are_characters():
    texts = [length * "é" for length in (3, 1, 2, 4)]
    grouping = group_by_length(pd.DataFrame({"text": texts}), 2)
    assert grouping.values == ["1 to 2 characters", "3 to 4 characters"]
    assert grouping.codes_N.tolist() == [1, 0, 0, 1]


def test_a_group_and_its_rest_need_documents():
    grouping = Grouping("x", ["a", "b", "c"], np.repeat([0, 1, 2], [50, 20, 4]))
    judged, left_out = grouping.judged(20)
    assert (judged.values, left_out) == (["a", "b"], 1)
    assert judged.codes_N.tolist() == [0] * 50 + [1] * 20 + [-1] * 4
    assert grouping.judged(25)[0].values == []  # all but 24 are in a
    assert grouping.judged(20, most=1)[0].values == ["a"]


def test_ids_are_too_small_each():
    ids = group_by_column(column([f"user {i}" for i in range(100)] + ["bot"] * 30), "x", 4)
    judged, left_out = ids.judged(20)
    assert (judged.values, left_out) == (["bot"], 100)


def test_wrong_is_a_wrong_label_a_set_that_is_not_right_and_a_large_error(tmp_path):
    single = group_case(tmp_path, np.array([0, 1, 2, 2]), np.array([0, 2, 2, 1]), num_classes=3)
    assert find_wrong(single).tolist() == [False, True, False, True]
    truth = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0]])
    answers = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 0]])
    several = group_case(tmp_path, truth, answers, task="multi_label", num_classes=3)
    assert find_wrong(several).tolist() == [False, True, True]
    numbers = np.arange(8.0)
    off = group_case(tmp_path, numbers, numbers + np.array([0, 1, 0, -5, 0, 1, 9, 0]), task="regression")
    assert np.flatnonzero(find_wrong(off)).tolist() == [3, 6]
    assert not find_wrong(group_case(tmp_path, numbers, numbers + 3, task="regression")).any()


def test_cells_add_up_to_the_documents(tmp_path):
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 2, (2, 200, 4))
    case = group_case(tmp_path, truth, answers, task="multi_label", num_classes=4)
    some_N = rng.random(200) < 0.5
    sums = cells_of(case).sums(some_N)
    right = (truth == answers).all(axis=1)
    expected = [(truth & answers)[some_N].sum(0), truth[some_N].sum(0), answers[some_N].sum(0)]
    np.testing.assert_array_equal(sums, np.concatenate([*expected, [right[some_N].sum(), some_N.sum()]]))


def test_groups_are_resampled_apart_and_keep_their_size(tmp_path):
    rng = np.random.default_rng(1)
    truth = np.tile(rng.integers(0, 2, 100), 3)
    answers = np.where(np.tile(rng.random(100), 3) < 0.8, truth, 1 - truth)  # equal groups, so equal seeds would show
    grouping = Grouping("x", ["p", "q"], np.repeat([0, 1, -1], 100))
    cells = cells_of(group_case(tmp_path, truth, answers))
    sums = dict(resample_groups(grouping, cells, num_resamples=4000, seed=0))
    assert sorted(sums) == [-1, 0, 1]
    for code, sums_RS in sums.items():
        right_N = (truth == answers)[grouping.codes_N == code]
        assert (sums_RS[:, -1] == 100).all()
        assert sums_RS[:, -2].mean() == pytest.approx(right_N.sum(), abs=0.5)
        assert sums_RS[:, -2].std() == pytest.approx(10 * right_N.std(), rel=0.05)
    assert abs(np.corrcoef(sums[0][:, -2], sums[1][:, -2])[0, 1]) < 0.06
    again = dict(resample_groups(grouping, cells, num_resamples=4000, seed=0))
    np.testing.assert_array_equal(sums[0], again[0])
