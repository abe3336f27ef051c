"""Deals atoms out to parts (splits or folds), so that each part has its share of every class.

Most atoms are small and of one class. Those of a class are put in the order of their hash and cut at the shares:
exact to half an atom, and an atom that is added moves few others, since the cuts shift by its size at most. An atom
that holds several classes counts for its rarest one; classes are cut from the rarest to the commonest, and a common
class makes up for what came with rare ones. Atoms that are a large piece of a class come first, the largest at the
head, each to the part that it brings nearest to its shares (as in scikit-learn's StratifiedGroupKFold, but for
unequal shares). Where classes are still off their shares, single atoms move; that stops early, for the sake of those
that would move next time.

Shapes: A atoms, C classes, P parts, E pairs of an atom and a class that it holds.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textmill.data.splitting.gaps import fill_gaps

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NOWHERE = -1
LARGE = 0.01  # share of a class from which an atom is placed by itself; the cut of the others errs by half of that
TOLERANCE = 0.005  # share of a class by which a part may be off before atoms move
MAX_MOVES = 200
ROUNDING = 1e-12


def count_classes(
    atom_N: npt.NDArray[np.int32], label_N: npt.NDArray[Any], num_atoms: int, num_labels: int
) -> "csr_array":
    """Documents of each atom and class: int32 [A, C], sparse."""
    from scipy.sparse import coo_array

    ones = np.ones(len(atom_N), np.int32)
    return coo_array((ones, (atom_N, label_N.astype(np.int32))), shape=(num_atoms, num_labels)).tocsr()


def stratify(
    counts_AC: "csr_array", position_A: npt.NDArray[np.uint64], shares: Sequence[float]
) -> npt.NDArray[np.int8]:
    """The part of each atom, int8 [A].

    A class of at least P atoms gets one in every part, unless atoms of several classes make that impossible.

    Args:
        counts_AC: from `count_classes`.
        position_A: an order of the atoms, without ties.
        shares: of the parts; they add up to 1.
    """
    deal = _Deal(counts_AC, position_A, np.array(shares))
    deal.place_large()
    deal.cut_small()
    deal.refine()
    return fill_gaps(counts_AC, deal.part_A, len(shares))


def cut(
    sizes: npt.NDArray[Any], targets: npt.NDArray[np.float64], needs_one: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Where a row of atoms is cut into P parts: the places [P - 1] of the first atom of each part but the first.

    The cuts are rounded where they end, not each part for itself, so that a document more moves each cut by one
    atom at most.

    Args:
        sizes: [A] documents of each atom, in order.
        targets: [P] documents that each part should have, up to a common factor.
        needs_one: [P] whether a part must get an atom; ignored if there are fewer atoms than such parts.
    """
    ends = np.concatenate([[0], np.cumsum(sizes)])
    borders = np.round(np.cumsum(targets)[:-1] * (ends[-1] / targets.sum()), 9)
    above = np.searchsorted(ends, borders).clip(1, len(sizes))
    to_above, to_below = ends[above] - borders, borders - ends[above - 1]
    # Halves go to the even place, as round() has it.
    places = np.where((to_above < to_below) | ((to_above == to_below) & (above % 2 == 0)), above, above - 1)
    least = needs_one.astype(np.int64) if needs_one.sum() <= len(sizes) else np.zeros(len(targets), np.int64)
    for part in range(len(places)):
        places[part] = max(places[part], (places[part - 1] if part else 0) + least[part])
    for part in reversed(range(len(places))):
        following = places[part + 1] if part + 1 < len(places) else len(sizes)
        places[part] = min(places[part], following - least[part + 1])
    return places.astype(np.int64)


