"""The first pass of clean: texts, in all cores, and labels; what duplicates are found by is collected on the way."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

import pandas as pd
import pyarrow as pa

from textmill.data.cleaning.corrected_labels import Corrections
from textmill.data.cleaning.labels import Rules
from textmill.data.cleaning.preparation import prepare
from textmill.data.cleaning.texts import STEPS, TextRules
from textmill.data.cleaning.worker_pool import map_in_order
from textmill.data.duplicates.near import NearDuplicateIndex
from textmill.data.duplicates.shingles import Banding
from textmill.data.quarantine.verdicts import Verdicts


class RowCleaner:
    """Cleans raw rows and hands what it learns of them to `verdicts` and `index`.

    Attributes:
        repaired: how many texts each step that is switched on changed so far.
    """

    def __init__(
        self,
        rules: TextRules,
        banding: Banding | None,
        labels: Rules,
        corrections: Corrections,
        verdicts: Verdicts,
        index: NearDuplicateIndex | None,
    ) -> None:
        self._work = partial(prepare, rules=rules, banding=banding)
        self._labels, self._corrections, self._verdicts, self._index = labels, corrections, verdicts, index
        self.repaired = Counter(dict.fromkeys((name for name in STEPS if name in rules.steps), 0))

    def clean(self, raw: Iterable[pd.DataFrame], num_workers: int) -> Iterator[pd.DataFrame]:
        """The rows with cleaned text, the label to use and the cluster, one for each raw row.

        Raises: UnfittingCorrection, WorkerDied.
        """
        for batch, prepared in map_in_order(self._work, ((rows, as_list(rows["text"])) for rows in raw), num_workers):
            found = as_list(batch["label"])
            ids = batch["id"].tolist()
            used = self._corrections.apply(ids, [self._labels.use(label) for label in found])
            reasons = [
                of_text or self._labels.reason(label, name)
                for of_text, label, name in zip(prepared.reasons, found, used, strict=True)
            ]
            self._verdicts.note_unknown(
                name
                for label, reason in zip(found, reasons, strict=True)
                if reason == "unknown_label"
                for name in self._labels.unknown(label)
            )
            self._verdicts.add(
                ids=ids, splits=as_list(batch["split"]), labels=used, reasons=reasons, clusters=prepared.clusters
            )
            if self._index is not None and prepared.sketches is not None:
                self._index.add(prepared.sketches)
            self.repaired.update(prepared.changed)
            clusters = [f"{cluster:016x}" for cluster in prepared.clusters]
            new = {"text": prepared.texts, "label": used, "cluster": clusters}
            yield batch.assign(**{name: pd.Series(values, batch.index, object) for name, values in new.items()})
        self._corrections.check()


def as_list(column: "pd.Series[str]") -> list[str | None]:
    """Python strings, with None in place of pandas' NaN."""
    values: list[str | None] = pa.array(column, pa.string(), from_pandas=True).to_pylist()
    return values
