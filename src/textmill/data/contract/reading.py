"""Reads the tables in batches, and keeps of them numbers, 8 bytes for each key, and a sample of the texts.

A key is a 64-bit hash: among a million the chance that any two different ones are equal is 3e-8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.artifacts import iter_table
from textmill.data.duplicates.exact import hash_normal_form, normalise

# Of a longer text the sample has the beginning and the end: 20,000 documents are at most 100 MB of plain English.
_HEAD_CHARACTERS, _TAIL_CHARACTERS = 4500, 500
_KEYS = ("id", "cluster", "group")


@dataclass(frozen=True)
class Sample:
    """Documents of the train split, in its order.

    Attributes:
        texts: cut to their first 4,500 and last 500 characters.
    """

    ids: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def read_keys(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read some columns of a table, its `id` among them.

    Returns:
        The columns, but for cluster and group, and for id, cluster and group the key (UInt64, null where they are)
        under the names id_key, cluster_key and group_key.

    Raises: MissingArtifact.
    """
    parts = [_hash(batch) for batch in iter_table(path, columns=columns)]
    empty = pd.DataFrame({name: pd.Series(dtype=str) for name in columns})
    return pd.concat(parts or [_hash(empty)], ignore_index=True)


def read_documents(splits: Mapping[str, Path], sample_size: int) -> tuple[pd.DataFrame, Sample]:
    """Read the documents of the splits.

    Args:
        splits: the file of each split; the sample is of `train`.
        sample_size: most documents of the sample: the first by a hash of the id, so that a document that is added
            to the data changes the sample by one.

    Returns:
        id, label, the keys as of `read_keys`, text_key (equal for texts that are equal up to case and white space),
        num_characters (null where the text is) and split (int8, position in `splits`) of every document; the sample.

    Raises: MissingArtifact.
    """
    chosen = _choose(read_keys(splits["train"], ["id"])["id_key"], sample_size)
    sample, parts = Sample(), []
    for number, (name, path) in enumerate(splits.items()):
        place = 0
        for batch in iter_table(path, columns=["id", "label", "cluster", "group", "text"]):
            parts.append(_measure(batch, number))
            if name == "train":
                _take(batch[chosen[place : place + len(batch)]], sample)
            place += len(batch)
    empty = pd.DataFrame({name: pd.Series(dtype=str) for name in ("id", "label", "cluster", "group", "text")})
    return pd.concat(parts or [_measure(empty, 0)], ignore_index=True), sample


def _hash(batch: pd.DataFrame) -> pd.DataFrame:
    keys = {}
    for name in _KEYS:
        if name in batch:
            hashes = pd.util.hash_array(batch[name].to_numpy(object), categorize=False)
            keys[f"{name}_key"] = pd.arrays.IntegerArray(hashes, batch[name].isna().to_numpy(bool))
    return batch.drop(columns=["cluster", "group"], errors="ignore").assign(**keys)


def _choose(keys: "pd.Series[int]", size: int) -> npt.NDArray[np.bool_]:
    chosen = np.zeros(len(keys), bool)
    chosen[np.argsort(keys.to_numpy(np.uint64, na_value=0), kind="stable")[:size]] = True
    return chosen


def _take(batch: pd.DataFrame, sample: Sample) -> None:
    usable = batch[batch["label"].notna() & batch["text"].notna()]
    sample.ids.extend(usable["id"])
    sample.labels.extend(usable["label"])
    sample.texts.extend(map(_cut, usable["text"]))


def _cut(text: str) -> str:
    if len(text) <= _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        return text
    return f"{text[:_HEAD_CHARACTERS]} {text[-_TAIL_CHARACTERS:]}"


def _measure(batch: pd.DataFrame, split: int) -> pd.DataFrame:
    has_text = batch["text"].notna().to_numpy(bool)
    text_keys = np.zeros(len(batch), np.uint64)
    text_keys[has_text] = np.fromiter(
        (hash_normal_form(normalise(text)) for text in batch["text"][has_text]), np.uint64
    )
    return _hash(batch.drop(columns="text")).assign(
        text_key=pd.arrays.IntegerArray(text_keys, ~has_text),
        num_characters=batch["text"].str.len().astype("Int32"),
        split=np.int8(split),
    )
