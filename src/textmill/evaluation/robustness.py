"""What spoilt texts cost: the primary figure on documents as they are, and with each perturbation.

The spoilt texts are sent one at a time, as the documents themselves were. Batches would be faster (fp32 by 40%, int8 by
5 to 25% on one thread), but would change the answers of dynamically quantised models by themselves; so what the
documents gave in the main pass stands on the other side, and costs nothing. A text that a perturbation leaves as it was
keeps its answer.

Shapes: n documents of the sample.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.evaluation.answers import answer_each, write_answers
from textmill.evaluation.case import Case, Findings
from textmill.evaluation.perturbations import PERTURBATIONS
from textmill.evaluation.primary import score_answers
from textmill.evaluation.sampling import generator_of, sample_documents
from textmill.evaluation.significance import paired_bootstrap


def examine(case: Case) -> Findings | None:
    """The drop by each perturbation, with a paired interval; `robustness_drop` is the largest of those after which a
    text still means the same.
    """
    settings = case.settings.robustness
    if not settings["documents"] or not settings["perturbations"]:
        return None
    sample_n = sample_documents(case, settings["documents"])
    documents, outputs = case.documents.iloc[sample_n], case.outputs[sample_n]
    rows = [_examine(case, name, documents, outputs) for name in settings["perturbations"]]
    drops = [row["drop"] for row in rows if row["expects"] == "same" and row["num_changed"]]
    metrics = {"robustness_drop": max(drops)} if drops else {}
    return Findings(metrics, {"num_documents": len(documents), "rows": rows})


def perturb(name: str, documents: pd.DataFrame, seed: int) -> list[str]:
    """The texts of documents (id, text), spoilt in the way of this name."""
    spoil = PERTURBATIONS[name].spoil
    pairs = zip(documents["id"], documents["text"], strict=True)
    return [spoil(text, generator_of(seed, name, document)) for document, text in pairs]


def _examine(case: Case, name: str, documents: pd.DataFrame, outputs: NDArray[Any]) -> dict[str, Any]:
    """A row of the table. The interval of the drop is no tighter than documents that were not drawn allow."""
    task, settings = case.classifier.task, case.settings
    texts = perturb(name, documents, settings.seed)
    changed_n = np.flatnonzero(documents["text"].to_numpy() != np.array(texts, dtype=object))
    spoilt = outputs.copy()
    if len(changed_n):
        spoilt[changed_n] = answer_each(case.classifier, [texts[i] for i in changed_n])
    before_n, after_n = write_answers(case.classifier, outputs), write_answers(case.classifier, spoilt)
    labels_n = documents["label"].to_numpy()
    drop = paired_bootstrap(task, labels_n, before_n, after_n, num_resamples=settings.num_resamples, seed=settings.seed)
    before = score_answers(task, labels_n, before_n)
    low, high = drop.interval(settings.confidence)
    return {
        "perturbation": name,
        "does": PERTURBATIONS[name].says,
        "expects": PERTURBATIONS[name].expects,
        "num_changed": len(changed_n),
        "score_before": before,
        "score": before - drop.observed,
        "drop": drop.observed,
        "drop_low": low,
        "drop_high": high,
        # Numbers move a little with every text.
        "flips": None if task == "regression" else int((before_n != after_n).sum()),
    }
