"""Documents beside those of the train split."""

import json

import numpy as np
import pytest

from tests.tiny_model import META, write_tokens
from textmill.assets import AssetNotFound
from textmill.compression.distillation.documents import changed_copies, join, more_texts
from textmill.data.sources.errors import EmptySource, MissingColumn
from textmill.data.tokens import TokenArrays
from textmill.training.dataset import TrainingData


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens"), 30, 10))


def contents(tokens):
    return [[window.tolist() for window in tokens[index]] for index in range(len(tokens))]


def write_texts(path, texts, header="text"):
    lines = [header, *texts] if header else texts
    path.write_text("\n".join(lines) + "\n")
    return path


def copy(data, folder, **changes):
    shares = {"swap": 0.0, "delete": 0.0, "typo": 0.0, **changes}
    return changed_copies(data, copies=2, seed=7, folder=folder, **shares)


def test_copies_are_changed_each_on_its_own_and_the_same_each_time(data, tmp_path):
    found = contents(copy(data, tmp_path / "a", delete=0.5))
    assert contents(copy(data, tmp_path / "b", delete=0.5)) == found
    given = contents(data.train)
    assert len(found) == 60
    assert found[:30] != found[30:]
    for index, (window,) in enumerate(found):
        (original,) = given[index % 30]
        assert window[0] == 2, "the special token stays"
        assert 2 <= len(window) <= len(original)
        rest = iter(original)
        assert all(token in rest for token in window), "what is left stands in its order"
    assert sum(len(window) for (window,) in found) < 0.7 * 2 * sum(len(window) for (window,) in given)


def test_swapped_words_are_the_same_words(data, tmp_path):
    found = contents(copy(data, tmp_path / "a", swap=0.5))
    given = contents(data.train)
    assert found[:30] != given
    assert all(sorted(window) == sorted(given[index % 30][0]) for index, (window,) in enumerate(found))


def test_texts_are_read_as_the_model_reads_documents(data, tmp_path):
    texts = write_texts(tmp_path / "more.csv", ["w10 w12 w13", " ", "w11 never", " ".join(["w20"] * 50)])
    tokens, told = more_texts(data, source=str(texts), text="text", folder=tmp_path / "folder")
    assert contents(tokens) == [[[2, 10, 12, 13]], [[2, 11, 1]], [[2, *[20] * 31]]]
    assert (told["num_documents"], told["num_left_out"], len(told["sha256"])) == (3, 0, 64)
    shorter, _ = more_texts(data.truncate(3), source=str(texts), text="text", folder=tmp_path / "shorter")
    assert contents(shorter) == [[[2, 10, 12]], [[2, 11, 1]], [[2, 20, 20]]]


def test_long_texts_are_read_in_windows_where_documents_are(tmp_path):
    folder = write_tokens(tmp_path / "tokens", 8, 8)
    windows = {"strategy": "windows", "head_share": 0.0, "overlap": 0, "max_windows": 2}
    (folder / "tokens.json").write_text(json.dumps({**META, "long_documents": windows}))
    texts = write_texts(tmp_path / "more.csv", [" ".join(["w20"] * 70), "w21"])
    data = TrainingData.open(folder)
    tokens, _ = more_texts(data, source=str(texts), text="text", folder=tmp_path / "folder")
    assert contents(tokens) == [[[2, *[20] * 31]] * 2, [[2, 21]]]
    joined = join(data.train, [tokens])
    assert contents(joined)[-2:] == contents(tokens)


def test_documents_of_the_validation_split_are_left_out(data, tmp_path):
    held_out = " ".join(f"w{token}" for token in data.validation[3][0][1:])
    texts = write_texts(tmp_path / "more.csv", [held_out, "w10", held_out])
    tokens, told = more_texts(data, source=str(texts), text="text", folder=tmp_path / "folder")
    assert (contents(tokens), told["num_left_out"]) == ([[[2, 10]]], 2)
    write_texts(texts, [held_out])
    with pytest.raises(EmptySource, match=r"transfer\.source of distill is .*only documents of the validation split"):
        more_texts(data, source=str(texts), text="text", folder=tmp_path / "folder")


def test_a_source_that_was_changed_is_read_anew(data, tmp_path):
    texts = write_texts(tmp_path / "more.csv", ["w10"])
    first = more_texts(data, source=str(texts), text="text", folder=tmp_path / "folder")
    texts.touch()
    assert more_texts(data, source=str(texts), text="text", folder=tmp_path / "folder")[1] == first[1]
    write_texts(texts, ["w11", "w12"])
    tokens, told = more_texts(data, source=str(texts), text="text", folder=tmp_path / "folder")
    assert contents(tokens) == [[[2, 11]], [[2, 12]]]
    assert told["sha256"] != first[1]["sha256"]


def test_a_column_without_a_header_is_told_by_its_place(data, tmp_path):
    texts = write_texts(tmp_path / "more.csv", ["1,w10 w11", "2,w12"], header=None)
    tokens, _ = more_texts(data, source=str(texts), text=1, folder=tmp_path / "folder")
    assert contents(tokens) == [[[2, 10, 11]], [[2, 12]]]


def test_mistakes_are_told(data, tmp_path):
    with pytest.raises(AssetNotFound):
        more_texts(data, source=str(tmp_path / "nowhere.csv"), text="text", folder=tmp_path / "folder")
    texts = write_texts(tmp_path / "more.csv", ["w10"])
    with pytest.raises(MissingColumn, match=r"transfer\.text names the column 'body'.*Its columns: text"):
        more_texts(data, source=str(texts), text="body", folder=tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    "labels", [np.arange(30), np.ones((30, 3), np.float32), np.linspace(0, 1, 30, dtype=np.float32)]
)
def test_joined_documents_come_in_their_order_and_labels_only_of_the_first(data, labels):
    train = TokenArrays(data.train.ids, data.train.offsets, data.train.windows, labels)
    joined = join(train, [data.validation, data.train])
    assert contents(joined) == contents(data.train) + contents(data.validation) + contents(data.train)
    assert joined.labels.shape == (70, *labels.shape[1:])
    assert joined.labels.dtype == labels.dtype
    np.testing.assert_array_equal(joined.labels[:30], labels)
    assert not joined.labels[30:].any()
    assert join(train, []) is train
