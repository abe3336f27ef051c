"""The arrays give back what was written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.artifacts import MissingArtifact
from textmill.data.tokens import Encoded, TokenArrays, read_meta, summarise, write_split

NAMES = ("ids", "offsets", "windows", "labels")
IDS = st.lists(st.integers(0, 65535), max_size=9)
DOCUMENTS = st.lists(st.tuples(st.lists(IDS, min_size=1, max_size=3), st.integers(0, 4)), min_size=1, max_size=20)


def as_batch(documents):
    windows = [window for windows, _ in documents for window in windows]
    labels = np.array([label for _, label in documents])
    return Encoded.join(windows), labels, np.array([len(windows) for windows, _ in documents])


@given(DOCUMENTS, st.integers(1, 7))
def test_arrays_give_back_what_was_written(tmp_path_factory, documents, batch_size):
    folder = tmp_path_factory.mktemp("tokens")
    documents[0] = ([[101]], documents[0][1])  # a split has a token
    batches = [documents[i : i + batch_size] for i in range(0, len(documents), batch_size)]
    write_split(folder, "train", (as_batch(batch) for batch in batches), 65536)
    arrays = TokenArrays.open(folder, "train")
    assert len(arrays) == len(documents)
    assert [[window.tolist() for window in arrays[i]] for i in range(len(arrays))] == [w for w, _ in documents]
    assert arrays.labels.tolist() == [label for _, label in documents]
    assert arrays.lengths.tolist() == [sum(map(len, windows)) for windows, _ in documents]
    assert arrays.window_lengths.tolist() == [len(window) for windows, _ in documents for window in windows]
    assert isinstance(arrays.ids, np.memmap)
    assert (arrays.ids.dtype, arrays.offsets.dtype, arrays.labels.dtype) == (np.uint16, np.int64, np.int64)
    assert {file.name for file in folder.iterdir()} == {f"train.{name}.npy" for name in NAMES}


def test_large_vocabularies_get_wider_ids(tmp_path):
    write_split(tmp_path, "train", [(Encoded.join([[70000, 1]]), [0])], 250_000)
    arrays = TokenArrays.open(tmp_path, "train")
    assert arrays.ids.dtype == np.uint32
    assert [window.tolist() for window in arrays[0]] == [[70000, 1]]


@pytest.mark.parametrize(("largest", "dtype"), [(0, np.uint8), (255, np.uint8), (256, np.uint16), (70_000, np.uint32)])
def test_labels_take_the_smallest_type_on_disk(tmp_path, largest, dtype):
    write_split(tmp_path, "train", [(Encoded.join([[1], [2]]), [0, largest])], 10)
    assert np.load(tmp_path / "train.labels.npy").dtype == dtype
    labels = TokenArrays.open(tmp_path, "train").labels
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, largest]


@pytest.mark.parametrize("labels", [np.uint8([[1, 0], [0, 0]]), np.float32([0.5, -3])], ids=["multi", "numbers"])
def test_labels_of_other_tasks_are_read_as_floats(tmp_path, labels):
    write_split(tmp_path, "train", [(Encoded.join([[1], [2, 3]]), labels)], 10)
    read = TokenArrays.open(tmp_path, "train").labels
    assert read.dtype == np.float32
    assert read.tolist() == labels.tolist()


def test_summary(tmp_path):
    write_split(tmp_path, "train", [(Encoded.join([[1] * n for n in (2, 4, 6, 8)]), [0, 1, 0, 1])], 10)
    counts = {"documents": 4, "truncated": 1, "tokens": 12, "unknown": 3}
    assert summarise(tmp_path, "train", counts) == {
        "num_documents": 4,
        "num_windows": 4,
        "num_tokens": 20,
        "truncated_share": 0.25,
        "unknown_share": 0.25,
        "tokens_p50": 5.0,
        "tokens_p95": pytest.approx(7.7),
        "tokens_max": 8,
    }


def test_missing_arrays_are_told(tmp_path):
    with pytest.raises(MissingArtifact, match=r"train\.ids\.npy is missing"):
        TokenArrays.open(tmp_path, "train")
    with pytest.raises(MissingArtifact, match=r"tokens\.json is missing"):
        read_meta(tmp_path)
