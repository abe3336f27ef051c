"""Labels as arrays, by task."""

import numpy as np
import pandas as pd
import pytest

from textmill.artifacts import DOCUMENTS, write_table
from textmill.data.tokenization.targets import ConstantTarget, Targets, UnknownLabel, UnusableTarget


def write(folder, labels):
    path = folder / "train.parquet"
    ids = [f"{number:016x}" for number in range(len(labels))]
    write_table(path, pd.DataFrame({"id": ids, "label": labels}).reindex(columns=DOCUMENTS.names), DOCUMENTS)
    return path


def batch(*labels):
    return pd.DataFrame({"id": [f"id{number}" for number in range(len(labels))], "label": labels})


def test_single_labels_are_indices(tmp_path):
    path = write(tmp_path, ["pos", "neg", "pos"])
    targets = Targets.of_train("single_label", path)
    assert (targets.labels, targets.target) == (["neg", "pos"], None)
    assert targets.encode(batch("neg", "pos", "pos"), path).tolist() == [0, 1, 1]
    with pytest.raises(UnknownLabel, match=r"document \(id1\) with the label 'odd', which no train document has"):
        targets.encode(batch("neg", "odd"), path)


def test_many_labels_are_multi_hot(tmp_path):
    path = write(tmp_path, ["rec|sport", "", "rec", "sci"])
    targets = Targets.of_train("multi_label", path)
    assert (targets.labels, targets.target) == (["rec", "sci", "sport"], None)
    encoded = targets.encode(batch("", "rec|sport", "sci"), path)
    assert encoded.dtype == np.uint8
    assert encoded.tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 0]]
    with pytest.raises(UnknownLabel, match=r"\(id0\) with the label 'soc'"):
        targets.encode(batch("rec|soc"), path)


def test_numbers_are_kept_and_described(tmp_path):
    path = write(tmp_path, ["1.5", "-3.0", "4.5"])
    targets = Targets.of_train("regression", path)
    assert targets.labels == []
    assert targets.target == {"mean": 1.0, "std": pytest.approx(np.sqrt(9.5))}
    encoded = targets.encode(batch("0.1", "1e6"), path)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [np.float32(0.1), 1e6]


@pytest.mark.parametrize("labels", [["2.0"], ["0.1"] * 3, ["1000000.1"] * 7])
def test_a_constant_target_is_told(tmp_path, labels):
    with pytest.raises(ConstantTarget, match=r"Every document of .*train\.parquet has the number"):
        Targets.of_train("regression", write(tmp_path, labels))


def test_small_numbers_are_not_constant(tmp_path):
    targets = Targets.of_train("regression", write(tmp_path, ["1e-10", "3e-10"]))
    assert targets.target == {"mean": pytest.approx(2e-10), "std": pytest.approx(1e-10)}


def test_numbers_beyond_float32_are_told(tmp_path):
    with pytest.raises(UnusableTarget, match=r"train\.parquet has a label of the size 1e\+308"):
        Targets.of_train("regression", write(tmp_path, ["1e308", "-1e308", "5.0"]))
    targets = Targets.of_train("regression", write(tmp_path, ["1.0", "5.0"]))
    with pytest.raises(UnusableTarget, match=r"size 1e\+39.*in a larger unit"):
        targets.encode(batch("1e39"), tmp_path / "test.parquet")


def test_numbers_that_float32_cannot_tell_apart_are_told(tmp_path):
    """Such as moments of one hour in seconds since 1970: float32 has 128 s between two of them."""
    moments = [repr(1.7e9 + 30 * minute) for minute in range(60)]
    with pytest.raises(UnusableTarget, match=r"reach 1\.7e\+09 and differ by .* whose steps are 128"):
        Targets.of_train("regression", write(tmp_path, moments))
