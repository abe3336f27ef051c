"""Which labels the baseline doubts: confident learning on its out-of-fold probabilities.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70 (2021), as cleanlab implements it.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

LABEL_ISSUES = pa.schema(
    [
        ("rank", pa.int64()),  # 1 is the most doubtful
        ("id", pa.string()),
        ("text", pa.string()),
        ("label", pa.string()),
        ("suggested", pa.string()),  # the likeliest label
        ("self_confidence", pa.float64()),  # probability of the label that was given
        ("confidence", pa.float64()),  # probability of the suggested one
    ]
)


def find_issues(documents: pd.DataFrame, out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """Documents whose label is probably wrong, the most doubtful first.

    Args:
        documents: id and text.
        out_of_fold: id, label and p0 ... pC-1, probabilities of the sorted labels by a model that has not seen
            the document.

    Returns:
        The columns of LABEL_ISSUES.
    """
    from cleanlab.filter import find_label_issues

    labels = np.array(sorted(out_of_fold["label"].unique()), dtype=object)
    probabilities_NC = out_of_fold[[f"p{index}" for index in range(len(labels))]].to_numpy(np.float64)
    given_N = np.searchsorted(labels.astype(str), out_of_fold["label"].to_numpy(str))
    doubtful = find_label_issues(given_N, probabilities_NC, return_indices_ranked_by="self_confidence", n_jobs=1)
    suggested = probabilities_NC[doubtful].argmax(axis=1)
    issues = pd.DataFrame(
        {
            "rank": np.arange(1, len(doubtful) + 1),
            "id": out_of_fold["id"].to_numpy(object)[doubtful],
            "label": labels[given_N[doubtful]],
            "suggested": labels[suggested],
            "self_confidence": probabilities_NC[doubtful, given_N[doubtful]],
            "confidence": probabilities_NC[doubtful, suggested],
        }
    )
    return issues.merge(documents[["id", "text"]], on="id", how="left", validate="one_to_one")


def summarise_issues(issues: pd.DataFrame, labels: "pd.Series[str]") -> dict[str, Any]:
    """num_documents, num_issues, share, and the first two for each label; `labels` are those of all documents."""
    totals, doubted = labels.value_counts().sort_index(), issues["label"].value_counts()
    return {
        "num_documents": len(labels),
        "num_issues": len(issues),
        "share": round(len(issues) / len(labels), 6),
        "per_label": {
            str(label): {"num_documents": int(total), "num_issues": int(doubted.get(label, 0))}
            for label, total in totals.items()
        },
    }
