import gzip
import json

import numpy as np
import pytest
from tokenizers import Tokenizer

from tests.tiny_language import MAX_LENGTH, texts
from textmill.data.sources.errors import EmptySource, MissingColumn
from textmill.data.tokens import TokenArrays
from textmill.training.pretraining.texts import read_source_texts, tokenize_source


def write_csv(path, rows, header=("text", "note")):
    lines = [",".join(header), *(f'"{text}",x' for text in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def read(uri, column="text", header=True):
    return [text for batch in read_source_texts(uri, column, header=header) for text in batch]


def test_the_text_column_alone_is_needed(tmp_path):
    assert read(write_csv(tmp_path / "a.csv", ["one", "two", " "])) == ["one", "two"], "blank ones are none"


def test_columns_by_position(tmp_path):
    (tmp_path / "a.csv").write_text("x,one\ny,two\n")
    assert read(str(tmp_path / "a.csv"), 1, header=False) == ["one", "two"]


def test_a_column_that_turns_up_late(tmp_path):
    rows = [{"note": "x"}] * 3 + [{"text": "one"}]
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    assert read(str(path)) == ["one"]


def test_a_folder_per_class_is_text_too(tmp_path):
    for label, text in (("a", "one"), ("b", "two")):
        (tmp_path / "docs" / label).mkdir(parents=True)
        (tmp_path / "docs" / label / "1.txt").write_text(text)
    assert sorted(read(str(tmp_path / "docs"))) == ["one", "two"]


def test_a_missing_column_is_told(tmp_path):
    with pytest.raises(MissingColumn, match=r"data\.text names the column 'body', which pretrain\.source"):
        read(write_csv(tmp_path / "a.csv", ["one"]), "body")


def test_long_texts_become_blocks_that_hold_all_of_it(tokens, tmp_path):
    long = " ".join(text for text in texts(450)[400:])
    found = tokenize_source(iter([[long, "short"]]), tokens, tmp_path / "source")
    tokenizer = Tokenizer.from_file(str(tokens / "tokenizer.json"))
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    blocks = found.tokens[0]
    assert len(found.tokens) == 2 and len(blocks) > 10
    assert all(len(block) == MAX_LENGTH for block in blocks[:-1])
    assert all((block[0], block[-1]) == (cls, sep) for block in blocks)
    content = np.concatenate([block[1:-1] for block in blocks]).tolist()
    assert content == tokenizer.encode(long, add_special_tokens=False).ids


def test_documents_of_the_validation_split_are_left_out(tokens, tmp_path):
    known, new = texts(360)[300:], texts(380)[360:]  # the fixture's 60 held-out reviews, and others
    found = tokenize_source(iter([known[:30] + new, known[30:]]), tokens, tmp_path / "source")
    assert found.num_left_out == 60
    assert len(found.tokens) == 20
    held_out = TokenArrays.open(tokens, "validation")
    assert not {held_out[i][0].tobytes() for i in range(60)} & {found.tokens[i][0].tobytes() for i in range(20)}


def test_nothing_to_learn_from_is_told(tokens, tmp_path):
    with pytest.raises(EmptySource, match=r"set pretrain\.source to null"):
        tokenize_source(iter([texts(310)[300:]]), tokens, tmp_path / "source")
    assert not (tmp_path / "source").exists()


def test_arrays_that_are_there_are_taken(tokens, tmp_path):
    first = tokenize_source(iter([["one text", "another"]]), tokens, tmp_path / "source")
    again = tokenize_source(iter([]), tokens, tmp_path / "source")
    assert again.tokens.ids.tolist() == first.tokens.ids.tolist()
    assert again.num_left_out == first.num_left_out == 0
