"""The answers that a model should be ashamed of: the wrong ones it was surest of, or the numbers furthest off."""

from typing import Any

import numpy as np
import pandas as pd

from textmill.artifacts import iter_table, read_table
from textmill.paths import Paths
from textmill.reporting.facts import Facts
from textmill.reporting.templating import say_number
from textmill.tasks import split_labels

_MOST_MISTAKES = 12


def read_mistakes(facts: Facts, paths: Paths) -> list[dict[str, Any]]:
    """The chosen model's worst mistakes on test: label and predicted for people, text, and `how`: how sure or how far.

    Raises: MissingArtifact: a stage has not run.
    """
    answers = read_table(paths.evaluation("test", facts.chosen["name"]) / "predictions.parquet")
    worst = _rank(answers, facts)
    ids = set(worst["id"])
    texts = pd.concat(batch.loc[batch["id"].isin(ids), ["id", "text"]] for batch in iter_table(paths.split("test")))
    rows = worst.merge(texts, on="id", how="left")
    return [
        {
            "text": row["text"],
            "label": say_answer(row["label"], facts.task),
            "predicted": say_answer(row["predicted"], facts.task),
            "how": f"off by {say_number(row['badness'])}" if facts.task == "regression" else f"{row['badness']:.2f}",
        }
        for row in rows.to_dict("records")
    ]


def say_answer(answer: str, task: str) -> str:
    """An answer of our tables for people."""
    if task == "regression":
        return say_number(float(answer))
    return ", ".join(split_labels(answer)) or "no label" if task == "multi_label" else answer


def _rank(answers: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """The worst rows, with `badness`: the error, the wrong label's probability, or the surest wrong decision's."""
    table = answers[["id", "label", "predicted"]].copy()
    probabilities_NC = answers.filter(regex=r"^p\d+$").to_numpy()
    if facts.task == "regression":
        table["badness"] = (table["label"].astype(float) - table["predicted"].astype(float)).abs()
    elif facts.task == "single_label":
        table["badness"] = probabilities_NC.max(axis=1)
    else:
        has_NC, gets_NC = (
            np.array([[label in split_labels(text) for label in facts.report["labels"]] for text in table[column]])
            for column in ("label", "predicted")
        )
        sureness_NC = np.where(gets_NC, probabilities_NC, 1 - probabilities_NC)
        table["badness"] = np.where(has_NC != gets_NC, sureness_NC, 0.0).max(axis=1)
    return table[table["label"] != table["predicted"]].nlargest(_MOST_MISTAKES, "badness")