class _Deal:
    """Who is where so far."""

    def __init__(self, counts_AC: "csr_array", position_A: npt.NDArray[np.uint64], share_P: npt.NDArray[np.float64]):
        self.counts_AC, self.position_A, self.share_P = counts_AC, position_A, share_P
        self.total_C = np.asarray(counts_AC.sum(axis=0), np.float64)
        self.target_PC = np.outer(share_P, self.total_C)
        self.placed_PC = np.zeros_like(self.target_PC)  # documents
        self.atoms_PC = np.zeros(self.target_PC.shape, np.int64)
        self.part_A = np.full(counts_AC.shape[0], NOWHERE, np.int8)
        self.owner_E = np.repeat(np.arange(counts_AC.shape[0], dtype=np.int32), np.diff(counts_AC.indptr))
        self.atoms_C = np.bincount(counts_AC.indices, minlength=len(self.total_C))

    def place_large(self) -> None:
        """Atoms that are a large piece of some class, from the largest on."""
        counts, labels = self.counts_AC.data, self.counts_AC.indices
        pieces = counts / self.total_C[labels]
        large = np.unique(self.owner_E[(pieces > LARGE) & (counts > 1)])
        largest_A = np.zeros(len(self.part_A))
        np.maximum.at(largest_A, self.owner_E, pieces)
        # By powers of 2, so that a document more seldom changes the order.
        order = np.lexsort((self.position_A[large], -np.frexp(largest_A[large])[1]))
        for atom in large[order]:
            self._place(atom, self._best_part(*self._row(atom)))

    def cut_small(self) -> None:
        """All others: class by class, each in the order of the hash."""
        by_size = np.lexsort((np.arange(len(self.total_C)), np.frexp(self.total_C)[1]))
        rank_C = np.empty(len(by_size), np.int32)
        rank_C[by_size] = np.arange(len(by_size))
        rarest_A = np.full(len(self.part_A), len(by_size), np.int32)
        np.minimum.at(rarest_A, self.owner_E, rank_C[self.counts_AC.indices])
        small = np.flatnonzero(self.part_A == NOWHERE)
        small = small[np.lexsort((self.position_A[small], rarest_A[small]))]
        starts = np.searchsorted(rarest_A[small], np.arange(len(by_size) + 1))
        for rank, label in enumerate(by_size):
            if len(atoms := small[starts[rank] : starts[rank + 1]]):
                self._cut_class(label, atoms)

    def refine(self) -> None:
        """Move the atom that lowers the squared error most, until each class is near its shares in each part."""
        share_P, atoms = self.share_P, np.arange(len(self.part_A))
        counts_AC = self.counts_AC.astype(np.float64)  # squares are more than 32 bits hold
        for _ in range(MAX_MOVES):
            error_PC = self.placed_PC - self.target_PC
            if (np.abs(error_PC) <= np.maximum(1, TOLERANCE * self.total_C)).all():
                return
            slope_AP = 2 * (counts_AC @ (error_PC / share_P[:, None] / self.total_C**2).T)
            growth_AP = (counts_AC**2 @ self.total_C**-2)[:, None] * (1 / share_P + 1 / share_P[self.part_A, None])
            growth_AP += slope_AP - slope_AP[atoms, self.part_A][:, None]
            growth_AP[atoms, self.part_A] = 0
            growth_AP[self._last_of_a_class()] = 0
            atom, part = (int(index) for index in np.unravel_index(growth_AP.argmin(), growth_AP.shape))
            if growth_AP[atom, part] > -ROUNDING:
                return
            self._move(atom, part)

    def _cut_class(self, label: int, atoms: npt.NDArray[np.intp]) -> None:
        rows = self.counts_AC[atoms]
        in_class = rows.indices == label  # every atom has the class, once
        missing_P = np.maximum(self.target_PC[:, label] - self.placed_PC[:, label], 0)
        places = cut(rows.data[in_class], missing_P, self.placed_PC[:, label] == 0)
        parts = np.searchsorted(places, np.arange(len(atoms)), side="right")
        self.part_A[atoms] = parts
        entries = np.repeat(parts, np.diff(rows.indptr)), rows.indices
        np.add.at(self.placed_PC, entries, rows.data)
        np.add.at(self.atoms_PC, entries, 1)

    def _best_part(self, labels: npt.NDArray[np.int32], counts: npt.NDArray[Any]) -> int:
        """The part where the atom lowers the squared error of the shares most, or where a class would go missing.

        The error is the sum of (documents - target)² / (share * total²) over parts and classes.
        """
        short_PC = self.target_PC[:, labels] - self.placed_PC[:, labels]
        growth_PC = counts * (counts - 2 * short_PC) / self.total_C[labels] ** 2
        costs = growth_PC.sum(axis=1) / self.share_P
        lacks_PC = self.placed_PC[:, labels] == 0
        open_C = self.atoms_C[labels] - self.atoms_PC[:, labels].sum(axis=0)  # atoms that are not placed yet
        urgent_C = open_C <= lacks_PC.sum(axis=0)
        return min(range(len(costs)), key=lambda part: (-(lacks_PC[part] & urgent_C).sum(), costs[part]))

    def _last_of_a_class(self) -> npt.NDArray[np.int32]:
        """Atoms without which their part would lack a class."""
        return self.owner_E[self.atoms_PC[self.part_A[self.owner_E], self.counts_AC.indices] == 1]

    def _move(self, atom: int, part: int) -> None:
        labels, counts = self._row(atom)
        self.placed_PC[self.part_A[atom], labels] -= counts
        self.atoms_PC[self.part_A[atom], labels] -= 1
        self._place(atom, part)

    def _place(self, atom: int, part: int) -> None:
        labels, counts = self._row(atom)
        self.part_A[atom] = part
        self.placed_PC[part, labels] += counts
        self.atoms_PC[part, labels] += 1

    def _row(self, atom: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
        start, end = self.counts_AC.indptr[atom : atom + 2]
        return self.counts_AC.indices[start:end], self.counts_AC.data[start:end]
