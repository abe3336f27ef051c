"""Labels that a person corrected, put in place of those that were found."""

from collections.abc import Sequence
from reprlib import repr as short

import pandas as pd

from textmill.data.cleaning.labels import NUM_EXAMPLES, Rules
from textmill.errors import UserError
from textmill.tasks import Task, labels_of


class UnfittingCorrection(UserError):
    """A correction of a label that does not fit the data as they are now."""


class Corrections:
    """Replaces labels that a person corrected.

    Args:
        table: id, label (when it was reviewed), corrected (the one to use).
        rules: of the label column.
        task: says what labels are named in the column.
        merge_into: the label that rare ones become later on: when it was reviewed, a rare one was called that already.

    Raises: UnfittingCorrection: a corrected label is none, such as a word for a number.
    """

    def __init__(self, table: pd.DataFrame, rules: Rules, task: Task, merge_into: str | None = None) -> None:
        self._rules, self._task, self._merge_into = rules, task, merge_into
        columns = (table[name].tolist() for name in ("id", "label", "corrected"))
        self._open = {
            name: (self._tidy(name, label), self._tidy(name, corrected))
            for name, label, corrected in zip(*columns, strict=True)
        }
        self._labels: set[str] = set()
        self.applied: list[dict[str, str]] = []

    def apply(self, ids: Sequence[str], labels: list[str | None]) -> list[str | None]:
        """Correct the labels of a batch.

        Raises: UnfittingCorrection: a label is not what it was when it was reviewed.
        """
        if not self._open and not self.applied:
            return labels
        for label in set(labels) - {None}:
            self._labels.update(labels_of(label or "", self._task))
        corrected = list(labels)
        for place, name in enumerate(ids):
            if name in self._open:
                corrected[place] = self._correct(name, labels[place])
        return corrected

    def _tidy(self, name: str, label: str) -> str:
        tidy = self._rules.tidy(label)
        if tidy is None:
            raise UnfittingCorrection(
                f"data.label_corrections has {short(label)} for document {name}, but with task: {self._task} a label "
                "is a finite number. Correct the file."
            )
        return tidy

    def _correct(self, name: str, label: str | None) -> str:
        reviewed, corrected = self._open.pop(name)
        if label is None or (label not in (reviewed, corrected) and not self._was_merged(reviewed)):
            now = "missing or not listed in clean.labels" if label is None else short(label)
            raise UnfittingCorrection(
                f"data.label_corrections corrects document {name} from {short(reviewed)} to {short(corrected)}, but "
                f"its label is {now} now: the data or clean.labels changed since the review. Write a new file with "
                "`textmill labels review`, or take the document out of this one."
            )
        if label != corrected:
            self.applied.append({"id": name, "from": label, "to": corrected})
        return corrected

    def _was_merged(self, reviewed: str) -> bool:
        return self._merge_into is not None and self._merge_into in labels_of(reviewed, self._task)

    def check(self) -> None:
        """Look at the whole once all batches are corrected.

        Raises: UnfittingCorrection: a document is not there, or a corrected label is none of the labels.
        """
        allowed = self._rules.allowed
        labels = {*(self._labels if allowed is None else allowed), *filter(None, [self._merge_into])}
        for correction in self.applied:
            if set(labels_of(correction["to"], self._task)) - labels:
                raise UnfittingCorrection(
                    f"data.label_corrections gives document {correction['id']} the label {short(correction['to'])}, "
                    f"which is none of the labels: {', '.join(map(short, sorted(labels)[:NUM_EXAMPLES]))}. Correct the "
                    "file, or list the label in clean.labels."
                )
        if self._open:
            raise UnfittingCorrection(
                f"data.label_corrections corrects document {next(iter(self._open))}, which is not in the data"
                f"{f' (nor are {len(self._open) - 1} more)' if len(self._open) > 1 else ''}. Take it out of the file."
            )
