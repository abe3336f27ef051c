"""One pass keeps the right numbers, keys and sample."""

import pandas as pd
import pytest

from tests.contract_files import SPLITS, Files
from textmill.artifacts import MissingArtifact
from textmill.data.contract.reading import read_documents, read_keys
from textmill.paths import Paths


def files(texts, **columns):
    return Files(pd.DataFrame({"text": texts, "label": [f"label {n % 2}" for n in range(len(texts))], **columns}))


def write(made, folder):
    paths = Paths(folder, folder)
    made.write(paths)
    return {name: paths.split(name) for name in SPLITS}, paths


def test_every_document_is_measured_once(tmp_path):
    made = files([f"text {'é' * n}" for n in range(60)])
    documents, _ = read_documents(write(made, tmp_path)[0], 10)
    expected = pd.concat([made.split(name).assign(split=n) for n, name in enumerate(SPLITS)])
    assert documents["id"].tolist() == expected["id"].tolist()
    assert documents["split"].tolist() == expected["split"].tolist()
    assert documents["num_characters"].tolist() == expected["text"].str.len().tolist()
    assert documents["group_key"].isna().all()


def test_texts_that_differ_in_case_and_white_space_share_a_key(tmp_path):
    texts = ["One two", " one\n TWO ", "one  twO", "onetwo", None] * 8
    documents, _ = read_documents(write(files(texts), tmp_path)[0], 10)
    keys = documents.set_index("id")["text_key"].sort_index()  # ids are in the order of the texts
    assert keys.iloc[:3].nunique() == 1
    assert keys.iloc[3] != keys.iloc[0]
    assert keys.isna().tolist() == [False, False, False, False, True] * 8


def test_the_sample_is_of_train_and_moves_by_one_when_one_document_is_added(tmp_path):
    small, large = files([f"text {n}" for n in range(400)]), files([f"text {n}" for n in range(402)])
    (splits, _), (more, _) = write(small, tmp_path / "a"), write(large, tmp_path / "b")
    _, sample = read_documents(splits, 50)
    _, other = read_documents(more, 50)
    assert len(sample.ids) == len(sample.texts) == len(sample.labels) == 50
    assert set(sample.ids) <= set(small.train["id"])
    assert len(set(sample.ids) - set(other.ids)) <= len(large.train) - len(small.train)
    texts = small.clean.set_index("id")["text"]
    assert sample.texts == [texts[name] for name in sample.ids]


def test_a_small_train_split_is_sampled_whole_and_long_texts_are_cut(tmp_path):
    made = files(["start " + "x" * 50_000 + " end"] * 40)
    _, sample = read_documents(write(made, tmp_path)[0], 1000)
    assert len(sample.texts) == len(made.train)
    assert {len(text) for text in sample.texts} == {5001}
    assert all(text.startswith("start") and text.endswith("end") for text in sample.texts)


def test_empty_splits_are_read(tmp_path):
    made = files(["a text"] * 40)
    made.test = made.test[:0]
    made.train = made.train[:0]
    documents, sample = read_documents(write(made, tmp_path)[0], 10)
    assert len(documents) == len(made.validation)
    assert sample.texts == []
    made.validation = made.validation[:0]
    documents, _ = read_documents(write(made, tmp_path)[0], 10)
    assert len(documents) == 0
    assert {"id", "text_key", "num_characters", "split"} <= set(documents)


def test_keys_are_those_of_the_ids(tmp_path):
    made = files(["a text"] * 40)
    made.clean.loc[3, "id"] = None
    _, paths = write(made, tmp_path)
    clean, raw = read_keys(paths.clean_documents, ["id", "label", "cluster"]), read_keys(paths.raw_documents, ["id"])
    assert list(clean) == ["id", "label", "id_key", "cluster_key"]
    assert clean["id_key"].isna().tolist() == [n == 3 for n in range(40)]
    assert (clean["id_key"].dropna() == raw["id_key"].drop(3)).all()
    assert raw["id_key"].is_unique


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(MissingArtifact, match="`dvc repro` makes it"):
        read_documents({name: tmp_path / name for name in SPLITS}, 10)
