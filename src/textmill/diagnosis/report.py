"""All that is told of a model's mistakes: reports/diagnosis.json."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from textmill.diagnosis.class_words import find_class_words
from textmill.diagnosis.doubts import doubted_documents
from textmill.diagnosis.explanation import explain_documents, judge, methods_for, tell
from textmill.diagnosis.flips import find_flips, pairs_of, right_by_model
from textmill.diagnosis.mistakes import confusion_pairs, probabilities, rank_mistakes
from textmill.diagnosis.neighbours import find_neighbours
from textmill.diagnosis.served import Decision, Floats, Served

_MOST_MISTAKES = 50  # listed, if not more are to be explained
_EXPLAINING = 0.8  # share of the time, if words of labels are wanted as well
_SURE = 1e-7  # the least probability that float32 tells from 0 beside 1

Progress = Callable[[int], Any]


@dataclass(frozen=True)
class Settings:
    """`params.diagnose`, the intervals of `params.evaluate`, and the seed; words_per_class is 0 where words are not
    to be told.
    """

    documents: int
    neighbours: int
    words_per_class: int
    max_seconds: float
    confidence: float
    num_resamples: int
    seed: int


@dataclass(frozen=True)
class Material:
    """What is known of the models.

    Attributes:
        weights: the name of the model whose PyTorch weights explain the chosen one, and its `torch/`; or None.
        answers: predictions.parquet of every tested model on test, by name; those of the chosen one and of `baseline`
            among them.
        baseline_labels: in the order of the baseline's probabilities.
        parents: of each recipe the model that it starts from.
        test: id and text.
        train: id, text and label, in batches.
        doubted_train: ids of train documents whose label the audit doubts.
    """

    chosen: str
    bundle: Path
    weights: tuple[str, Path] | None
    answers: Mapping[str, pd.DataFrame]
    baseline: str
    baseline_labels: list[str]
    parents: Mapping[str, str]
    test: pd.DataFrame
    train: Iterable[pd.DataFrame]
    doubted_train: set[str]


class Deadline:
    """When explanations must be done."""

    def __init__(self, max_seconds: float) -> None:
        self._started, self._max_seconds = time.monotonic(), max_seconds

    def is_late(self, share: float = 1.0) -> bool:
        """Whether this share of the time is over."""
        return time.monotonic() - self._started > share * self._max_seconds


def diagnose(material: Material, settings: Settings, progress: Progress = lambda done: None) -> dict[str, Any]:
    """Mistakes of the chosen model on test, with explanations as far as `settings.max_seconds` allow.

    Args:
        progress: called with 1 after each mistake that was explained.

    Returns:
        model, task, num_documents;
        num_mistakes: wrong answers, None for regression, where hardly a number is met exactly;
        mistakes: of the worst ones id, label and predicted (as in our tables), confidence (probability of the wrong
            label, or of the surest wrong decision on one) or for regression error (predicted minus label),
            audit_doubts (`doubts`), flipped_from (models that are right), neighbours (id, label, similarity, doubted by
            the audit), and explanation: method, label, given, spans of [start, end, weight], or None;
        confusion_pairs, flips (both empty for regression), words_per_class, faithfulness (of the methods of
            explanation): see `mistakes`, `flips`, `class_words` and `deletion`;
        left_out: in words, what there was no time for.
        No text of a document is in it but words_per_class.

    Raises: InvalidBundle; MissingArtifact.
    """
    deadline, served = Deadline(settings.max_seconds), Served(material.bundle)
    is_number = served.task == "regression"
    answers = material.answers[material.chosen]
    worst = rank_mistakes(answers, served.classifier.labels, served.task)
    listed = worst.head(max(settings.documents, _MOST_MISTAKES))
    right = right_by_model(material.answers, served.task)
    pairs = pairs_of(material.chosen, material.parents, material.answers, material.baseline)
    texts = material.test.set_index("id")["text"]
    mistakes = _tell_mistakes(listed, right, texts, material, served, settings)
    explanations, faithfulness, left_out = _explain(listed, texts, material, served, settings, deadline, progress)
    for mistake, explanation in zip(mistakes, explanations, strict=False):  # the worst ones are explained
        mistake["explanation"] = explanation
    words, unmeasured = _find_words(answers, texts, served, settings, deadline)
    return {
        "model": material.chosen,
        "task": served.task,
        "num_documents": len(answers),
        "num_mistakes": None if is_number else len(worst),
        "mistakes": mistakes,
        "confusion_pairs": confusion_pairs(worst, served.task),
        "flips": [] if is_number else find_flips(right, pairs),
        "words_per_class": words,
        "faithfulness": faithfulness,
        "left_out": left_out + unmeasured,
    }


def _tell_mistakes(
    listed: pd.DataFrame,
    right: pd.DataFrame,
    texts: pd.Series,
    material: Material,
    served: Served,
    settings: Settings,
) -> list[dict[str, Any]]:
    """All of a mistake but its explanation, which is None."""
    is_number = served.task == "regression"
    doubted = doubted_documents(material.answers[material.baseline], material.baseline_labels, served.task)
    neighbours = find_neighbours(texts.loc[listed["id"]].tolist(), material.train, settings.neighbours)
    return [
        {
            **{name: row[name] for name in ("id", "label", "predicted")},
            "confidence": None if is_number else round(row["badness"], 5),
            "error": row["sign"] * row["badness"] if is_number else None,
            "audit_doubts": row["id"] in doubted,
            "flipped_from": [] if is_number else right.columns[right.loc[row["id"]]].tolist(),
            "neighbours": [{**near._asdict(), "doubted": near.id in material.doubted_train} for near in nearest],
            "explanation": None,
        }
        for row, nearest in zip(listed.to_dict("records"), neighbours, strict=True)
    ]


def _explain(
    listed: pd.DataFrame,
    texts: pd.Series,
    material: Material,
    served: Served,
    settings: Settings,
    deadline: Deadline,
    progress: Progress,
) -> tuple[list[Any], list[dict[str, Any]], list[str]]:
    """Explanations of the first mistakes, the test of the methods, and what there was no time for."""
    wanted = listed.head(settings.documents)
    if wanted.empty:
        return [], [], []
    methods = methods_for(served, material.chosen, material.weights)
    share = _EXPLAINING if settings.words_per_class else 1.0
    explained = explain_documents(
        served,
        methods,
        texts.loc[wanted["id"]].tolist(),
        [Decision(*pair) for pair in wanted[["output", "sign"]].itertuples(index=False)],
        seed=settings.seed,
        is_late=lambda: deadline.is_late(share),
        progress=progress,
    )
    intervals = {"confidence": settings.confidence, "num_resamples": settings.num_resamples, "seed": settings.seed}
    faithfulness = judge(methods, explained, **intervals)
    told = [tell(document, faithfulness, served.classifier.labels) for document in explained]
    missing = len(wanted) - len(told)
    return told, faithfulness, [f"explanations of {missing} of {len(wanted)} mistakes"] if missing else []


def _find_words(
    answers: pd.DataFrame, texts: pd.Series, served: Served, settings: Settings, deadline: Deadline
) -> tuple[dict[str, Any] | None, list[str]]:
    """The words of each label, None if none are wanted, and what there was no time for."""
    if not settings.words_per_class:
        return None, []
    words, num_unmeasured = find_class_words(
        served,
        texts.loc[answers["id"]].tolist(),
        _evidence_told(answers, served),
        settings.words_per_class,
        seed=settings.seed,
        is_late=deadline.is_late,
    )
    told = {name: [list(pair) for pair in pairs] for name, pairs in words.items()}
    return told, [f"{num_unmeasured} words that may speak for a label"] if num_unmeasured else []


def _evidence_told(answers: pd.DataFrame, served: Served) -> Floats:
    """The evidence [N, C] that the answers amount to, see `served.evidence_of`."""
    if served.task == "regression":
        return answers["predicted"].to_numpy(object).astype(np.float64)[:, None]
    return np.asarray(logit(probabilities(answers).clip(_SURE, 1 - _SURE)))
