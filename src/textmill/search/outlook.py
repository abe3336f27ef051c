"""Whether more trials are likely to pay.

The rule: take the finished trials in the order of their numbers, and see by how much the best of the second half beat
the best of the first. Where that is more than one standard error of the best score, more trials are likely to pay.
What is smaller cannot be told from the luck of the validation documents: the one-standard-error rule of Breiman,
Friedman, Olshen and Stone (Classification and Regression Trees, 1984), used to end a search as Makarova et al. do
(Automatic Termination for Hyperparameter Optimization, AutoML 2022), who stop it when what is left to gain falls below
the statistical error of the score.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from textmill.tasks import PRIMARY, PRIMARY_NAMES, Task

MIN_TRIALS = 8  # finished ones, before two halves can be compared


@dataclass(frozen=True)
class Outlook:
    verdict: Literal["likely", "unlikely", "unknown"]  # that more trials pay
    sentence: str
    gain: float | None = None  # of the second half over the first
    standard_error: float | None = None  # of the best score


def outlook(
    scores: Sequence[float | None],
    standard_error: float | None,
    *,
    maximize: bool = True,
    figure: str = "score",
) -> Outlook:
    """Judge by the rule above.

    Args:
        scores: of the finished trials in their order; None for those that were pruned or break a constraint.
        standard_error: of the best score; None where the figure is not one of a sample of documents.
        figure: the score in words.
    """
    if standard_error is None:
        return Outlook("unknown", f"No outlook on more trials: {figure} has no sampling error to compare gains with.")
    if len(scores) < MIN_TRIALS:
        told = f"{len(scores)} finished trial{'' if len(scores) == 1 else 's'}"
        return Outlook("unknown", f"Too early to say whether more trials pay: {told}, and it takes {MIN_TRIALS}.")
    middle, sign = len(scores) // 2, 1 if maximize else -1
    best = [max((sign * s for s in half if s is not None), default=None) for half in (scores[:middle], scores[middle:])]
    if best[0] is None:
        return Outlook("unknown", "No outlook on more trials: none of the first half ran to its end as it should.")
    gain = 0.0 if best[1] is None else max(0.0, best[1] - best[0])
    likely = gain > standard_error
    told = "gained nothing over the first"
    if gain:
        compared = "more than" if likely else "no more than"
        told = f"gained {gain:.4f} of {figure} over the first, {compared} one standard error ({standard_error:.4f})"
    return Outlook(
        "likely" if likely else "unlikely",
        f"More trials are {'' if likely else 'un'}likely to pay: the second half of the {len(scores)} finished ones "
        f"{told}.",
        gain,
        standard_error,
    )


def look_ahead(record: Mapping[str, Any], task: Task, tokens: Path, split: str = "validation") -> dict[str, Any]:
    """The outlook of a study, for its first objective, as plain JSON.

    Args:
        record: see `describe.describe_study`.
        tokens: data/tokens, whose labels say how many documents the score is of.
        split: that trials are scored on: `train`, where they are repeated over folds.

    Raises: MissingArtifact.
    """
    objective, maximize = record["objectives"][0], record["directions"][0] == "maximize"
    finished = [trial for trial in record["trials"] if trial["state"] in ("complete", "pruned")]
    scores = [
        trial["figures"].get(objective) if all(limit["kept"] for limit in trial["constraints"].values()) else None
        for trial in finished
    ]
    reached = [score for score in scores if score is not None]
    best = (max if maximize else min)(reached, default=None)
    metric = PRIMARY[task] if objective == "quality" else objective
    error = None if best is None else standard_error(metric, best, count_documents(task, tokens, split))
    if best is None:
        return asdict(Outlook("unknown", "No outlook on more trials: none ran to its end and kept the constraints."))
    return asdict(outlook(scores, error, maximize=maximize, figure=PRIMARY_NAMES.get(metric, metric)))


def standard_error(metric: str, score: float, documents: Sequence[int]) -> float | None:
    """The standard error of a score on a sample of documents; None for figures that are not of a sample.

    Macro-F1 is taken for a mean over C classes of shares, each of its own n_c documents:
    s (1 - s) / C^2 * (1/n_1 + ... + 1/n_C), which is the binomial s (1 - s) / n where the classes are equally large.
    R²: 4 R² (1 - R²)² / n (Olkin and Finn, Correlations Redux, 1995), and at least 2 (1 - R²)² / n², where R² is near 0
    and n R² has a chi-squared distribution of one degree of freedom.
    Loss: loss² / n, for the loss of a document spreads about as widely as its mean, like an exponential variable; that
    of a model that is seldom wrong spreads more widely, which makes the outlook a hopeful one.

    Args:
        metric: f1_macro, r2, loss, or another that has none.
        documents: of each class, for macro-F1; else of all, as one number.
    """
    if metric == "f1_macro":
        counts = [count for count in documents if count]
        share = min(max(score, 0.0), 1.0)
        return math.sqrt(share * (1 - share) * sum(1 / count for count in counts)) / max(len(counts), 1)
    num_documents = max(sum(documents), 1)
    if metric == "r2":
        explained = min(max(score, 0.0), 1.0)
        return (1 - explained) * max(2 * math.sqrt(explained / num_documents), math.sqrt(2) / num_documents)
    return abs(score) / math.sqrt(num_documents) if metric == "loss" else None


def count_documents(task: Task, tokens: Path, split: str) -> list[int]:
    """Documents of each class of a split; for regression, of all. Raises: MissingArtifact."""
    import numpy as np

    from textmill.data.tokens import TokenArrays, read_meta

    labels = TokenArrays.open(tokens, split).labels
    if task == "regression":
        return [len(labels)]
    if task == "multi_label":
        return [int(count) for count in labels.sum(axis=0)]
    return [int(count) for count in np.bincount(labels, minlength=len(read_meta(tokens)["labels"]))]
