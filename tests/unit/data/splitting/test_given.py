"""Given splits stay as they are, or the contradiction is told."""

import pandas as pd
import pytest

from textmill.data.splitting import ClassTooSmall, UnusableGivenSplits, assign_splits

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def documents(*parts, labels="ab"):
    """`parts`: (split, documents of each class)."""
    rows = [(split, label) for split, count in parts for number in range(count) for label in labels]
    table = pd.DataFrame(rows, columns=["split", "label"])
    names = [f"{number:04x}" for number in range(len(table))]
    return table.assign(id=names, cluster=names, group=None)


@pytest.mark.parametrize("method", ["stratified", "time"])
def test_three_given_splits_stay(method):
    table = documents(("test", 5), ("train", 30), ("validation", 7))
    assert (assign_splits(table, SHARES, 1, method) == table["split"]).all()


def test_validation_is_cut_from_train_where_test_is_given():
    table = documents(("train", 100), ("test", 300))
    splits = assign_splits(table, SHARES, 1)
    assert (splits[table["split"] == "test"] == "test").all()
    # 100 * 0.15 / 0.85 = 17.6 of each class
    expected = {("a", "train"): 82, ("b", "train"): 82, ("a", "validation"): 18, ("b", "validation"): 18}
    found = pd.crosstab(table["label"], splits[table["split"] == "train"]).stack()
    assert found[found > 0].to_dict() == expected


def test_test_is_cut_from_train_where_validation_is_given():
    table = documents(("train", 100), ("validation", 10))
    splits = assign_splits(table, SHARES, 1)
    assert splits.value_counts().to_dict() == {"train": 164, "test": 36, "validation": 20}
    assert (splits[table["split"] == "validation"] == "validation").all()


def test_train_alone_is_as_if_nothing_were_given():
    table = documents(("train", 100))
    assert (assign_splits(table, SHARES, 1) == assign_splits(table.drop(columns="split"), SHARES, 1)).all()


def test_clusters_and_groups_of_train_stay_whole():
    table = documents(("train", 100), ("test", 30))
    table["group"] = [f"g{number // 4}" if number < 160 else None for number in range(260)]
    splits = assign_splits(table, SHARES, 5)
    assert (splits.groupby(table["group"], observed=True).nunique() == 1).all()


def test_rows_without_a_split_are_told():
    table = documents(("train", 10), ("test", 5))
    table.loc[[3, 4], "split"] = None
    with pytest.raises(
        UnusableGivenSplits, match=r"2 of 30 documents have no split.*given \(train, test\): document 0003"
    ):
        assign_splits(table, SHARES, 1)


def test_other_names_are_told():
    table = documents(("train", 10), ("dev", 5))
    with pytest.raises(
        UnusableGivenSplits, match="document 0014 has the split 'dev'; allowed are train, validation, test"
    ):
        assign_splits(table, SHARES, 1)


def test_a_source_without_train_is_told():
    with pytest.raises(UnusableGivenSplits, match=r"\(validation, test\), but none is train"):
        assign_splits(documents(("test", 5), ("validation", 5)), SHARES, 1)


def test_groups_that_cross_are_told():
    table = documents(("train", 10), ("test", 5))
    table["group"] = ["Ann", "Ben", "Cid", None] + ["Dan"] * 16 + ["Ben", "Ann", None, ""] + ["Eve"] * 6
    with pytest.raises(UnusableGivenSplits, match=r"^2 group\(s\) lie in several.*'Ben' in train and test") as caught:
        assign_splits(table, SHARES, 1)
    assert "'Ann' in train and test" in str(caught.value)
    assert "Eve" not in str(caught.value)
    table["group"] = [f"g{number % 10}" for number in range(30)]
    with pytest.raises(UnusableGivenSplits, match=r"^10 group\(s\).*and 5 more\. Either"):
        assign_splits(table, SHARES, 1)


def test_clusters_that_cross_are_for_the_contract_to_judge():
    table = documents(("train", 10), ("test", 5), ("validation", 5)).assign(cluster="same")
    assert (assign_splits(table, SHARES, 1) == table["split"]).all()


def test_a_class_that_a_given_split_lacks_is_told():
    table = pd.concat([documents(("train", 10), ("test", 5)), documents(("test", 3), labels="c")], ignore_index=True)
    with pytest.raises(
        UnusableGivenSplits, match=r"\(train, test\), but after cleaning 'c' has 0 in train, 3 in test \("
    ):
        assign_splits(table, SHARES, 1)
    table = pd.concat([documents(("train", 10), ("test", 5)), documents(("train", 3), labels="d")], ignore_index=True)
    with pytest.raises(UnusableGivenSplits, match=r"'d' has 3 in train, 0 in test"):
        assign_splits(table, SHARES, 1)


def test_what_train_lacks_is_said_to_be_past_learning():
    table = pd.concat([documents(("train", 10), ("test", 5)), documents(("test", 3), labels="c")], ignore_index=True)
    message = r"^Every class must be in every given split .*\(documents\)\. What train lacks no model can learn\. Leave"
    with pytest.raises(UnusableGivenSplits, match=message):
        assign_splits(table, SHARES, 1)
    message = (
        r"^Every label must be in the given train split, but .* 'c' has 0 in train, 3 in test .*Leave the label out"
    )
    with pytest.raises(UnusableGivenSplits, match=message) as caught:
        assign_splits(table, SHARES, 1, task="multi_label")
    assert "validation" not in str(caught.value)
    table = pd.concat([documents(("train", 10), ("test", 5)), documents(("train", 3), labels="d")], ignore_index=True)
    with pytest.raises(UnusableGivenSplits) as caught:
        assign_splits(table, SHARES, 1)
    assert "no model can learn" not in str(caught.value)
    assert set(assign_splits(table, SHARES, 1, task="multi_label")) == {"train", "validation", "test"}


def test_a_class_that_is_too_small_to_cut_is_told():
    table = pd.concat([documents(("train", 10), ("test", 5)), documents(("train", 1), ("test", 1), labels="e")])
    with pytest.raises(ClassTooSmall, match=r"each of train, validation: 2 at least.*'e' has 1 document"):
        assign_splits(table.reset_index(drop=True), SHARES, 1)
