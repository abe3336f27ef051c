"""F1 of each label in two models' answers to the same documents, and how sure each difference is.

Shapes: N documents, R resamples, C labels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.comparisons import Rules
from textmill.evaluation.confusion import Tally, class_scores
from textmill.evaluation.primary import Answers, primary_terms
from textmill.evaluation.resampling import resample_sums
from textmill.evaluation.significance import Difference, adjust_holm
from textmill.tasks import Task, labels_of


@dataclass(frozen=True)
class ClassDifference:
    """F1 of one label: of a, of b, and b minus a with its paired interval.

    Attributes:
        num_documents: documents that have the label.
        p_adjusted: of no difference; adjusted for the number of labels, by Holm.
    """

    label: str
    num_documents: int
    f1_a: float
    f1_b: float
    difference: float
    low: float
    high: float
    p_adjusted: float


def compare_classes(
    task: Task, actual_N: Answers, predicted_a_N: Answers, predicted_b_N: Answers, rules: Rules
) -> list[ClassDifference]:
    """Every label that occurs or was predicted, the largest change first; not for regression."""
    assert task != "regression"
    answers = np.unique(np.concatenate([actual_N, predicted_a_N, predicted_b_N]).astype(str)).tolist()
    labels = sorted({label for answer in answers for label in labels_of(answer, task)})  # as in `primary_terms`
    terms = primary_terms(task, actual_N, predicted_a_N, predicted_b_N)
    tallies = [Tally(*np.split(terms.counts_K @ terms_KS, 3)) for terms_KS in terms.of_models]
    f1_a_C, f1_b_C = (class_scores(tally)[2] for tally in tallies)
    sums = resample_sums(
        terms.of_models, terms.counts_K, num_resamples=rules.num_resamples, seed=rules.seed, strata_K=terms.strata_K
    )
    a_RC, b_RC = (class_scores(Tally(*np.split(sums_RS, 3, axis=1)))[2] for sums_RS in sums)
    differences = [
        Difference(float(f1_b_C[i] - f1_a_C[i]), _column(b_RC, i) - _column(a_RC, i), len(actual_N))
        for i in range(len(labels))
    ]
    p_values = adjust_holm([difference.p_value for difference in differences])
    rows = [
        ClassDifference(
            label,
            int(tallies[0].support[i]),
            float(f1_a_C[i]),
            float(f1_b_C[i]),
            differences[i].observed,
            *differences[i].interval(rules.confidence),
            p_values[i],
        )
        for i, label in enumerate(labels)
    ]
    return sorted(rows, key=lambda row: (-abs(row.difference), row.label))


def _column(values_RC: NDArray[np.floating], i: int) -> NDArray[np.float64]:
    return np.asarray(values_RC[:, i], dtype=np.float64)
