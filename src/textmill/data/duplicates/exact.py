"""What becomes of documents with equal texts, and which texts are equal."""

import unicodedata
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from textmill.data.cleaning.text_repair import collapse_whitespace
from textmill.data.quarantine.reasons import CODES, KEPT

# Precedence: a given test set outranks a given validation set, and that one all other documents.
OTHER, VALIDATION, TEST = 0, 1, 2


def normalise(text: str) -> str:
    """What two texts must share to count as one: NFKC, case-folded, each run of white space one space."""
    if text.isascii():
        return collapse_whitespace(text.lower())
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def hash_normal_form(normal_form: str) -> int:
    """The cluster as a number below 2**64."""
    return int.from_bytes(blake2b(normal_form.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Rows:
    """What is known of N rows, in their order.

    Attributes:
        text: int64 [N], which of the T distinct texts it is (up to case and white space).
        label: int32 [N], index of the label.
        tier: int8 [N], OTHER, VALIDATION or TEST.
        is_eligible: bool [N], nothing else speaks against the row; the others are nobody's duplicate.
    """

    text: npt.NDArray[np.int64]
    label: npt.NDArray[np.int32]
    tier: npt.NDArray[np.int8]
    is_eligible: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fates:
    """What becomes of N rows.

    Attributes:
        reason: int8 [N], position in REASONS, or KEPT.
        kept: int64 [N], the row that stays in its place; its own where there is none.
    """

    reason: npt.NDArray[np.int8]
    kept: npt.NDArray[np.int64]


def judge_equal_texts(rows: Rows, *, drop: bool) -> Fates:
    """Tell duplicates, conflicts and leaks apart.

    Of rows with one text, the highest tier counts. In a test set all of them stay. Elsewhere the first stays and the
    others are its duplicates, unless their labels differ: then nobody knows which is right, and all go. Rows of a
    lower tier go in any case: they leak.

    Args:
        rows: N rows; those that are not eligible get KEPT, and their own place.
        drop: whether duplicates and conflicts go; leaks always do.
    """
    fates = Fates(np.full(len(rows.text), KEPT, np.int8), np.arange(len(rows.text)))
    order = np.flatnonzero(rows.is_eligible)
    order = order[np.lexsort((order, -rows.tier[order], rows.text[order]))]
    begins = np.flatnonzero(np.diff(rows.text[order], prepend=-1))
    first = np.repeat(order[begins], np.diff(begins, append=len(order)))
    tier = rows.tier[first]
    is_peer = rows.tier[order] == tier
    reasons = np.full(len(order), KEPT, np.int8)
    reasons[~is_peer & (tier == TEST)] = CODES["leaks_into_test"]
    reasons[~is_peer & (tier == VALIDATION)] = CODES["leaks_into_validation"]
    if drop and len(order):
        reasons[is_peer & (order != first) & (tier < TEST)] = CODES["duplicate"]
        differs = is_peer & (rows.label[order] != rows.label[first])
        has_conflict = np.repeat(np.logical_or.reduceat(differs, begins), np.diff(begins, append=len(order)))
        reasons[has_conflict & (tier < TEST)] = CODES["conflicting_labels"]
    fates.reason[order] = reasons
    fates.kept[order] = np.where((reasons == KEPT) | (reasons == CODES["conflicting_labels"]), order, first)
    return fates
