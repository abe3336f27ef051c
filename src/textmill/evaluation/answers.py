"""A model's answers, and what is true, as arrays and in the form of our tables (see `tasks`).

Shapes: N documents, C labels. A model's outputs are probabilities [N, C], or numbers [N] for regression.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.errors import UserError
from textmill.runtime import Classifier
from textmill.tasks import join_labels, split_labels


class UnknownLabels(UserError):
    """A split has a label that the model was not taught."""


def output_of(classifier: Classifier) -> Callable[..., NDArray[Any]]:
    """What gives the outputs of texts; its arguments are those of `Classifier.predict_logits`."""
    return classifier.predict_values if classifier.task == "regression" else classifier.predict_proba


def answer_each(classifier: Classifier, texts: Sequence[str]) -> NDArray[Any]:
    """The outputs of texts that are sent alone, one after the other."""
    predict = output_of(classifier)
    return np.array([predict([text])[0] for text in texts])


def write_answers(classifier: Classifier, outputs: NDArray[Any]) -> NDArray[np.object_]:
    """The answers [N] of these outputs as our tables hold them."""
    if classifier.task == "regression":
        return np.array([repr(value) for value in outputs.tolist()], dtype=object)
    labels = np.array(classifier.labels, dtype=object)
    if classifier.task == "single_label":
        return np.asarray(labels[outputs.argmax(axis=1)], dtype=object)
    return np.array([join_labels(labels[row_C]) for row_C in outputs >= classifier.thresholds], dtype=object)


def read_labels(documents: pd.DataFrame, labels: Sequence[str]) -> NDArray[np.int64]:
    """Each document's position in `labels`, [N]. Raises: UnknownLabels."""
    indices_N = documents["label"].map({label: i for i, label in enumerate(labels)})
    unknown = documents["label"][indices_N.isna()]
    if len(unknown):
        raise _unknown(len(unknown), set(unknown), labels)
    return np.asarray(indices_N, dtype=np.int64)


def read_label_sets(documents: pd.DataFrame, labels: Sequence[str]) -> NDArray[np.int8]:
    """1 where a document has a label, [N, C]. Raises: UnknownLabels."""
    sets = [split_labels(joined) for joined in documents["label"]]
    position = {label: i for i, label in enumerate(labels)}
    unknown = [set(names) - position.keys() for names in sets]
    if any(unknown):
        raise _unknown(sum(map(bool, unknown)), set().union(*unknown), labels)
    labels_NC = np.zeros((len(sets), len(labels)), dtype=np.int8)
    for row_C, names in zip(labels_NC, sets, strict=True):
        row_C[[position[name] for name in names]] = 1
    return labels_NC


def read_values(documents: pd.DataFrame) -> NDArray[np.float64]:
    """The numbers to be predicted, [N]."""
    return documents["label"].to_numpy(dtype=object).astype(np.float64)


def _unknown(num_documents: int, unknown: set[str], labels: Sequence[str]) -> UnknownLabels:
    return UnknownLabels(
        f"{num_documents} documents have a label that the model does not know: {sorted(unknown)}; it knows "
        f"{list(labels)}. A class must have documents in the train split: give it more, or merge it through "
        "clean.labels."
    )
