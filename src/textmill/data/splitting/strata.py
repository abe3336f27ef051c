"""Strata: what every split and fold gets its share of, by task.

single_label: the classes. multi_label: the labels, a document counts for each of its own, and those without any are a
stratum too. An atom of several strata is dealt out by its rarest one, from the rarest to the commonest (see
stratification.py), which is the idea of iterative stratification: K. Sechidis, G. Tsoumakas and I. Vlahavas, On the
Stratification of Multi-Label Data, ECML PKDD 2011. regression: ten ranges of the number with equally many documents.

Shapes: N documents, A atoms, S strata, E pairs of a document and a stratum that it counts for.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data.numbers import find_borders, name_ranges, place_numbers
from textmill.data.splitting.stratification import count_classes
from textmill.tasks import Task, split_labels

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NO_LABEL = "(no label)"


@dataclass(frozen=True)
class Strata:
    """The strata of N documents.

    Attributes:
        task: what they are.
        names: of the strata.
        row_E: int64 [E], documents in ascending order; each has one stratum at least.
        stratum_E: int64 [E].
    """

    task: Task
    names: list[str]
    row_E: npt.NDArray[np.int64]
    stratum_E: npt.NDArray[np.int64]

    def take(self, rows: npt.NDArray[np.intp], num_documents: int) -> "Strata":
        """The strata of some of the documents, given in ascending order."""
        place = np.full(num_documents, -1, np.int64)
        place[rows] = np.arange(len(rows))
        chosen = place[self.row_E] >= 0
        return Strata(self.task, self.names, place[self.row_E[chosen]], self.stratum_E[chosen])

    def count_per_atom(self, atom_N: npt.NDArray[np.int32], num_atoms: int) -> "csr_array":
        """Documents of each atom and stratum: int32 [A, S], sparse."""
        return count_classes(atom_N[self.row_E], self.stratum_E, num_atoms, len(self.names))

    def must_cover(self, part: str) -> npt.NDArray[np.bool_]:
        """The strata [S] that must have a document in a split: classes in each, labels among several in train."""
        if self.task == "single_label":
            return np.ones(len(self.names), bool)
        if self.task == "multi_label" and part == "train":
            return np.array([name != NO_LABEL for name in self.names], bool)
        return np.zeros(len(self.names), bool)


def find_strata(labels: "pd.Series[str]", task: Task) -> Strata:
    """The strata of documents with these labels, as our tables hold them."""
    if task == "regression":
        numbers = labels.to_numpy(np.float64)
        borders = find_borders(numbers)
        found, range_N = np.unique(place_numbers(numbers, borders), return_inverse=True)  # the lowest may be empty
        names = name_ranges(borders)
        return Strata(task, [names[code] for code in found], np.arange(len(labels)), range_N.astype(np.int64))
    code_N, values = pd.factorize(labels, sort=True)
    if task == "single_label":
        return Strata(task, list(values), np.arange(len(labels)), code_N.astype(np.int64))
    sets = [split_labels(value) or [NO_LABEL] for value in values]
    names = sorted({name for each in sets for name in each})
    index = {name: number for number, name in enumerate(names)}
    size_U = np.array([len(each) for each in sets], np.int64)
    flat = np.array([index[name] for each in sets for name in each], np.int64)
    row_E = np.repeat(np.arange(len(labels)), size_U[code_N])
    first_N = np.cumsum(size_U[code_N]) - size_U[code_N]  # the first pair of each document
    within_E = np.arange(len(row_E)) - first_N[row_E]
    return Strata(task, names, row_E, flat[(np.cumsum(size_U) - size_U)[code_N[row_E]] + within_E])
