"""The served model, asked how strongly a text speaks for each label.

Shapes: N documents, C outputs (labels, or one number).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from textmill.diagnosis.reading import Reader
from textmill.runtime import Classifier
from textmill.tasks import Task

Floats = NDArray[np.float64]


class Decision(NamedTuple):
    """What a model decided of a document.

    Attributes:
        output: the label, as position in the model's labels; 0 of a number.
        sign: 1 for a label that is given and a number that is too high, -1 for a label that is not given and a number
            that is too low.
    """

    output: int
    sign: int


class Served:
    """A bundle and how it reads texts.

    Attributes:
        classifier: every document is sent alone, as it is served: a batch would change the answers of dynamically
            quantised models by more than a word does.
    """

    def __init__(self, bundle: Path, *, threads: int | None = None) -> None:
        """Raises: InvalidBundle."""
        self.classifier = Classifier.load(bundle, threads=threads)
        self.reader = Reader(bundle)
        self.task = self.classifier.task
        target = self.classifier.manifest["target"]
        self.mean: float = target["mean"] if target else 0.0
        self.std: float = target["std"] if target else 1.0

    def evidence(self, documents: Sequence[Sequence[NDArray[Any]]]) -> Floats:
        """Evidence [N, C] of documents, each a list of windows of token ids; see `evidence_of`."""
        logits_NC = self.classifier.logits_of_ids(documents, batch_size=1).astype(np.float64)
        if self.task == "regression":
            return logits_NC * self.std + self.mean
        return evidence_of(logits_NC / self.classifier.temperature, self.task)

    def strength(self, evidence_N: Floats, decision: Decision) -> Floats:
        """How firmly the decision stands [N]: its probability, or by how many standard deviations of the train
        documents' numbers the number lies on the side of its error.
        """
        if self.task == "regression":
            return np.asarray(decision.sign * (evidence_N - self.mean) / self.std)
        return np.asarray(expit(decision.sign * evidence_N))


def evidence_of(logits_NC: Floats, task: Task) -> Floats:
    """Log-odds [N, C] of each label, in nats: the logit of its probability, which does not saturate as that does.

    In a linear model of two classes, or of several labels, it is a sum over words.
    """
    if task == "multi_label":
        return logits_NC
    own_CC = np.eye(logits_NC.shape[1], dtype=bool)
    others_NCC = np.where(own_CC, -np.inf, logits_NC[:, None, :])
    return np.asarray(logits_NC - logsumexp(others_NCC, axis=2))
