"""Which labels the baseline doubts: confident learning on its out-of-fold probabilities, or numbers far from its own.

Sources: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021), as
cleanlab implements it; Leys et al., "Detecting outliers: Do not use standard deviation around the mean, use absolute
deviation around the median", Journal of Experimental Social Psychology 49 (2013).

Shapes: N documents, C labels.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from textmill.tasks import Task, join_labels, split_labels

LABEL_ISSUES = pa.schema(
    [
        ("rank", pa.int64()),  # 1 is the most doubtful
        ("id", pa.string()),
        ("text", pa.string()),
        ("label", pa.string()),  # as the document has it: a label, labels joined, or a number
        ("suggested", pa.string()),  # the likeliest label, the labels with the doubtful ones changed, or the prediction
        # Probability of the label that was given; of several doubtful ones the lowest. Of a number, the share of
        # numbers that lie as far off, were residuals normal.
        ("self_confidence", pa.float64()),
        # Probability of the suggestion; where it changes several labels, of the least sure change. Numbers: null.
        ("confidence", pa.float64()),
    ]
)
_FAR_OFF = 3.0  # robust standard deviations: a number beyond is doubtful
_DEVIATION_OF_NORMAL = 1.4826  # standard deviation of a normal distribution in terms of its median absolute deviation
_YES = 0.5  # probability from which on the baseline says that a document has a label


def find_issues(out_of_fold: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Documents whose label is probably wrong, the most doubtful first.

    How good it is depends on the baseline. Of BBC News (98 % labelled rightly) with 5 % of the labels changed, it
    finds 87 % of those, and 84 % of what it lists was changed. Of the movie reviews (76 %) it finds 70 %, but only
    18 % of the list was changed, the rest being mistakes of the baseline; of the first hundred, half.

    Args:
        out_of_fold: id, label and p0 ... pC-1, probabilities of the sorted labels by a model that has not seen
            the document; for regression p0, its prediction.

    Returns:
        The columns of LABEL_ISSUES but the text.
    """
    find = {"single_label": _find_wrong_classes, "multi_label": _find_wrong_sets, "regression": _find_far_numbers}
    issues = find[task](out_of_fold).sort_values("self_confidence", kind="stable")
    return issues.assign(rank=np.arange(1, len(issues) + 1)).reset_index(drop=True)


