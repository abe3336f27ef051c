"""Samples by hash: the same whatever the order, within their limits, and fair."""

import numpy as np
import pandas as pd
import pytest

from textmill.artifacts import DOCUMENTS, MissingArtifact, write_table
from textmill.data.text_samples import read_texts, survey


def write(path, texts, ids=None):
    ids = [f"{i:016x}" for i in range(len(texts))] if ids is None else ids
    columns = dict.fromkeys(DOCUMENTS.names)
    write_table(path, pd.DataFrame({**columns, "id": ids, "text": texts}), DOCUMENTS)
    return path


@pytest.fixture
def table(tmp_path):
    return write(tmp_path / "train.parquet", [f"text {i} " + "é" * (i % 50) for i in range(5000)])


def sample(path, *limits):
    rows = survey(path).first(*limits)
    return [text for batch in read_texts(path, rows) for text in batch]


def test_the_sample_does_not_depend_on_the_order_of_rows(table, tmp_path):
    texts = [f"text {i} " + "é" * (i % 50) for i in range(5000)]
    order = np.random.default_rng(0).permutation(5000)
    shuffled = write(tmp_path / "b.parquet", [texts[i] for i in order], [f"{i:016x}" for i in order])
    assert sorted(sample(table, 300, 10**9)) == sorted(sample(shuffled, 300, 10**9))


def test_the_sample_is_spread_over_the_rows(table):
    rows = survey(table).first(1000, 10**9)
    assert len(rows) == 1000
    assert (np.diff(rows) > 0).all()
    # 500 of the first half, give or take 4 standard deviations of a draw without replacement
    assert abs((rows < 2500).sum() - 500) < 4 * 14.2


def test_the_limits_hold(table):
    surveyed = survey(table)
    assert surveyed.characters[49] == len("text 49 ") + 49  # characters, not bytes
    rows = surveyed.first(5000, 10_000)
    assert 9_900 < surveyed.characters[rows].sum() <= 10_000
    assert len(surveyed.first(5000, 1)) == 1
    assert len(surveyed.first(10**6, 10**9)) == 5000


def test_rows_are_read_as_they_are(table):
    rows = np.array([0, 1023, 1024, 4999])
    assert [t.split()[1] for batch in read_texts(table, rows) for t in batch] == ["0", "1023", "1024", "4999"]


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(MissingArtifact, match=r"train\.parquet is missing"):
        survey(tmp_path / "train.parquet")
