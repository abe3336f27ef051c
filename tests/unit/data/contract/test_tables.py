"""The tables say of each row what is wrong with it."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from textmill.artifacts import DOCUMENTS, QUARANTINE, RAW, with_slices
from textmill.data.contract.classes import count_classes
from textmill.data.contract.shortcuts import Shortcut
from textmill.data.contract.tables import (
    judge_schemas,
    tabulate_classes,
    tabulate_clean,
    tabulate_raw,
    tabulate_shortcuts,
    tabulate_splits,
)

FIXED = {"raw": RAW, "quarantine": QUARANTINE, "clean": DOCUMENTS}


def marked(table, column):
    return table.keys[table.rows[column] > 0].tolist()


def test_tables_as_they_should_be_have_no_wrong_column():
    table = judge_schemas(FIXED, FIXED)
    assert len(table.rows) == sum(map(len, FIXED.values()))
    assert not table.rows.to_numpy().any()
    sliced = {name: with_slices(schema, ["slice_country"]) for name, schema in FIXED.items()}
    assert not judge_schemas(sliced, FIXED).rows.to_numpy().any()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("raw", lambda s: s.remove(s.get_field_index("time")), ["raw.time is missing, not text"]),
        ("clean", lambda s: s.set(2, pa.field("label", pa.int64())), ["clean.label is int64, not text"]),
        ("clean", lambda s: s.append(pa.field("note", pa.string())), ["clean.note is text, not expected"]),
        ("raw", lambda s: s.append(pa.field("slice_x", pa.string())), ["quarantine.slice_x is missing, not text"]),
        ("clean", lambda s: s.append(pa.field("slice_x", pa.string())), ["clean.slice_x is text, not expected"]),
        ("quarantine", lambda s: s.set(0, pa.field("id", pa.large_string())), []),
    ],
)
def test_wrong_columns_are_named(name, change, said):
    table = judge_schemas(FIXED | {name: change(FIXED[name])}, FIXED)
    found = [key for column in FIXED for key in marked(table, column)]
    assert found[:1] == said


def keyed(**columns):
    """Columns as `read_keys` gives them; keys from small numbers."""
    table = pd.DataFrame({name: values for name, values in columns.items() if not name.endswith("_key")})
    return table.assign(**{n: pd.array(v, "UInt64") for n, v in columns.items() if n.endswith("_key")})


def test_raw_rows_are_marked():
    raw = keyed(id=list("abcdefg"), id_key=[1, 2, 3, 4, 4, 6, None], label=["x", None, "x", "x", "x", "x", "x"])
    clean = keyed(id_key=[1, 2, 4], cluster_key=[10, 10, 11])
    quarantine = keyed(id_key=[3, 4], reason=["empty_text", "near_duplicate"])
    table = tabulate_raw(raw, clean, quarantine)
    assert marked(table, "unnamed") == ["g"]
    assert marked(table, "repeated") == ["d", "e"]
    assert marked(table, "unaccounted") == ["d", "e", "f", "g"]  # in both, in neither
    assert marked(table, "missing") == ["b", "c"]
    assert marked(table, "duplicate") == ["b", "d", "e"]  # the second of cluster 10, and those of quarantine
    assert marked(table, "quarantined") == ["c", "d", "e"]


def test_clean_documents_are_marked():
    clean = keyed(id=list("abcde"), id_key=[1, 2, 3, 4, None], label=["x", None, "x", "x", "x"])
    table = tabulate_clean(clean, keyed(id_key=[1, 2, 2, 4, 9]))
    assert marked(table, "not_once") == ["b", "c", "e"]
    assert marked(table, "unlabelled") == ["b"]
    assert marked(table, "unnamed") == ["e"]


def test_labels_are_marked_by_task():
    clean = keyed(id=list("abcd"), id_key=[1, 2, 3, 4], label=["1.5", "b|a", "", None])
    placed = keyed(id_key=[1, 2, 3, 4])
    assert marked(tabulate_clean(clean, placed), "mislabelled") == []
    assert marked(tabulate_clean(clean, placed, "multi_label"), "mislabelled") == ["b"]
    assert marked(tabulate_clean(clean, placed, "regression"), "mislabelled") == ["b", "c"]


def test_no_label_among_several_is_not_missing():
    raw = keyed(id=list("ab"), id_key=[1, 2], label=["x", None])
    clean, quarantine = keyed(id_key=[1, 2], cluster_key=[1, 2]), keyed(id_key=[], reason=[])
    assert marked(tabulate_raw(raw, clean, quarantine), "missing") == ["b"]
    assert marked(tabulate_raw(raw, clean, quarantine, "multi_label"), "missing") == []


def test_shares_in_splits_are_compared():
    labels = pd.Series(list("aaabbbbbbb"))
    classes = count_classes(labels, {"train": labels[:6], "validation": labels[6:8], "test": labels[8:]})
    rows = tabulate_classes(classes, ["b"]).rows
    assert rows["train_drift"].tolist() == pytest.approx([0.2, 0.2])
    assert rows["test_drift"].tolist() == pytest.approx([0.3, 0.3])
    assert rows["unlisted"].tolist() == [1, 0]
    assert tabulate_classes(classes, None).rows["unlisted"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("column", "note"),
    [("text_key", "the same text 2"), ("cluster_key", "near duplicates 2"), ("group_key", "the same group 2")],
)
def test_what_lies_in_two_splits_leaks(column, note):
    unique = {name: [10, 20, 30, 40, 50, None] for name in ("text_key", "cluster_key", "group_key")}
    unique[column] = [10, 20, 20, 40, 40, None]  # 20 in splits 0 and 1, 40 twice in split 2
    documents = keyed(id=list("abcdef"), **unique).assign(split=np.int8([0, 0, 1, 2, 2, 2]), num_characters=9)
    table = tabulate_splits(documents)
    assert marked(table, "leaks") == ["b", "c"]
    assert table.notes == {"leaks": note}


def test_nothing_leaks_without_keys():
    empty = {name: [None] * 3 for name in ("text_key", "cluster_key", "group_key")}
    documents = keyed(id=list("abc"), **empty).assign(split=np.int8([0, 1, 2]), num_characters=9)
    table = tabulate_splits(documents)
    assert marked(table, "leaks") == []
    assert table.notes == {}


def test_shortcuts_are_tabulated_by_class():
    found = {
        "word": [Shortcut("b", 0.95, "tag", "", [2, 0]), Shortcut("a", -0.5, "tag", "", [2])],
        "affix": [Shortcut("a", 0.0, "", "", [])],
    }
    table = tabulate_shortcuts(found, ["x", "y", "z"], include_texts=True)
    assert table.rows.to_dict("list") == {"word": [0.5, 0.95], "affix": [0.0, 0.0]}
    assert table.keys.tolist() == ["a", "b"]
    assert table.examples == {"word": ["z", "x"]}
    assert table.notes == {"word": "a text that has “tag” is of the label “b”"}
    hidden = tabulate_shortcuts(found, ["x", "y", "z"], include_texts=False)
    assert hidden.notes == {"word": "a text that has a certain word is of the label “b”"}


def test_classes_too_small_to_prove_anything_have_no_shortcut():
    found = {"word": [], "affix": []}
    assert tabulate_shortcuts(found, ["x"], include_texts=True).rows.to_dict("list") == {"word": [0.0], "affix": [0.0]}
    assert tabulate_shortcuts(found, [], include_texts=True).rows.empty
