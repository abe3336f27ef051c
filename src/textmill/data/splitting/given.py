"""Splits that the source gives: kept as they are, once they are known to be of use."""

from reprlib import repr as short

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data.splitting.grouping import hash_texts
from textmill.data.splitting.strata import Strata
from textmill.errors import UserError
from textmill.paths import SPLITS

MISSING = -1
_NUM_EXAMPLES = 5


class UnusableGivenSplits(UserError):
    """The splits that the source gives leave rows out, share a group, or lack a class."""


def read_given(documents: pd.DataFrame) -> npt.NDArray[np.int8]:
    """The index of each document's given split, MISSING where none is given.

    Raises: UnusableGivenSplits: a split has another name than those of SPLITS.
    """
    if "split" not in documents:
        return np.full(len(documents), MISSING, np.int8)
    codes = pd.Categorical(documents["split"], categories=list(SPLITS)).codes.astype(np.int8)
    strange = (codes == MISSING) & documents["split"].notna().to_numpy()
    if strange.any():
        raise UnusableGivenSplits(
            f"{_describe(documents, strange)} has the split {short(documents['split'][strange].iloc[0])}; allowed are "
            f"{', '.join(SPLITS)}. Mend the column that data.split names."
        )
    return codes


def check_given(
    documents: pd.DataFrame,
    split_N: npt.NDArray[np.int8],
    strata: Strata,
) -> None:
    """See that given splits can be used.

    A cluster may cross them: clean takes such documents out of train unless it is told not to, and the contract's
    leakage looks once more.

    Raises:
        UnusableGivenSplits: some documents have no split, none is train, a group lies in two splits, or a class is
            missing from a given split that it must be in.
    """
    without = split_N == MISSING
    given = [name for code, name in enumerate(SPLITS) if (split_N == code).any()]
    if without.any():
        raise UnusableGivenSplits(
            f"{without.sum()} of {len(documents)} documents have no split, while others are given "
            f"({', '.join(given)}): {_describe(documents, without)} is the first. Give each row a split in the column "
            "that data.split names, or none (data.split: null)."
        )
    if "train" not in given:
        raise UnusableGivenSplits(
            f"All documents have a given split ({', '.join(given)}), but none is train: there is nothing to learn "
            "from. Name the train documents so in the column that data.split names."
        )
    _check_groups(documents, split_N)
    counts_PS = np.zeros((len(SPLITS), len(strata.names)), np.int64)
    np.add.at(counts_PS, (split_N[strata.row_E], strata.stratum_E), 1)
    counts = {name: counts_PS[SPLITS.index(name)] for name in given}
    lacks_S = np.any([(counts[name] == 0) & strata.must_cover(name) for name in given], axis=0)
    missing = [
        f"{short(strata.names[code])} has {', '.join(f'{counts[name][code]} in {name}' for name in given)}"
        for code in np.flatnonzero(lacks_S)
    ]
    if missing:
        kind, several = ("class", "classes") if strata.task == "single_label" else ("label", "labels")
        where = f"every given split ({', '.join(given)})" if strata.task == "single_label" else "the given train split"
        more = f" and {len(missing) - _NUM_EXAMPLES} {several} more" if len(missing) > _NUM_EXAMPLES else ""
        unlearnable = " What train lacks no model can learn." if (counts["train"][lacks_S] == 0).any() else ""
        raise UnusableGivenSplits(
            f"Every {kind} must be in {where}, but after cleaning {'; '.join(missing[:_NUM_EXAMPLES])}{more} "
            f"(documents).{unlearnable} Leave the {kind} out or merge it by clean.labels, or let textmill make the "
            "splits itself (one data.source, data.split: null)."
        )


def _check_groups(documents: pd.DataFrame, split_N: npt.NDArray[np.int8]) -> None:
    if "group" not in documents:
        return
    hashes = hash_texts(documents["group"], seed=0)
    rows = pd.DataFrame({"group": hashes, "split": split_N})[hashes != 0]
    is_first = ~rows.duplicated()
    pairs = rows[is_first]
    crossing = pairs[pairs["group"].duplicated(keep=False)].sort_values(["group", "split"])
    if crossing.empty:
        return
    told = [
        f"{short(documents['group'].iloc[group.index[0]])} in {' and '.join(SPLITS[code] for code in group['split'])}"
        for _, group in list(crossing.groupby("group", sort=False))[:_NUM_EXAMPLES]
    ]
    num_groups = crossing["group"].nunique()
    more = f" and {num_groups - _NUM_EXAMPLES} more" if num_groups > _NUM_EXAMPLES else ""
    raise UnusableGivenSplits(
        f"{num_groups} group(s) lie in several of the given splits, though a group must not cross them: "
        f"{'; '.join(told)}{more}. Either the splits or the groups are to be kept: set data.group: null, or mend the "
        "splits in the source."
    )


def _describe(documents: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> str:
    position = int(np.flatnonzero(chosen)[0])
    return f"document {documents['id'].iloc[position]}" if "id" in documents else f"document number {position}"