def add_texts(issues: pd.DataFrame, documents: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The issues with the column text.

    Args:
        documents: id and text of all that were audited, in batches.
    """
    doubtful = set(issues["id"])
    found = [batch.loc[batch["id"].isin(doubtful), ["id", "text"]] for batch in documents]
    texts = pd.concat([pd.DataFrame(columns=["id", "text"], dtype="str"), *found])
    return issues.merge(texts, on="id", how="left", validate="one_to_one")


def summarise_issues(issues: pd.DataFrame, out_of_fold: pd.DataFrame, task: Task) -> dict[str, Any]:
    """task, num_documents, num_issues, share, agreement, and per_label the first two for each label.

    `agreement` is the share of the documents whose labels are those that the baseline finds likeliest: where it is
    low, most doubts are the baseline's own mistakes. For regression it is the R² of its predictions, 0 at least.
    """
    num_documents = len(out_of_fold)
    agreement, totals = _compare(out_of_fold, task)
    pairs = zip(issues["label"].tolist(), issues["suggested"].tolist(), strict=True)
    doubted = [label for given, suggested in pairs for label in _doubted(given, suggested, task)]
    num_doubted = pd.Series(doubted, dtype=object).value_counts()
    return {
        "task": task,
        "num_documents": num_documents,
        "num_issues": len(issues),
        "share": round(len(issues) / num_documents, 6),
        "agreement": round(agreement, 6),
        "per_label": {
            label: {"num_documents": total, "num_issues": int(num_doubted.get(label, 0))}
            for label, total in totals.items()
        },
    }


def _compare(out_of_fold: pd.DataFrame, task: Task) -> tuple[float, dict[str, int]]:
    """Agreement, and the number of documents of each label."""
    if task == "regression":
        numbers_N, predictions_N = _numbers(out_of_fold)
        spread = float(np.square(numbers_N - numbers_N.mean()).sum())
        error = float(np.square(numbers_N - predictions_N).sum())
        return max(0.0, 1 - error / spread) if spread else 0.0, {}
    if task == "single_label":
        given_N, labels, probabilities_NC = _classes(out_of_fold)
        totals_C = np.bincount(given_N, minlength=len(labels))
        agree_N = probabilities_NC.argmax(axis=1) == given_N
    else:
        given_NC, labels, probabilities_NC = _sets(out_of_fold)
        totals_C = given_NC.sum(axis=0)
        agree_N = ((probabilities_NC >= _YES) == given_NC).all(axis=1)
    return float(agree_N.mean()), dict(zip(labels, totals_C.tolist(), strict=True))


def _doubted(given: str, suggested: str, task: Task) -> set[str]:
    """The labels that an issue is about."""
    if task == "multi_label":
        return set(split_labels(given)) ^ set(split_labels(suggested))
    return {given} if task == "single_label" else set()


def _find_wrong_classes(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    from cleanlab.filter import find_label_issues

    given_N, labels, probabilities_NC = _classes(out_of_fold)
    doubtful = find_label_issues(given_N, probabilities_NC, return_indices_ranked_by="self_confidence", n_jobs=1)
    suggested = probabilities_NC[doubtful].argmax(axis=1)
    return pd.DataFrame(
        {
            "id": out_of_fold["id"].to_numpy(object)[doubtful],
            "label": labels[given_N[doubtful]],
            "suggested": labels[suggested],
            "self_confidence": probabilities_NC[doubtful, given_N[doubtful]],
            "confidence": probabilities_NC[doubtful, suggested],
        }
    )


def _find_wrong_sets(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """Each label on its own: does the document have it, or not? What is doubtful is turned round in the suggestion."""
    from cleanlab.filter import find_label_issues

    given_NC, labels, probabilities_NC = _sets(out_of_fold)
    doubtful_NC = np.zeros(given_NC.shape, bool)
    for column, (has_N, yes_N) in enumerate(zip(given_NC.T, probabilities_NC.T, strict=True)):
        if has_N.min() < has_N.max():  # of a label that all have, or none, nothing was learned
            doubtful_NC[:, column] = find_label_issues(
                has_N.astype(np.int64), np.column_stack([1 - yes_N, yes_N]), n_jobs=1
            )
    rows = np.flatnonzero(doubtful_NC.any(axis=1))
    own_NC = np.where(given_NC, probabilities_NC, 1 - probabilities_NC)[rows]  # of what was given
    changed_NC = (given_NC ^ doubtful_NC)[rows]
    return pd.DataFrame(
        {
            "id": out_of_fold["id"].to_numpy(object)[rows],
            "label": out_of_fold["label"].to_numpy(object)[rows],
            "suggested": [join_labels(labels[has_C]) for has_C in changed_NC],
            "self_confidence": np.where(doubtful_NC[rows], own_NC, 1.0).min(axis=1),
            "confidence": np.where(doubtful_NC[rows], 1 - own_NC, 1.0).min(axis=1),
        }
    )


def _find_far_numbers(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """Numbers that lie further from the prediction than three robust standard deviations of all residuals."""
    from scipy.special import erfc

    numbers_N, predictions_N = _numbers(out_of_fold)
    residuals_N = numbers_N - predictions_N
    distances_N = np.abs(residuals_N - np.median(residuals_N))
    deviation = _DEVIATION_OF_NORMAL * float(np.median(distances_N))
    # Where most residuals are alike there is no scale to say what is far off.
    rows = np.flatnonzero(distances_N > _FAR_OFF * deviation) if deviation > 0 else np.empty(0, np.int64)
    return pd.DataFrame(
        {
            "id": out_of_fold["id"].to_numpy(object)[rows],
            "label": out_of_fold["label"].to_numpy(object)[rows],
            "suggested": [f"{prediction:.6g}" for prediction in predictions_N[rows]],
            "self_confidence": erfc(distances_N[rows] / deviation / np.sqrt(2)) if len(rows) else np.empty(0),
            "confidence": np.full(len(rows), np.nan),
        }
    )


def _classes(out_of_fold: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Index of the given label [N], labels [C] in order, probabilities [N, C]."""
    given_N, labels = pd.factorize(out_of_fold["label"], sort=True)
    return given_N, np.asarray(labels, dtype=object), _probabilities(out_of_fold, len(labels))


def _sets(out_of_fold: pd.DataFrame) -> tuple[npt.NDArray[np.bool_], npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Whether a document has a label [N, C], labels [C] in order, probabilities [N, C]."""
    given = [set(split_labels(joined)) for joined in out_of_fold["label"]]
    labels = sorted(set().union(*given))
    given_NC = np.array([[label in own for label in labels] for own in given], bool)
    return given_NC, np.asarray(labels, dtype=object), _probabilities(out_of_fold, len(labels))


def _numbers(out_of_fold: pd.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Numbers and predictions, both [N]."""
    return out_of_fold["label"].to_numpy(np.float64), out_of_fold["p0"].to_numpy(np.float64)


def _probabilities(out_of_fold: pd.DataFrame, num_labels: int) -> npt.NDArray[np.float64]:
    return out_of_fold[[f"p{index}" for index in range(num_labels)]].to_numpy(np.float64)
