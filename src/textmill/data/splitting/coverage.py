"""Every class in every split, or a message that says which class lacks how many.

Shapes: A atoms, S strata, P parts.
"""

from collections.abc import Sequence
from reprlib import repr as short
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from textmill.data.splitting.strata import Strata
from textmill.errors import UserError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NUM_EXAMPLES = 5
SUSPICIOUS = 20  # so many small classes are seldom classes


class ClassTooSmall(UserError):
    """A class has too few documents, or too few that can be parted, to be in every split."""


def check_sizes(counts_AS: "csr_array", strata: Strata, parts: Sequence[str]) -> None:
    """Raises: ClassTooSmall: a class has fewer atoms than there are parts it must be in, or all together have."""
    if counts_AS.shape[0] < len(parts):
        size = _count(int(np.bincount(strata.row_E).size), counts_AS.shape[0])
        raise ClassTooSmall(
            f"Each of {', '.join(parts)} needs a document, but after cleaning there are only {size}. Add documents."
        )
    atoms_S = np.bincount(counts_AS.indices, minlength=len(strata.names))
    documents_S = np.asarray(counts_AS.sum(axis=0))
    needed_S = np.sum([strata.must_cover(part) for part in parts], axis=0)
    _refuse(
        {
            code: f"{short(strata.names[code])} has {_count(int(documents_S[code]), int(atoms_S[code]))}"
            for code in np.argsort(atoms_S, kind="stable").tolist()
            if atoms_S[code] < needed_S[code]
        },
        parts,
    )


def check_coverage(counts_AS: "csr_array", part_A: npt.NDArray[np.int8], strata: Strata, parts: Sequence[str]) -> None:
    """Raises: ClassTooSmall: a class has no document in a part that it must be in, or a part has none at all."""
    entries = counts_AS.tocoo()
    documents_PS = np.zeros((len(parts), len(strata.names)), np.int64)
    np.add.at(documents_PS, (part_A[entries.row], entries.col), entries.data)
    empty = [name for name, count in zip(parts, documents_PS.sum(axis=1), strict=True) if not count]
    if empty and strata.task != "single_label":
        raise ClassTooSmall(
            f"No document is left for {', '.join(empty)}: what clusters and groups tie together does not part. Add "
            "documents, or change the shares in the section split."
        )
    atoms_S = np.bincount(counts_AS.indices, minlength=len(strata.names))
    lacks_PS = (documents_PS == 0) & np.stack([strata.must_cover(part) for part in parts])
    told = {}
    for code in np.flatnonzero(lacks_PS.any(axis=0)).tolist():
        lacking = [name for name, lacks in zip(parts, lacks_PS[:, code], strict=True) if lacks]
        size = _count(int(documents_PS[:, code].sum()), int(atoms_S[code]))
        told[code] = f"{short(strata.names[code])} has {size}, none of them in {', '.join(lacking)}"
    _refuse(told, parts if strata.task == "single_label" else ["train"])


def cover_train(
    counts_AS: "csr_array", part_A: npt.NDArray[np.int8], position_A: npt.NDArray[np.uint64], strata: Strata
) -> npt.NDArray[np.int8]:
    """The parts, train being 0, with an atom of each label that must be in train moved there if none is.

    Only labels among several may lack it: those of fewer documents than there are parts.
    """
    if strata.task != "multi_label":
        return part_A
    covered = part_A.copy()
    entries = counts_AS.tocoo()
    for code in np.flatnonzero(strata.must_cover("train")):
        atoms = entries.row[entries.col == code]
        if len(atoms) and (covered[atoms] != 0).all():
            covered[atoms[position_A[atoms].argmin()]] = 0
    return covered


def _count(num_documents: int, num_atoms: int) -> str:
    tied = f" that clusters and groups tie into {num_atoms}" if num_atoms < num_documents else ""
    return f"{num_documents} document(s){tied}"


def _refuse(told: dict[int, str], parts: Sequence[str]) -> None:
    if not told:
        return
    more = f" and {len(told) - NUM_EXAMPLES} classes more" if len(told) > NUM_EXAMPLES else ""
    column = " Is data.label the right column?" if len(told) >= SUSPICIOUS else ""
    raise ClassTooSmall(
        f"Each class needs a document in each of {', '.join(parts)}: {len(parts)} at least, of which no two share a "
        f"cluster or a group. But after cleaning {'; '.join(list(told.values())[:NUM_EXAMPLES])}{more}. Add documents, "
        f"or merge the class with another or leave it out by clean.labels or clean.rare_labels.{column}"
    )
