"""Judges every row: its own faults, exact and near duplicates, rare labels."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any

import numpy as np
import numpy.typing as npt

from textmill.data.cleaning.labels import NUM_EXAMPLES, RareLabels
from textmill.data.duplicates.exact import OTHER, TEST, VALIDATION, Fates, Rows, judge_equal_texts
from textmill.data.duplicates.near import NearDuplicateIndex
from textmill.data.duplicates.near_clusters import NearFates, judge_near_texts
from textmill.data.quarantine.parting import Settlement
from textmill.data.quarantine.reasons import CODES, KEPT
from textmill.errors import UserError
from textmill.tasks import Task, join_labels, labels_of

_TIERS = {"test": TEST, "validation": VALIDATION}


class TooRare(UserError):
    """Labels have too few documents, and clean.rare_labels.action is error."""


@dataclass(frozen=True)
class _Judgement:
    fates: Fates
    is_equal: npt.NDArray[np.bool_]  # bool [N], the row goes for an equal text
    near: NearFates | None


class Verdicts:
    """The fate of every row, in the order of the raw table, at about 40 bytes a row, and those of `near`.

    Fill it with `add`, batch by batch, and `settle` it; then `keep` and `quarantine` part the rows.

    Args:
        drop_duplicates: whether exact duplicates and their conflicts go; leaks into given splits always do.
        near: the sketches of all rows, or None if near duplicates are not looked for.
        near_action: `quarantine` or `group`.
        rare: what a rare label is, and what becomes of it; a document with several labels goes if one of them is rare.
        task: what the labels of a row are: two rows agree if their label columns are equal.
    """

    def __init__(
        self, *, drop_duplicates: bool, near: NearDuplicateIndex | None, near_action: str, rare: RareLabels, task: Task
    ) -> None:
        self._task: Task = task
        self._labels: dict[str, int] = {}  # what the label column holds, with its index
        self._unknown: list[str] = []  # the first few labels that clean.labels does not list
        self._drop_duplicates, self._near, self._near_action, self._rare = drop_duplicates, near, near_action, rare
        self._batches: list[tuple[npt.NDArray[Any], ...]] = []
        self._pairs: npt.NDArray[np.int64] | None = None  # of near duplicates, once they are looked for

    def add(
        self,
        *,
        ids: Sequence[str],
        splits: Sequence[str | None],
        labels: Sequence[str | None],
        reasons: Sequence[str | None],
        clusters: Sequence[int],
    ) -> None:
        """Note a batch of rows.

        Args:
            splits: the given split, or None.
            labels: the label to use as our tables hold it, or None.
            reasons: why a row goes for its text or its label, or None.
            clusters: hashes of normal forms; any number where the text cannot be used.
        """
        for label in labels:
            if label is not None and label not in self._labels:
                self._labels[label] = len(self._labels)
        self._batches.append(
            (
                np.array([int(name, 16) for name in ids], np.uint64),
                np.array([_TIERS.get(split or "", OTHER) for split in splits], np.int8),
                np.array([-1 if label is None else self._labels[label] for label in labels], np.int32),
                np.array([KEPT if reason is None else CODES[reason] for reason in reasons], np.int8),
                np.array(clusters, np.uint64),
            )
        )

    def note_unknown(self, found: Iterable[str | None]) -> None:
        """Remember labels that clean.labels does not list, to name some of them."""
        if len(self._unknown) < NUM_EXAMPLES:
            self._unknown = list(dict.fromkeys([*self._unknown, *filter(None, found)]))[:NUM_EXAMPLES]

    def settle(self) -> Settlement:
        """Find the duplicates among the rows that nothing else speaks against, and the rare labels among the rest.

        What a rare label takes away may have been another row's duplicate, so that the two are looked for in turns.

        Raises:
            TooRare: labels are rare, and that is an error.
            NothingToLearn: no row stays, or rows of a single class or number.
        """
        ids, tiers, found_labels, reasons, clusters = map(np.concatenate, zip(*self._batches, strict=True))
        self._batches.clear()
        labels, is_eligible = found_labels.copy(), reasons == KEPT
        text = np.zeros(len(ids), np.int64)
        self._cluster_of_text, text[is_eligible] = np.unique(clusters[is_eligible], return_inverse=True)
        while True:
            rows = Rows(text, labels, tiers, is_eligible)
            judgement = self._judge(rows)
            stays = is_eligible & (judgement.fates.reason == KEPT)
            rare = self._find_rare(np.bincount(labels[stays], minlength=len(self._labels)))
            if not rare:
                break
            has_rare = {
                index: names
                for column, index in list(self._labels.items())
                if not rare.isdisjoint(names := labels_of(column, self._task))
            }
            if self._rare.action == "merge" and self._rare.merge_into:
                labels = self._merge(has_rare, rare, self._rare.merge_into)[labels]
            else:
                is_rare = np.isin(labels, list(has_rare)) & is_eligible
                reasons[is_rare] = CODES["rare_label"]
                is_eligible &= ~is_rare
        cluster = None
        if judgement.near is not None and self._near_action == "group":
            cluster = np.zeros(len(ids), np.uint64)
            cluster[is_eligible] = self._cluster_of_text[judgement.near.cluster[text[is_eligible]]]
        settlement = Settlement(
            ids=ids,
            task=self._task,
            names=list(self._labels),
            label=labels,
            found_label=found_labels,
            reason=np.where(is_eligible, judgement.fates.reason, reasons),
            kept=judgement.fates.kept,
            is_equal=judgement.is_equal,
            cluster=cluster,
            near_sizes=np.empty(0, np.int64) if judgement.near is None else judgement.near.sizes,
        )
        settlement.check_classes(self._unknown)
        return settlement

    def _judge(self, rows: Rows) -> "_Judgement":
        equal = judge_equal_texts(rows, drop=self._drop_duplicates)
        is_equal = equal.reason != KEPT
        if self._near is None:
            return _Judgement(equal, is_equal, None)
        if self._pairs is None:
            untouched = Fates(np.full(len(rows.text), KEPT, np.int8), np.arange(len(rows.text)))
            self._pairs = np.empty((0, 2), np.int64)
            self._pairs = self._find_pairs(self._judge_near(rows, untouched))
        while True:
            near = self._judge_near(rows, equal)
            pairs = self._find_pairs(near) if near.has_chains else self._pairs
            if len(pairs) == len(self._pairs):
                return _Judgement(near.fates, is_equal, near)
            self._pairs = pairs

    def _judge_near(self, rows: Rows, equal: Fates) -> NearFates:
        assert self._pairs is not None
        return judge_near_texts(rows, equal, self._pairs, len(self._cluster_of_text), self._near_action)

    def _find_pairs(self, fates: NearFates) -> npt.NDArray[np.int64]:
        """The known pairs, and those among the texts that stay."""
        assert self._near is not None and self._pairs is not None
        found = fates.texts[self._near.find_pairs(fates.staying)]
        return np.unique(np.sort(np.concatenate([self._pairs, found]), axis=1), axis=0)

    def _find_rare(self, counts: npt.NDArray[np.int64]) -> set[str]:
        """The labels that are rare, but for the one that rare ones are merged into. Raises: TooRare."""
        by_label: Counter[str] = Counter()
        for column, count in zip(self._labels, counts.tolist(), strict=True):
            for name in labels_of(column, self._task) if count else ():
                by_label[name] += count
        rare = {
            name: count
            for name, count in by_label.items()
            if count < self._rare.min_documents and name != self._rare.merge_into
        }
        if rare and self._rare.action == "error":
            shown = ", ".join(f"{short(name)} ({count})" for name, count in list(rare.items())[:NUM_EXAMPLES])
            more = f" and {len(rare) - NUM_EXAMPLES} more" if len(rare) > NUM_EXAMPLES else ""
            raise TooRare(
                f"{len(rare)} of {len(by_label)} labels have fewer than clean.rare_labels.min_documents: "
                f"{self._rare.min_documents} documents after cleaning: {shown}{more}. Add documents, list the labels "
                "as aliases of others in clean.labels, set clean.rare_labels.action to quarantine or merge, or lower "
                "min_documents."
            )
        return set(rare)

    def _merge(self, has_rare: dict[int, list[str]], rare: set[str], merge_into: str) -> npt.NDArray[np.int32]:
        """The index that each index of a label column becomes; the last one, for no label, stays."""
        become = {}
        for index, names in has_rare.items():
            column = join_labels(merge_into if name in rare else name for name in names)
            become[index] = self._labels.setdefault(column, len(self._labels))
        mapping = np.arange(len(self._labels) + 1, dtype=np.int32)
        mapping[-1] = -1
        mapping[list(become)] = list(become.values())
        return mapping
