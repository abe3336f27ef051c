"""Folds of the train split, for out-of-fold probabilities and cross-validation.

Shapes: N documents, A atoms, S strata.
"""

from reprlib import repr as short
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data.splitting.grouping import find_atoms
from textmill.data.splitting.strata import Strata, find_strata
from textmill.data.splitting.stratification import stratify
from textmill.errors import UserError
from textmill.tasks import Task


class ClassTooSmallForFolds(UserError):
    """A class of the train split cannot be in every fold."""


def assign_folds(
    documents: pd.DataFrame, num_folds: int, seed: int, task: Task = "single_label"
) -> npt.NDArray[np.int32]:
    """The fold [N], from 0 on, in which each document of the train split is held out.

    Stratified by a stable hash like the splits; clusters and groups never part.

    Args:
        documents: columns cluster and label, and group if there are groups.
        task: what label holds (see strata.py).

    Raises:
        ClassTooSmallForFolds: a class has fewer documents than there are folds, where those that clusters and groups
            tie together count as one, or sits in one fold only; with several labels a document a label must be in two
            folds at least.
    """
    strata = find_strata(documents["label"], task)
    atoms = find_atoms(documents, seed)
    counts_AS = strata.count_per_atom(atoms.of_document, len(atoms.position))
    if counts_AS.shape[0] < num_folds:
        raise ClassTooSmallForFolds(_explain("", len(documents), counts_AS.shape[0], num_folds))
    atoms_S = np.bincount(counts_AS.indices, minlength=len(strata.names))
    documents_S = np.asarray(counts_AS.sum(axis=0))
    smallest = int(atoms_S.argmin())
    if task == "single_label" and atoms_S[smallest] < num_folds:
        raise ClassTooSmallForFolds(_tell(strata, documents_S, atoms_S, smallest, num_folds))
    fold_N = stratify(counts_AS, atoms.position, [1 / num_folds] * num_folds)[atoms.of_document].astype(np.int32)
    homes = np.unique(strata.stratum_E * num_folds + fold_N[strata.row_E]) // num_folds
    num_homes_S = np.bincount(homes, minlength=len(strata.names))
    num_homes_S[~strata.must_cover("train")] = num_folds
    if num_homes_S.min() < 2:  # a model for that fold would not know the class
        raise ClassTooSmallForFolds(_tell(strata, documents_S, atoms_S, int(num_homes_S.argmin()), num_folds))
    if len(np.unique(fold_N)) < num_folds:
        raise ClassTooSmallForFolds(_explain("", len(documents), counts_AS.shape[0], num_folds))
    return fold_N


def _tell(
    strata: Strata, documents_S: npt.NDArray[Any], atoms_S: npt.NDArray[Any], stratum: int, num_folds: int
) -> str:
    return _explain(strata.names[stratum], int(documents_S[stratum]), int(atoms_S[stratum]), num_folds)


def _explain(name: str, num_documents: int, num_atoms: int, num_folds: int) -> str:
    """Why folds cannot be made of the class `name`, or, where it is blank, of all documents."""
    tied = f", which clusters and groups tie into {num_atoms}" if num_atoms < num_documents else ""
    what = f"The class {short(name)} has {num_documents} document(s) in the train split{tied}"
    way_out = (
        "give the class more documents, merge it with another or leave it out through clean.labels or clean.rare_labels"
    )
    if not name:
        what, way_out = f"The train split has {num_documents} document(s){tied}", "add documents"
    return (
        f"{what}, too few for split.num_folds: {num_folds}. Lower split.num_folds in params.yaml (2 at least), or "
        f"{way_out}."
    )
