"""The words that speak most for each label, in the documents where they stand.

First they are sought: words in whose documents the model finds more evidence for a label than in all, by more than
chance gives so many documents. Then those found are measured: left out of several documents (`occlusion`), for a word
may only stand beside what the model goes by.

Shapes: N documents, V words, C outputs, D directions (labels; of a number, higher and lower).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.diagnosis.reading import Reading
from textmill.diagnosis.served import Floats, Served

DIRECTIONS = ("higher", "lower")  # what words do to a number
_MIN_DOCUMENTS = 5  # that have a word
_MOST_DOCUMENTS = 3000  # in which words are sought
_MEASURED = 8  # documents in which a word is left out
_STANDARD_ERRORS = 2.0  # that chance is granted
_SURPLUS = 3  # words that are measured, to each that is wanted

Words = dict[str, list[tuple[str, float]]]


def find_class_words(
    served: Served,
    texts: Sequence[str],
    evidence_NC: Floats,
    number: int,
    *,
    seed: int,
    is_late: Callable[[], bool] = lambda: False,
    progress: Callable[[int], Any] = lambda done: None,
) -> tuple[Words, int]:
    """The words that speak most for each label, with their mean evidence: nats of log-odds, or the number's unit.

    Args:
        evidence_NC: the model's evidence for each label in each text, see `served.evidence_of`.
        number: of words for each label, at most.
        is_late: asked before each word; the rest is left out then.
        progress: called with 1 after each word that was measured.

    Returns:
        The words of each label (of DIRECTIONS for regression), and how many were sought but not measured.
    """
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(len(texts))[:_MOST_DOCUMENTS])
    readings = [served.reader.read(texts[i]) for i in chosen]
    documents = _documents_of_words(readings)
    directed_ND = _directed(evidence_NC[chosen], served)
    candidates = _seek(documents, directed_ND, _SURPLUS * number)
    measured: dict[str, Floats] = {}
    for word in candidates:
        if is_late():
            break
        some = generator.permutation(documents[word])[:_MEASURED]
        measured[word] = _measure(served, word, [readings[i] for i in some])
        progress(1)
    names = served.classifier.labels or DIRECTIONS
    words = {name: _best(measured, direction, number) for direction, name in enumerate(names)}
    return words, len(candidates) - len(measured)


def _documents_of_words(readings: Sequence[Reading]) -> dict[str, list[int]]:
    """The documents of each word that has enough."""
    documents = defaultdict(list)
    for i, reading in enumerate(readings):
        for term in set(reading.terms):
            documents[term].append(i)
    return {word: documents[word] for word in sorted(documents) if len(documents[word]) >= _MIN_DOCUMENTS}


def _directed(evidence_NC: Floats, served: Served) -> Floats:
    return np.hstack([evidence_NC, -evidence_NC]) if served.task == "regression" else evidence_NC


def _seek(documents: dict[str, list[int]], evidence_ND: Floats, number: int) -> list[str]:
    """Words to be measured: the best of each direction in turn, each word once."""
    words = list(documents)
    if not words:
        return []
    scores_VD = np.stack([_least_excess(evidence_ND, documents[word]) for word in words])
    order_VD = np.argsort(-scores_VD, axis=0, kind="stable")[:number]
    found = [
        words[i] for row_D in order_VD for direction, i in enumerate(row_D.tolist()) if scores_VD[i, direction] > 0
    ]
    return list(dict.fromkeys(found))


def _least_excess(evidence_ND: Floats, rows: list[int]) -> NDArray[np.float64]:
    """By how much the mean of some documents lies above that of all, less two standard errors, [D]."""
    error_D = evidence_ND.std(axis=0) / np.sqrt(len(rows))
    return np.asarray(evidence_ND[rows].mean(axis=0) - evidence_ND.mean(axis=0) - _STANDARD_ERRORS * error_D)


def _measure(served: Served, word: str, readings: Sequence[Reading]) -> Floats:
    """Mean evidence [D] that leaving the word out, wherever it stands, takes away."""
    without = [reading.without(np.array([term == word for term in reading.terms])) for reading in readings]
    evidence_NC = served.evidence([*(reading.windows for reading in readings), *without])
    taken_NC = evidence_NC[: len(readings)] - evidence_NC[len(readings) :]
    return np.asarray(_directed(taken_NC, served).mean(axis=0))


def _best(measured: dict[str, Floats], direction: int, number: int) -> list[tuple[str, float]]:
    speaking = [(word, round(float(taken_D[direction]), 5)) for word, taken_D in measured.items()]
    return sorted((pair for pair in speaking if pair[1] > 0), key=lambda pair: (-pair[1], pair[0]))[:number]
