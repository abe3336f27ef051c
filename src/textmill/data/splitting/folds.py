"""Folds of the train split, for out-of-fold probabilities and cross-validation.

Shapes: N documents, A atoms, C classes.
"""

from reprlib import repr as short

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data.splitting.grouping import find_atoms
from textmill.data.splitting.stratification import count_classes, stratify
from textmill.errors import UserError


class ClassTooSmallForFolds(UserError):
    """A class of the train split cannot be in every fold."""


def assign_folds(documents: pd.DataFrame, num_folds: int, seed: int) -> npt.NDArray[np.int32]:
    """The fold [N], from 0 on, in which each document of the train split is held out.

    Stratified by a stable hash like the splits; clusters and groups never part.

    Args:
        documents: columns cluster and label, and group if there are groups.

    Raises:
        ClassTooSmallForFolds: a class has fewer documents than there are folds, where those that clusters and groups
            tie together count as one, or sits in one fold only.
    """
    label_N, labels = pd.factorize(documents["label"], sort=True)
    atoms = find_atoms(documents, seed)
    counts_AC = count_classes(atoms.of_document, label_N, len(atoms.position), len(labels))
    atoms_C = np.bincount(counts_AC.indices, minlength=len(labels))
    smallest = int(atoms_C.argmin())
    if atoms_C[smallest] < num_folds:
        raise ClassTooSmallForFolds(_explain(labels[smallest], label_N == smallest, int(atoms_C[smallest]), num_folds))
    fold_N = stratify(counts_AC, atoms.position, [1 / num_folds] * num_folds)[atoms.of_document].astype(np.int32)
    num_homes = np.bincount(np.unique(label_N * num_folds + fold_N) // num_folds)
    if num_homes.min() < 2:  # a model for that fold would not know the class
        label = int(num_homes.argmin())
        raise ClassTooSmallForFolds(_explain(labels[label], label_N == label, int(atoms_C[label]), num_folds))
    return fold_N


def _explain(label: str, of_class: npt.NDArray[np.bool_], num_atoms: int, num_folds: int) -> str:
    num_documents = int(of_class.sum())
    tied = f", which clusters and groups tie into {num_atoms}" if num_atoms < num_documents else ""
    return (
        f"The class {short(label)} has {num_documents} document(s) in the train split{tied}, too few for "
        f"split.num_folds: {num_folds}. Lower split.num_folds in params.yaml (2 at least), or give the class more "
        "documents, merge it with another or leave it out through clean.labels or clean.rare_labels."
    )
