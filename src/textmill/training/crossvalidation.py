"""The same training once per fold of the train split: how much the score depends on the documents.

A model learns from all folds but one, keeps its best epoch on the validation split as in `train`, and is scored on the
fold that it has never seen. (The values of the search may have: they were found on the whole train split.)

Shape suffixes: N documents of the train split, H those held out.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from textmill.artifacts import read_json, write_json
from textmill.data.tokens import Integers, TokenArrays
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit, predict_logits
from textmill.training.objective import score_logits
from textmill.training.settings import Hyperparameters, Settings


@dataclass(frozen=True)
class Fold:
    score: float  # the task's primary figure on the documents held out
    num_documents: int  # held out
    seconds: float  # of the call that finished it


def cross_validate(
    build: Callable[[], nn.Module],
    data: TrainingData,
    fold_N: NDArray[np.integer[Any]],
    settings: Settings,
    hyper: Hyperparameters,
    *,
    checkpoints: Path,
    options: Callable[[int], dict[str, Any]] = lambda fold: {},
    progress: str,
) -> list[Fold]:
    """Train and score once per fold.

    Killed and called again, it goes on with the fold that was being trained: the finished ones are in `checkpoints`,
    which the caller removes when it has what it wants.

    Args:
        build: makes an untrained model.
        fold_N: the fold, from 0 on, in which each document of the train split is held out.
        options: further arguments of `fit` for a fold.
        progress: what the progress bar calls this work.

    Raises: DivergedTraining.
    """
    num_folds = int(fold_N.max()) + 1
    folds = []
    for number in range(num_folds):
        finished = checkpoints / f"fold-{number}.json"
        if not finished.is_file():
            start = time.perf_counter()
            model, own = build(), checkpoints / f"fold-{number}"
            learned = replace(data, indices=np.flatnonzero(fold_N != number))
            label = f"{progress}, fold {number + 1}/{num_folds}"
            fit(model, learned, settings, hyper, checkpoints=own, progress=label, **options(number))
            score, size = _score(model, data, np.flatnonzero(fold_N == number), settings)
            write_json(finished, asdict(Fold(score, size, round(time.perf_counter() - start, 1))))
            shutil.rmtree(own)
        folds.append(Fold(**read_json(finished)))
    return folds


def _score(model: nn.Module, data: TrainingData, held_H: Integers, settings: Settings) -> tuple[float, int]:
    held_out = take(data.train, held_H)
    logits_HC = predict_logits(model, held_out, data.pad_id, data.num_outputs, settings)
    return score_logits(data.task, logits_HC, held_out.labels, data.target), len(held_out)


def take(tokens: TokenArrays, indices_H: Integers) -> TokenArrays:
    """A copy, in memory, of the documents at these positions, in this order."""
    parts = [tokens[i] for i in indices_H]
    windows = [window for document in parts for window in document]
    return TokenArrays(
        ids=np.concatenate(windows),
        offsets=np.cumsum([0, *map(len, windows)]),
        windows=np.cumsum([0, *map(len, parts)]),
        labels=np.asarray(tokens.labels)[indices_H],
    )
