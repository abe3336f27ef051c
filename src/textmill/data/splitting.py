"""Train, validation and test: stratified, by a stable hash, clusters never parted."""

from collections.abc import Mapping
from hashlib import blake2b
from reprlib import repr as short

import pandas as pd

from textmill.errors import UserError

SPLITS = ("train", "validation", "test")
NUM_EXAMPLES = 5
SUSPICIOUS = 20  # so many small classes are seldom classes


class ClassTooSmall(UserError):
    """A class has fewer documents than there are splits."""


def assign_splits(documents: pd.DataFrame, shares: Mapping[str, float], seed: int) -> "pd.Series[str]":
    """The split of each document.

    The clusters of a class, in the order of a hash of (seed, cluster), are cut at the shares. A document
    that is added moves only those at the cuts: its class's cut points shift by one place at most.
    Every class has at least one cluster in each split.

    Args:
        documents: columns cluster and label; a cluster counts for the label of its first document.
        shares: of train, validation and test; they add up to 1.

    Returns:
        Names of splits, with the index of `documents`.

    Raises:
        ClassTooSmall: a class has fewer than three clusters.
    """
    clusters = documents.groupby("cluster", sort=False)["label"].first()
    split_of: dict[str, str] = {}
    for label, members in clusters.groupby(clusters):
        if len(members) < len(SPLITS):
            raise ClassTooSmall(_explain_small_class(str(label), clusters))
        ordered = sorted(members.index, key=lambda cluster: _position(seed, cluster))
        first_validation, first_train = cut_points(len(ordered), shares["test"], shares["validation"])
        for place, cluster in enumerate(ordered):
            held_out = "test" if place < first_validation else "validation"
            split_of[cluster] = held_out if place < first_train else "train"
    return documents["cluster"].map(split_of)


def cut_points(count: int, test: float, validation: float) -> tuple[int, int]:
    """Where `count` >= 3 clusters are cut: the places of the first of validation and of the first of train.

    Shares are rounded where they end, not each for itself, so that one cluster more moves each cut by one
    place at most; none of the three parts is empty.
    """
    first_validation = min(max(round(count * test), 1), count - 2)
    first_train = min(max(round(count * (test + validation)), first_validation + 1), count - 1)
    return first_validation, first_train


def _position(seed: int, cluster: str) -> bytes:
    return blake2b(f"{seed}:{cluster}".encode(), digest_size=16).digest()


def _explain_small_class(label: str, clusters: "pd.Series[str]") -> str:
    counts = clusters.value_counts()
    others = sorted(str(name) for name, count in counts.items() if count < len(SPLITS) and name != label)
    named = ", ".join(map(short, others[:NUM_EXAMPLES]))
    more = f" and {len(others) - NUM_EXAMPLES} more" if len(others) > NUM_EXAMPLES else ""
    column = " Is data.label the right column?" if len(others) >= SUSPICIOUS else ""
    return (
        f"The class {short(label)} has {counts[label]} document(s) after cleaning"
        f"{f' (too small as well: {named}{more})' if others else ''}. Each class needs at least 3, one for each of "
        "train, validation and test. Add documents, or merge the class with another, or leave it out, by "
        f"clean.labels.{column}"
    )
