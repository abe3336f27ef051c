"""Parts the rows that stay from those that go, so that no row is lost between clean and quarantine."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.data.numbers import describe_numbers
from textmill.data.quarantine.reasons import CODES, KEPT, LEAKS, REASONS, REPLACED
from textmill.errors import UserError
from textmill.tasks import Task, labels_of

_ONE = {  # for a message: what all documents have
    "single_label": "one label, {name!r}; a classifier needs at least two",
    "multi_label": "the labels {name!r} or some of them; there must be two labels, and documents that differ in them",
    "regression": "the number {name}; there is nothing to learn",
}


class NothingToLearn(UserError):
    """Cleaning left no documents, or documents of one class or one number only."""


@dataclass(frozen=True)
class Settlement:
    """The fate of N rows, in the order of the raw table.

    Attributes:
        ids: uint64 [N].
        task: what the labels are.
        names: what the label column holds, by index.
        label: int32 [N], index of the label to use; -1 where there is none.
        found_label: int32 [N], the same before rare labels were merged.
        reason: int8 [N], position in REASONS, or KEPT.
        kept: int64 [N], the row that stays in its place; its own where there is none.
        is_equal: bool [N], the row equals another one, which decided on its fate.
        cluster: uint64 [N] of rows that stay; None where it is that of the text itself.
        near_sizes: int64, rows of each cluster of near duplicates.
    """

    ids: npt.NDArray[np.uint64]
    task: Task
    names: Sequence[str]
    label: npt.NDArray[np.int32]
    found_label: npt.NDArray[np.int32]
    reason: npt.NDArray[np.int8]
    kept: npt.NDArray[np.int64]
    is_equal: npt.NDArray[np.bool_]
    cluster: npt.NDArray[np.uint64] | None
    near_sizes: npt.NDArray[np.int64]

    def keep(self, cleaned: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """The cleaned rows that stay, with the labels and clusters that came of it."""
        names = np.array([*self.names, None], object)
        for batch, part in self._align(cleaned):
            stays = self.reason[part] == KEPT
            rows = batch[stays].assign(label=names[self.label[part][stays]])
            if self.cluster is not None:
                rows["cluster"] = [f"{cluster:016x}" for cluster in self.cluster[part][stays]]
            yield rows

    def quarantine(self, raw: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """The raw rows that go, with `reason`, and `kept_id`, the document that stays in their place, if one does."""
        names = np.array([*REASONS, None], object)
        is_replaced = self._is_replaced()
        for batch, part in self._align(raw):
            goes = self.reason[part] != KEPT
            kept_ids = zip(self.ids[self.kept[part][goes]], is_replaced[part][goes], strict=True)
            yield batch[goes].assign(
                reason=names[self.reason[part][goes]],
                kept_id=np.array([f"{kept:016x}" if replaced else None for kept, replaced in kept_ids], object),
            )

    def summary(self, repaired: Counter[str], corrections: list[dict[str, str]]) -> dict[str, Any]:
        """Counts that add up: ingested = kept + quarantined.

        `labels` counts the documents of each label (none for regression), `unlabelled` those without one
        (multi_label), and `target` has min, max, mean and std of the numbers (regression).

        Args:
            repaired: how many texts each step changed.
            corrections: of labels: id, from, to.
        """
        counts = np.bincount(self.reason[self.reason != KEPT], minlength=len(REASONS))
        is_kept = self.reason == KEPT
        leaks = np.isin(self.reason, [CODES[name] for name in LEAKS])
        assert is_kept.sum() + counts.sum() == len(self.reason)
        assert is_kept[self.kept[self._is_replaced()]].all(), "a row is told to be kept, and is not"
        return {
            "ingested": len(self.reason),
            "kept": int(is_kept.sum()),
            "quarantined": int(counts.sum()),
            "reasons": {name: int(count) for name, count in zip(REASONS, counts, strict=True)},
            "repaired": dict(repaired),
            "labels": self.count_labels(),
            "unlabelled": self._count_unlabelled(is_kept),
            "target": self._describe_target(is_kept),
            "merged_labels": self._count_merged(is_kept),
            "near_duplicates": {
                "num_clusters": len(self.near_sizes),
                "largest": int(self.near_sizes.max(initial=0)),
            },
            "leaks": {"exact": int((leaks & self.is_equal).sum()), "near": int((leaks & ~self.is_equal).sum())},
            "corrections": corrections,
        }

    def count_labels(self) -> dict[str, int]:
        """Documents kept of each label, by name."""
        return self._count(self.label[self.reason == KEPT])

    def check_classes(self, unknown: Sequence[str]) -> None:
        """Is there something to learn?

        Args:
            unknown: some of the labels that clean.labels does not list, to name them.

        Raises: NothingToLearn: no row stays, or rows of a single class.
        """
        gone = Counter(list(REASONS)[code] for code in self.reason[self.reason != KEPT])
        reasons = ", ".join(f"{count} {reason}" for reason, count in gone.most_common()) or "none"
        if unknown:
            reasons += f"; labels that clean.labels does not list: {', '.join(map(short, unknown))}"
        if not (self.reason == KEPT).any():
            raise NothingToLearn(
                f"Nothing is left after cleaning: all {len(self.reason)} rows went to quarantine ({reasons}). "
                "Look at clean.labels (it must list the labels as the source has them), clean.min_characters and "
                "clean.max_characters."
            )
        kept = np.unique(self.label[self.reason == KEPT])
        if len(kept) == 1 or (self.task == "multi_label" and len(self.count_labels()) < 2):
            num_kept, name = int((self.reason == KEPT).sum()), self.names[kept[0]]
            raise NothingToLearn(
                f"All {num_kept} documents that are left after cleaning have {_ONE[self.task].format(name=name)}. "
                f"Quarantined: {reasons}. Look at data.label (is it the right column?), data.where (does it pick one "
                f"class?){' and data.label_separator' if self.task == 'multi_label' else ' and clean.labels'}."
            )

    def _count(self, label: npt.NDArray[np.int32]) -> dict[str, int]:
        """Rows of each label, by name."""
        counts: Counter[str] = Counter()
        for column, count in zip(self.names, np.bincount(label, minlength=len(self.names)).tolist(), strict=True):
            for name in labels_of(column, self.task) if count else ():
                counts[name] += count
        return dict(sorted(counts.items()))

    def _count_unlabelled(self, is_kept: npt.NDArray[np.bool_]) -> int:
        if self.task != "multi_label" or "" not in self.names:
            return 0
        return int((self.label[is_kept] == self.names.index("")).sum())

    def _count_merged(self, is_kept: npt.NDArray[np.bool_]) -> dict[str, int]:
        """Documents of each label that another took the place of."""
        merged = np.flatnonzero(is_kept & (self.found_label != self.label))
        pairs, counts = np.unique(np.stack([self.found_label[merged], self.label[merged]]), axis=1, return_counts=True)
        gone: Counter[str] = Counter()
        for (found, label), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
            for name in set(labels_of(self.names[found], self.task)) - set(labels_of(self.names[label], self.task)):
                gone[name] += count
        return dict(sorted(gone.items()))

    def _describe_target(self, is_kept: npt.NDArray[np.bool_]) -> dict[str, float] | None:
        if self.task != "regression":
            return None
        return describe_numbers(np.array(self.names, np.float64)[self.label[is_kept]])

    def _is_replaced(self) -> npt.NDArray[np.bool_]:
        return np.isin(self.reason, [CODES[name] for name in REPLACED])

    def _align(self, batches: Iterable[pd.DataFrame]) -> Iterator[tuple[pd.DataFrame, slice]]:
        start = 0
        for batch in batches:
            yield batch, slice(start, start + len(batch))
            start += len(batch)
        assert start == len(self.reason), "the table changed between two passes"
