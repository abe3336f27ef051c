"""Every class in every split, or a message that says which class lacks how many.

Shapes: A atoms, C classes, P parts.
"""

from collections.abc import Sequence
from reprlib import repr as short
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from textmill.errors import UserError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NUM_EXAMPLES = 5
SUSPICIOUS = 20  # so many small classes are seldom classes


class ClassTooSmall(UserError):
    """A class has too few documents, or too few that can be parted, to be in every split."""


def check_sizes(counts_AC: "csr_array", labels: Sequence[str], parts: Sequence[str]) -> None:
    """Raises: ClassTooSmall: a class has fewer atoms than there are parts."""
    atoms_C = np.bincount(counts_AC.indices, minlength=len(labels))
    documents_C = np.asarray(counts_AC.sum(axis=0))
    _refuse(
        {
            label: f"{short(labels[label])} has {_count(int(documents_C[label]), int(atoms_C[label]))}"
            for label in np.argsort(atoms_C, kind="stable").tolist()
            if atoms_C[label] < len(parts)
        },
        parts,
    )


def check_coverage(
    counts_AC: "csr_array", part_A: npt.NDArray[np.int8], labels: Sequence[str], parts: Sequence[str]
) -> None:
    """Raises: ClassTooSmall: a class has no document in one of the parts."""
    entries = counts_AC.tocoo()
    documents_PC = np.zeros((len(parts), len(labels)), np.int64)
    np.add.at(documents_PC, (part_A[entries.row], entries.col), entries.data)
    atoms_C = np.bincount(counts_AC.indices, minlength=len(labels))
    told = {}
    for label in np.flatnonzero((documents_PC == 0).any(axis=0)).tolist():
        lacking = [name for name, count in zip(parts, documents_PC[:, label], strict=True) if not count]
        size = _count(int(documents_PC[:, label].sum()), int(atoms_C[label]))
        told[label] = f"{short(labels[label])} has {size}, none of them in {', '.join(lacking)}"
    _refuse(told, parts)


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
