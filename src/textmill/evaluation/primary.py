"""The figure that decides (`tasks.PRIMARY`), of answers as our tables hold them, and its paired resamples.

Macro-F1 and R² are both functions of sums over documents, see `resampling`; of several models on the same documents,
each with its own terms.

Shapes: N documents, M models, C labels, K cells (documents with equal answers of all models), R resamples, S sums.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.confusion import Tally, macro_scores
from textmill.evaluation.regression import value_scores, value_terms
from textmill.evaluation.resampling import resample_sums
from textmill.tasks import PRIMARY, PRIMARY_NAMES, Task, split_labels

Answers = NDArray[Any]  # [N]: labels, joined labels, or numbers as text


@dataclass(frozen=True)
class Terms:
    """What each cell adds to the sums.

    Attributes:
        of_models: for each of M models [K, S]; float32 where they are ones and zeros, else float64.
        counts_K: documents of each cell.
        strata_K: the true label where there is one a document: a resample keeps its number of documents.
    """

    task: Task
    of_models: list[NDArray[Any]]
    counts_K: NDArray[np.int64]
    strata_K: NDArray[np.int64] | None

    def scores(self) -> list[float]:
        """The primary figure of each model."""
        return [float(primary_score(self.task, self.counts_K @ terms_KS)) for terms_KS in self.of_models]

    def resampled_scores(self, num_resamples: int, seed: int) -> list[NDArray[np.float64]]:
        """The primary figure [R] of each model on the same resamples."""
        sums = resample_sums(
            self.of_models, self.counts_K, num_resamples=num_resamples, seed=seed, strata_K=self.strata_K
        )
        return [np.asarray(primary_score(self.task, sums_RS), dtype=np.float64) for sums_RS in sums]


def name_primary(task: Task) -> str:
    """The primary figure in words."""
    return PRIMARY_NAMES[PRIMARY[task]]


def primary_score(task: Task, sums: NDArray[Any]) -> NDArray[Any]:
    """The primary figure [...] of sums [..., S]."""
    if task == "regression":
        return value_scores(sums)["r2"]
    return macro_scores(Tally(*np.split(sums, 3, axis=-1)))["f1_macro"]


def primary_terms(task: Task, actual_N: Answers, *predicted_N: Answers) -> Terms:
    """The terms of one or several models' answers; at least one document."""
    assert len(actual_N) and predicted_N
    if task == "regression":
        actual, *predicted = (np.asarray(values, dtype=np.float64) for values in (actual_N, *predicted_N))
        ones_N = np.ones(len(actual), dtype=np.int64)
        return Terms(task, [value_terms(actual, values) for values in predicted], ones_N, None)
    columns = [np.asarray(column).astype(str) for column in (actual_N, *predicted_N)]
    distinct, codes = np.unique(np.concatenate(columns), return_inverse=True)
    cells_KX, counts_K = np.unique(codes.reshape(len(columns), -1).T, axis=0, return_counts=True)
    hot_LC = _multi_hot(distinct) if task == "multi_label" else np.eye(len(distinct), dtype=np.float32)
    true_KC, *guesses = (hot_LC[column_K] for column_K in cells_KX.T)
    terms = [np.hstack([true_KC * guess_KC, true_KC, guess_KC]) for guess_KC in guesses]
    return Terms(task, terms, counts_K, cells_KX[:, 0] if task == "single_label" else None)


def score_answers(task: Task, actual_N: Answers, predicted_N: Answers) -> float:
    """The primary figure of one model."""
    return primary_terms(task, actual_N, predicted_N).scores()[0]


def _multi_hot(joined: NDArray[Any]) -> NDArray[np.float32]:
    """Which labels each joined text names, [texts, C]."""
    sets = [split_labels(text) for text in joined.tolist()]
    position = {label: i for i, label in enumerate(sorted({label for labels in sets for label in labels}))}
    hot = np.zeros((len(sets), len(position)), dtype=np.float32)
    for row, labels in zip(hot, sets, strict=True):
        row[[position[label] for label in labels]] = 1.0
    return hot
