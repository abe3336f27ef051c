"""Single documents explained, each by every method, and the methods put to the test.

Shapes: M methods, P shares of deleted words.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from textmill.diagnosis.attribution import Attribution, Method
from textmill.diagnosis.deletion import Curve, compare_methods, deletion_curve, random_curve
from textmill.diagnosis.occlusion import Occlusion
from textmill.diagnosis.reading import Reading
from textmill.diagnosis.served import Decision, Served

GRADIENTS = "integrated gradients"


class Explained(NamedTuple):
    """A document, its attributions by each method, and what deleting words does to the decision."""

    reading: Reading
    decision: Decision
    attributions: list[Attribution]
    curves: list[Curve]
    random: Curve


def methods_for(served: Served, name: str, weights: tuple[str, Path] | None) -> list[Method]:
    """Occlusion, and integrated gradients where there are weights.

    Args:
        name: the served model.
        weights: the model that has PyTorch weights, itself or what it was made from, and its `torch/`. Another than
            the served one is named in the method: its gradients explain the served model as far as both agree.
    """
    methods: list[Method] = [Occlusion(served)]
    if weights:
        from textmill.diagnosis.gradients import IntegratedGradients

        owner, folder = weights
        methods.append(IntegratedGradients(folder, GRADIENTS if owner == name else f"{GRADIENTS} of {owner}", served))
    return methods


def explain_documents(
    served: Served,
    methods: Sequence[Method],
    texts: Sequence[str],
    decisions: Sequence[Decision],
    *,
    seed: int,
    is_late: Callable[[], bool] = lambda: False,
    progress: Callable[[int], Any] = lambda done: None,
) -> list[Explained | None]:
    """Explain the documents in turn until it is late; None is one without a word."""
    explained: list[Explained | None] = []
    for number, (text, decision) in enumerate(zip(texts, decisions, strict=True)):
        if is_late():
            break
        reading = served.reader.read(text)
        explained.append(_explain(served, methods, reading, decision, seed + number) if reading.spans else None)
        progress(1)
    return explained


def _explain(served: Served, methods: Sequence[Method], reading: Reading, decision: Decision, seed: int) -> Explained:
    attributions = [method.attribute(reading, decision) for method in methods]
    curves = [
        deletion_curve(served, reading, decision, attribution.order(decision.sign)) for attribution in attributions
    ]
    return Explained(reading, decision, attributions, curves, random_curve(served, reading, decision, seed))


def judge(methods: Sequence[Method], explained: Sequence[Explained | None], **resampling: Any) -> list[dict[str, Any]]:
    """The deletion test of each method (`compare_methods`); `shown` marks the best. Empty if nothing was explained."""
    found = [document for document in explained if document is not None]
    if not found:
        return []
    curves_MNP = np.array([document.curves for document in found]).swapaxes(0, 1)
    random_NP = np.array([document.random for document in found])
    rows = compare_methods([method.name for method in methods], curves_MNP, random_NP, **resampling)
    best = min(rows, key=lambda row: row["auc"])
    return [{**row, "shown": row is best} for row in rows]


def tell(explained: Explained | None, faithfulness: Sequence[dict[str, Any]], labels: Sequence[str]) -> Any:
    """method, label, given and spans by the method that is shown; None for a document without a word.

    Weights are positive where a word speaks for `label`, also if the mistake is that it was not `given`; of a number,
    which has neither (None), where a word makes it larger.
    """
    if explained is None:
        return None
    shown = next(place for place, row in enumerate(faithfulness) if row["shown"])
    return {
        "method": faithfulness[shown]["method"],
        "label": labels[explained.decision.output] if labels else None,
        "given": explained.decision.sign > 0 if labels else None,
        "spans": explained.attributions[shown].spans(explained.reading),
    }
