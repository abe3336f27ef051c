"""Decides the split of each document: given, stratified or by time; clusters and groups never part.

Shapes: N documents, A atoms (see grouping.py), P parts that are cut.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data.splitting.coverage import check_coverage, check_sizes
from textmill.data.splitting.given import MISSING, check_given, read_given
from textmill.data.splitting.grouping import find_atoms
from textmill.data.splitting.stratification import count_classes, stratify
from textmill.data.splitting.times import cut_by_time
from textmill.paths import SPLITS


def assign_splits(
    documents: pd.DataFrame, shares: Mapping[str, float], seed: int, method: str = "stratified"
) -> "pd.Series[str]":
    """The split of each document.

    Given splits stay as they are; those that are not given are cut from the given train split, or from all documents
    where none is given. Every class has a document in every split. Documents of one atom, which share a cluster or a
    group, go together.

    Args:
        documents: columns cluster and label; where there are any also id, group, split (train, validation, test or
            missing) and time.
        shares: of train, validation and test; they add up to 1.
        seed: of the hash that orders atoms.
        method: `stratified`, the same shares of each class by a stable hash (see stratification.py), or `time`, the
            oldest documents in train and the newest in test.

    Returns:
        Names of splits, categorical, with the index of `documents`.

    Raises:
        ClassTooSmall: a class cannot be in every split.
        UnusableGivenSplits: the given splits contradict the rest: see given.check_given.
        UnusableTimes: method is time, and a time is missing or cannot be read: see times.read_times.
    """
    label_N, labels = pd.factorize(documents["label"], sort=True)
    split_N = read_given(documents)
    given = [name for code, name in enumerate(SPLITS) if (split_N == code).any()]
    if given:
        check_given(documents, split_N, label_N, list(labels))
    open_splits = [name for name in SPLITS if name not in given]
    if open_splits:
        parts = ["train", *(name for name in open_splits if name != "train")]
        rows = np.flatnonzero((split_N == SPLITS.index("train")) | (split_N == MISSING))
        chosen = documents if len(rows) == len(documents) else documents.iloc[rows]
        codes = np.array([SPLITS.index(name) for name in parts], np.int8)
        share_P = np.array([shares[name] for name in parts])
        split_N[rows] = codes[_cut(chosen, label_N[rows], list(labels), parts, share_P, seed, method)]
    return pd.Series(pd.Categorical.from_codes(split_N, pd.Index(SPLITS)), documents.index, name="split")


def _cut(
    documents: pd.DataFrame,
    label_N: npt.NDArray[np.int64],
    labels: Sequence[str],
    parts: list[str],
    share_P: npt.NDArray[np.float64],
    seed: int,
    method: str,
) -> npt.NDArray[np.int8]:
    """The part of each document, an index into `parts`, which begin with train."""
    atoms = find_atoms(documents, seed)
    counts_AC = count_classes(atoms.of_document, label_N, len(atoms.position), len(labels))
    check_sizes(counts_AC, labels, parts)
    if method == "time":
        part_A = cut_by_time(documents, atoms.of_document, share_P / share_P.sum(), parts)
    else:
        # The head of the order is held out: test, then validation.
        part_A = len(parts) - 1 - stratify(counts_AC, atoms.position, (share_P / share_P.sum())[::-1])
    check_coverage(counts_AC, part_A, labels, parts)
    return part_A[atoms.of_document]
