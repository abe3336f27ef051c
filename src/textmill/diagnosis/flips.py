"""Documents that one model has right and another wrong."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from textmill.diagnosis.mistakes import right_answers
from textmill.tasks import Task

_MOST_IDS = 100  # named of either kind


def right_by_model(answers: Mapping[str, pd.DataFrame], task: Task) -> pd.DataFrame:
    """Whether each model (column) has each document (index: id) right. Every table holds the same documents."""
    columns = {name: pd.Series(right_answers(table, task), index=table["id"]) for name, table in answers.items()}
    right = pd.DataFrame(columns)
    assert right.notna().all(axis=None), "the models were tested on different documents"
    return right


def find_flips(right: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """a, b; num_broken and num_mended, documents that only a or only b has right; broken and mended, their first ids.

    Args:
        right: of `right_by_model`.
    """
    rows = []
    for a, b in pairs:
        broken, mended = right.index[right[a] & ~right[b]], right.index[right[b] & ~right[a]]
        rows.append(
            {
                "a": a,
                "b": b,
                "num_broken": len(broken),
                "num_mended": len(mended),
                "broken": broken[:_MOST_IDS].tolist(),
                "mended": mended[:_MOST_IDS].tolist(),
            }
        )
    return rows


def pairs_of(chosen: str, parents: Mapping[str, str], models: Iterable[str], baseline: str) -> list[tuple[str, str]]:
    """What is compared: the full model and the baseline with the chosen one, and every variant with its parent.

    Args:
        parents: of each recipe the model that it starts from.
        models: those that were tested.
    """
    tested = list(models)
    roots = [name for name in tested if name != baseline and parents[name] not in tested]
    wanted = [
        *((root, chosen) for root in roots),
        (baseline, chosen),
        *((parents[name], name) for name in tested if name in parents),
    ]
    return [(a, b) for a, b in dict.fromkeys(wanted) if a != b and a in tested and b in tested]
