"""The tasks: what a label is, and the figure that decides.

Stands alone (a served model carries a copy): it imports the standard library only.
"""

from collections.abc import Iterable
from typing import Literal

Task = Literal["single_label", "multi_label", "regression"]

# The figure by which epochs, trials, variants and versions are compared; more is better in all of them.
PRIMARY: dict[str, str] = {"single_label": "f1_macro", "multi_label": "f1_macro", "regression": "r2"}
# The same for people.
PRIMARY_NAMES = {"f1_macro": "macro-F1", "r2": "R²"}

NO_LABEL = "(none)"  # for people, and opposite to a label that is missed or given wrongly
SEPARATOR = "|"  # between the labels of a document in our own tables; no label may hold it


def name_objective(objective: str, task: str | None) -> str:
    """An objective in words; `quality` stands for the task's score."""
    return PRIMARY_NAMES[PRIMARY[task]] if objective == "quality" and task else objective


def join_labels(labels: Iterable[str]) -> str:
    """The labels of a document as our tables hold them: sorted, each once, "" for none."""
    return SEPARATOR.join(sorted(set(labels)))


def split_labels(joined: str) -> list[str]:
    """The reverse of `join_labels`."""
    return joined.split(SEPARATOR) if joined else []


def labels_of(label: str, task: Task) -> list[str]:
    """The labels that the label column of our tables names for a document; none for regression."""
    if task == "regression":
        return []
    return split_labels(label) if task == "multi_label" else [label]
