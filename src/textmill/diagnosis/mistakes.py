"""The answers that a model should be ashamed of: the wrong ones it was surest of, or the numbers furthest off.

Shapes: N documents, C labels.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.tasks import NO_LABEL, Task, split_labels

_MOST_PAIRS = 50
_MOST_IDS = 10  # documents named for a pair


def rank_mistakes(answers: pd.DataFrame, labels: Sequence[str], task: Task) -> pd.DataFrame:
    """The wrong answers, the worst first; of equally bad ones the first of the table.

    Args:
        answers: predictions.parquet of a model.
        labels: the model's, in the order of the probabilities.

    Returns:
        id, label, predicted; `badness`: the wrong label's probability, that of the surest wrong decision on a label
        (multi_label), or the distance of the number; `output` and `sign` of the decision, see `served.Decision`.
    """
    table = answers[["id", "label", "predicted"]].copy()
    probabilities_NC = probabilities(answers)
    if task == "regression":
        error_N = answers["predicted"].to_numpy(object).astype(float) - answers["label"].to_numpy(object).astype(float)
        table["badness"], table["output"], table["sign"] = np.abs(error_N), 0, np.where(error_N > 0, 1, -1)
    elif task == "single_label":
        table["badness"], table["sign"] = probabilities_NC.max(axis=1), 1
        table["output"] = table["predicted"].map({label: i for i, label in enumerate(labels)})
    else:
        has_NC, gets_NC = (_hot(answers[column], labels) for column in ("label", "predicted"))
        sureness_NC = np.where(gets_NC, probabilities_NC, 1 - probabilities_NC)
        wrong_NC = np.where(has_NC != gets_NC, sureness_NC, -1.0)
        table["badness"], table["output"] = wrong_NC.max(axis=1), wrong_NC.argmax(axis=1)
        table["sign"] = np.where(gets_NC[np.arange(len(gets_NC)), table["output"]], 1, -1)
    wrong = table[~right_answers(answers, task)]
    return wrong.sort_values("badness", ascending=False, kind="stable").reset_index(drop=True)


def right_answers(answers: pd.DataFrame, task: Task) -> NDArray[np.bool_]:
    """Of each document whether the answer is what it should be, [N]."""
    label, predicted = (answers[column].to_numpy(object) for column in ("label", "predicted"))
    if task == "regression":
        return np.asarray(label.astype(float) == predicted.astype(float))
    return np.asarray(label == predicted, dtype=bool)


def probabilities(answers: pd.DataFrame) -> NDArray[np.float64]:
    """Columns p0, p1, ... [N, C]; none for regression."""
    found = [name for name in map(str, answers.columns) if name[0] == "p" and name[1:].isdigit()]
    columns = sorted(found, key=lambda name: int(name[1:]))
    return answers[columns].to_numpy(np.float64)


def confusion_pairs(mistakes: pd.DataFrame, task: Task) -> list[dict[str, Any]]:
    """actual, predicted, count and ids (of the worst) of labels that are mixed up, the commonest pair first.

    With several labels a document, each that is missed stands opposite to `(none)`, and so does each wrong one.

    Args:
        mistakes: of `rank_mistakes`.
    """
    if task == "regression":
        return []
    counts: Counter[tuple[str, str]] = Counter()
    ids = defaultdict(list)
    for document, label, predicted in mistakes[["id", "label", "predicted"]].itertuples(index=False):
        for pair in _pairs(label, predicted) if task == "multi_label" else [(label, predicted)]:
            counts[pair] += 1
            ids[pair].append(document)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PAIRS]
    return [
        {"actual": pair[0], "predicted": pair[1], "count": count, "ids": ids[pair][:_MOST_IDS]}
        for pair, count in ordered
    ]


def _pairs(label: str, predicted: str) -> list[tuple[str, str]]:
    has, gets = set(split_labels(label)), set(split_labels(predicted))
    return [*((name, NO_LABEL) for name in sorted(has - gets)), *((NO_LABEL, name) for name in sorted(gets - has))]


def _hot(column: pd.Series, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which labels each document's joined ones name, [N, C]."""
    sets = [set(split_labels(joined)) for joined in column]
    return np.array([[label in own for label in labels] for own in sets], bool).reshape(len(sets), len(labels))
