"""Test labels that the label audit's rule doubts: a mistake there may be the label's and not the model's.

The audit itself is about train documents. Its rule asks what a model that has not seen a document says of it, and of
test documents the baseline, which was fitted on the train split, is such a model: so the same rule takes its answers.
Of labels with a handful of documents it doubts none.
"""

import warnings

import pandas as pd

from textmill.baseline.label_audit import find_issues
from textmill.diagnosis.mistakes import probabilities
from textmill.tasks import Task, labels_of


def doubted_documents(answers: pd.DataFrame, labels: list[str], task: Task) -> set[str]:
    """Ids of test documents whose label `label_audit.find_issues` doubts.

    Args:
        answers: predictions.parquet of the baseline.
        labels: the baseline's, in the order of the probabilities. Those that no document has are left out, and the
            other probabilities made to sum to 1 (single_label): nothing is known of how sure the baseline is of them.
    """
    table = answers[["id", "label"]].reset_index(drop=True)
    if task == "regression":
        return set(find_issues(table.assign(p0=answers["predicted"].astype(float).to_numpy()), task)["id"])
    found = {name for label in table["label"].unique() for name in labels_of(label, task)}
    kept = [position for position, label in sorted(enumerate(labels), key=lambda pair: pair[1]) if label in found]
    if len(kept) < (2 if task == "single_label" else 1):
        return set()  # all documents have one label: there is no other to suggest
    own = probabilities(answers)[:, kept]
    if task == "single_label":
        own = own.clip(1e-9)
        own /= own.sum(axis=1, keepdims=True)
    columns = {f"p{position}": own[:, position] for position in range(len(kept))}
    with warnings.catch_warnings():  # a line for every label with a handful of documents
        warnings.simplefilter("ignore", UserWarning)
        return set(find_issues(table.assign(**columns), task)["id"])
