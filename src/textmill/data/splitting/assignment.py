"""Decides the split of each document: given, stratified or by time; clusters and groups never part.

Shapes: N documents, A atoms (see grouping.py), P parts that are cut.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data.splitting.coverage import check_coverage, check_sizes, cover_train
from textmill.data.splitting.given import MISSING, check_given, read_given
from textmill.data.splitting.grouping import find_atoms
from textmill.data.splitting.strata import Strata, find_strata
from textmill.data.splitting.stratification import stratify
from textmill.data.splitting.times import cut_by_time
from textmill.paths import SPLITS
from textmill.tasks import Task


def assign_splits(
    documents: pd.DataFrame,
    shares: Mapping[str, float],
    seed: int,
    method: str = "stratified",
    task: Task = "single_label",
) -> "pd.Series[str]":
    """The split of each document.

    Given splits stay as they are; those that are not given are cut from the given train split, or from all documents
    where none is given. Every class has a document in every split; with several labels a document, every label has
    one in train. Documents of one atom, which share a cluster or a group, go together.

    Args:
        documents: columns cluster and label; where there are any also id, group, split (train, validation, test or
            missing) and time.
        shares: of train, validation and test; they add up to 1.
        seed: of the hash that orders atoms.
        method: `stratified`, the same shares of each class by a stable hash (see stratification.py), or `time`, the
            oldest documents in train and the newest in test.
        task: what label holds, and so what the splits get their shares of (see strata.py).

    Returns:
        Names of splits, categorical, with the index of `documents`.

    Raises:
        ClassTooSmall: a class cannot be in every split, or there are too few documents for the splits.
        UnusableGivenSplits: the given splits contradict the rest: see given.check_given.
        UnusableTimes: method is time, and a time is missing or cannot be read: see times.read_times.
    """
    strata = find_strata(documents["label"], task)
    split_N = read_given(documents)
    given = [name for code, name in enumerate(SPLITS) if (split_N == code).any()]
    if given:
        check_given(documents, split_N, strata)
    open_splits = [name for name in SPLITS if name not in given]
    if open_splits:
        parts = ["train", *(name for name in open_splits if name != "train")]
        rows = np.flatnonzero((split_N == SPLITS.index("train")) | (split_N == MISSING))
        chosen = documents if len(rows) == len(documents) else documents.iloc[rows]
        codes = np.array([SPLITS.index(name) for name in parts], np.int8)
        share_P = np.array([shares[name] for name in parts])
        split_N[rows] = codes[_cut(chosen, strata.take(rows, len(documents)), parts, share_P, seed, method)]
    return pd.Series(pd.Categorical.from_codes(split_N, pd.Index(SPLITS)), documents.index, name="split")


def _cut(
    documents: pd.DataFrame,
    strata: Strata,
    parts: list[str],
    share_P: npt.NDArray[np.float64],
    seed: int,
    method: str,
) -> npt.NDArray[np.int8]:
    """The part of each document, an index into `parts`, which begin with train."""
    atoms = find_atoms(documents, seed)
    counts_AS = strata.count_per_atom(atoms.of_document, len(atoms.position))
    check_sizes(counts_AS, strata, parts)
    if method == "time":
        part_A = cut_by_time(documents, atoms.of_document, share_P / share_P.sum(), parts)
    else:
        # The head of the order is held out: test, then validation.
        part_A = len(parts) - 1 - stratify(counts_AS, atoms.position, (share_P / share_P.sum())[::-1])
        part_A = cover_train(counts_AS, part_A, atoms.position, strata)
    check_coverage(counts_AS, part_A, strata, parts)
    return part_A[atoms.of_document]
