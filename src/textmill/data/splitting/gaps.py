"""Moves as few documents as possible so that every class is in every part: a small integer programme.

Shapes: A atoms, C classes, P parts, F atoms that are free to move, K conditions.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FEW = 50  # a class of more atoms is in every part whatever moves
MAX_FREE = 2000
_MAX_NODES = 1000


def fill_gaps(counts_AC: "csr_array", part_A: npt.NDArray[np.int8], num_parts: int) -> npt.NDArray[np.int8]:
    """The part of each atom, such that every class of at least P atoms is in every part.

    As it was if nothing is missing, or if no way is found: atoms of several classes can make it impossible.
    """
    atoms_C = np.bincount(counts_AC.indices, minlength=counts_AC.shape[1])
    owner_E = np.repeat(np.arange(counts_AC.shape[0]), np.diff(counts_AC.indptr))
    homes_PC = np.zeros((num_parts, len(atoms_C)), bool)
    homes_PC[part_A[owner_E], counts_AC.indices] = True
    has_gap_C = ~homes_PC.all(axis=0) & (atoms_C >= num_parts)
    bound_C = has_gap_C | ((atoms_C <= FEW) & (atoms_C >= num_parts))
    free_F = np.unique(owner_E[bound_C[counts_AC.indices]])
    if not has_gap_C.any() or len(free_F) > MAX_FREE:
        return part_A
    holds_FC = (counts_AC[free_F] > 0).toarray()[:, bound_C]
    sizes_F = np.asarray(counts_AC[free_F].sum(axis=1))
    moved = part_A.copy()
    moved[free_F] = _solve(holds_FC, sizes_F, part_A[free_F], num_parts)
    return moved


def _solve(
    holds_FC: npt.NDArray[np.bool_], sizes_F: npt.NDArray[np.int32], part_F: npt.NDArray[np.int8], num_parts: int
) -> npt.NDArray[np.int8]:
    """The part of each free atom; as it was if there is no solution. One unknown for each atom and part: 0 or 1."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import eye_array, kron, vstack

    num_free, num_classes = holds_FC.shape
    cost_FP = np.repeat(sizes_F.astype(np.float64)[:, None], num_parts, axis=1)
    cost_FP[np.arange(num_free), part_F] = 0
    somewhere = kron(eye_array(num_free), np.ones((1, num_parts)))  # each atom is in one part
    everywhere = kron(holds_FC.T.astype(np.float64), eye_array(num_parts))  # each class is in each part
    least_K = np.ones(num_free + num_classes * num_parts)
    most_K = np.concatenate([np.ones(num_free), np.full(num_classes * num_parts, np.inf)])
    found = milp(
        cost_FP.ravel(),
        integrality=np.ones(cost_FP.size),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(vstack([somewhere, everywhere]).tocsr(), least_K, most_K),
        options={"node_limit": _MAX_NODES},
    )
    return part_F if found.x is None else found.x.reshape(num_free, num_parts).argmax(axis=1).astype(np.int8)
