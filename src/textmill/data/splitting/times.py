"""The split by time: the oldest documents are learned from, the newest test.

Shapes: N documents, A atoms, P parts.
"""

from collections.abc import Sequence
from reprlib import repr as short
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data.splitting.stratification import cut
from textmill.errors import UserError


class UnusableTimes(UserError):
    """Times are missing, cannot be read, or are too few."""


def cut_by_time(
    documents: pd.DataFrame, atom_N: npt.NDArray[np.int32], share_P: npt.NDArray[np.float64], parts: Sequence[str]
) -> npt.NDArray[np.int8]:
    """The part of each atom [A], the oldest in the first part; equal times never part.

    An atom goes where its newest document goes: train never holds what is younger than the cut.

    Args:
        documents: columns id and time.

    Raises:
        UnusableTimes: a time is missing or cannot be read, or there are fewer times than parts.
    """
    times_N = read_times(documents)
    newest_A = np.full(atom_N.max() + 1, times_N.min())
    np.maximum.at(newest_A, atom_N, times_N)
    times, time_A = np.unique(newest_A, return_inverse=True)
    if len(times) < len(parts):
        raise UnusableTimes(
            f"data.time has {len(times)} different value(s) once clusters and groups are kept together, too few to cut "
            f"{', '.join(parts)} from: documents of one time stay in one split. Use split.method: stratified, or a "
            "column with finer times."
        )
    sizes = np.bincount(time_A[atom_N], minlength=len(times))
    places = cut(sizes, share_P, np.ones(len(parts), bool))
    return np.searchsorted(places, time_A, side="right").astype(np.int8)


def read_times(documents: pd.DataFrame) -> npt.NDArray[Any]:
    """The times as numbers [N] of one kind: as they stand, or of dates the time since 1970.

    Raises:
        UnusableTimes: they are neither all finite numbers nor all ISO 8601 dates (a date without a zone is UTC).
    """
    times = documents["time"]
    numbers = pd.to_numeric(times, errors="coerce").to_numpy(na_value=np.nan)
    is_number = np.isfinite(numbers)
    if is_number.all():
        return numbers
    dates = pd.to_datetime(times, format="ISO8601", utc=True, errors="coerce")
    is_date = dates.notna().to_numpy()
    if is_date.all():
        return dates.astype("int64").to_numpy()
    if (is_number | is_date).all():
        raise UnusableTimes(
            f"The column of data.time mixes numbers ({_example(documents, ~is_date)}) with dates "
            f"({_example(documents, ~is_number)}): they have no common order. Use one kind."
        )
    neither = ~(is_number | is_date)
    raise UnusableTimes(
        f"split.method: time needs a time of every document, but {neither.sum()} of {len(times)} have none that can be "
        f"read: {_example(documents, neither)}. Allowed are numbers, or dates as in ISO 8601 such as 2024-05-31 or "
        "2024-05-31T18:30:00+02:00. Name another column in data.time, mend its values, leave the rows out with "
        "data.where, or use split.method: stratified."
    )


def _example(documents: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> str:
    position = int(np.flatnonzero(chosen)[0])
    value = documents["time"].iloc[position]
    found = "no value" if pd.isna(value) else short(value)
    return f"{found} of document {documents['id'].iloc[position]}"
