"""Who stays and who goes: one verdict a row, so that no row is lost between clean and quarantine."""

from collections import Counter
from collections.abc import Iterable, Iterator
from reprlib import repr as short
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data import cleaning, duplicates
from textmill.errors import UserError

REASONS = (*cleaning.ROW_REASONS, *duplicates.REASONS)
NUM_EXAMPLES = 10
KEPT = -1  # in place of a position in REASONS
DUPLICATE, CONFLICTING = REASONS.index("duplicate"), REASONS.index("conflicting_labels")


class NothingToLearn(UserError):
    """Cleaning left no documents, or documents of one class only."""


class Verdicts:
    """The fate of every row, in the order of the raw table, at 25 bytes a row.

    Fill it with `add`, batch by batch, and `settle` it; then `keep` and `quarantine` part the rows.
    """

    def __init__(self) -> None:
        self.labels: dict[str, int] = {}  # with their index
        self.unknown: list[str] = []  # the first few labels that clean.labels does not list
        self._rows: list[pd.DataFrame] = []
        self.reasons: npt.NDArray[np.int8] = np.empty(0, np.int8)
        self._label_index: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._kept_ids: npt.NDArray[np.uint64] = np.empty(0, np.uint64)

    def add(self, rows: pd.DataFrame) -> None:
        """Note a batch of cleaned rows: id, label, found, cluster and reason (None where nothing speaks against it)."""
        for label in rows["label"][rows["reason"].isna()].unique():
            self.labels.setdefault(label, len(self.labels))
        unknown = rows["found"][rows["reason"] == "unknown_label"].unique()
        self.unknown = list(dict.fromkeys([*self.unknown, *unknown]))[:NUM_EXAMPLES]
        self._rows.append(
            pd.DataFrame(
                {
                    "id": _as_integers(rows["id"]),
                    "cluster": _as_integers(rows["cluster"].fillna("0")),
                    "label": np.array([self.labels.get(label, -1) for label in rows["label"]], np.int64),
                    "reason": np.array([KEPT if r is None else REASONS.index(r) for r in rows["reason"]], np.int8),
                }
            )
        )

    def settle(self) -> None:
        """Find the duplicates among the rows that nothing else speaks against.

        Raises: NothingToLearn: no row stays, or rows of a single class.
        """
        rows = pd.concat(self._rows, ignore_index=True)
        self._rows.clear()
        ids, self._label_index = rows["id"].to_numpy(), rows["label"].to_numpy()
        self.reasons = rows["reason"].to_numpy().copy()
        self._kept_ids = np.zeros(len(rows), np.uint64)
        stays = np.flatnonzero(self.reasons == KEPT)
        found = duplicates.find_duplicates(rows["cluster"].to_numpy()[stays], self._label_index[stays])
        self.reasons[stays[found.is_duplicate]] = DUPLICATE
        self.reasons[stays[found.is_conflicting]] = CONFLICTING
        self._kept_ids[stays] = ids[stays[found.first]]
        self._check_classes()

    def keep(self, cleaned: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """The cleaned rows that stay."""
        for batch, part in self._align(cleaned):
            yield batch[self.reasons[part] == KEPT]

    def quarantine(self, raw: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """The raw rows that go, with `reason`, and for a duplicate `kept_id`, the document that stays in its place."""
        for batch, part in self._align(raw):
            codes = self.reasons[part]
            kept = [f"{i:016x}" if c == DUPLICATE else None for i, c in zip(self._kept_ids[part], codes, strict=True)]
            reasons = [None if code == KEPT else REASONS[code] for code in codes]
            fate = pd.DataFrame({"reason": reasons, "kept_id": kept}, index=batch.index, dtype=object)
            yield batch.join(fate)[codes != KEPT]

    def summary(self, repaired: Counter[str]) -> dict[str, Any]:
        """Counts that add up: ingested = kept + quarantined; `repaired` says how many texts each step changed."""
        counts = {reason: int((self.reasons == code).sum()) for code, reason in enumerate(REASONS)}
        num_kept = int((self.reasons == KEPT).sum())
        assert num_kept + sum(counts.values()) == len(self.reasons)
        return {
            "ingested": len(self.reasons),
            "kept": num_kept,
            "quarantined": sum(counts.values()),
            "reasons": counts,
            "repaired": {step: repaired[step] for step in ("unicode", "html", "whitespace")},
            "labels": self.count_labels(),
        }

    def count_labels(self) -> dict[str, int]:
        """Documents kept of each label, by name."""
        counts = np.bincount(self._label_index[self.reasons == KEPT], minlength=len(self.labels))
        return {label: int(count) for label, count in sorted(zip(self.labels, counts, strict=True)) if count}

    def _align(self, batches: Iterable[pd.DataFrame]) -> Iterator[tuple[pd.DataFrame, slice]]:
        start = 0
        for batch in batches:
            yield batch, slice(start, start + len(batch))
            start += len(batch)
        assert start == len(self.reasons), "the table changed between two passes"

    def _check_classes(self) -> None:
        gone = Counter(REASONS[code] for code in self.reasons if code != KEPT)
        reasons = ", ".join(f"{count} {reason}" for reason, count in gone.most_common()) or "none"
        if self.unknown:
            reasons += f"; labels that clean.labels does not list: {', '.join(map(short, self.unknown))}"
        labels = self.count_labels()
        if not labels:
            raise NothingToLearn(
                f"Nothing is left after cleaning: all {len(self.reasons)} rows went to quarantine ({reasons}). "
                "Look at clean.labels (it must list the labels as the source has them), clean.min_characters and "
                "clean.max_characters."
            )
        if len(labels) == 1:
            raise NothingToLearn(
                f"All {sum(labels.values())} documents that are left after cleaning have one label, "
                f"{next(iter(labels))!r}; a classifier needs at least two. Quarantined: {reasons}. Look at data.label "
                "(is it the right column?), data.where (does it pick one class?) and clean.labels."
            )


def _as_integers(hexadecimals: "pd.Series[str]") -> npt.NDArray[np.uint64]:
    return np.array([int(value, 16) for value in hexadecimals], np.uint64)
