"""The same training from several seeds: how much the score depends on chance, and the best model or all together."""

import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import distributed, nn

from textmill.models.ensemble import Ensemble
from textmill.models.folder import load_model, save_model
from textmill.training.dataset import TrainingData
from textmill.training.devices import is_first_process
from textmill.training.fit import Fitted, fit, predict_logits
from textmill.training.objective import score_logits
from textmill.training.settings import Hyperparameters, Settings

Options = Callable[[int], dict[str, Any]]  # seed -> further arguments of `fit`: logger, callbacks


@dataclass(frozen=True)
class SeedsFitted:
    """What several seeds gave.

    Attributes:
        model: the ensemble of all seeds, or the model of the best one.
        score: of `model` on validation.
        scores: of each seed's model, by seed.
        fitted: the training of the best seed.
    """

    model: nn.Module
    score: float
    scores: dict[int, float]
    fitted: Fitted

    def describe(self) -> dict[str, Any]:
        """Content of seeds.json; `std` is the sample standard deviation, None for one seed."""
        return {
            "seeds": [{"seed": seed, "score": score} for seed, score in self.scores.items()],
            **spread(list(self.scores.values())),
            "ensemble": isinstance(self.model, Ensemble),
            "score": self.score,
        }


def spread(scores: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation, None of a single score."""
    return {"mean": statistics.fmean(scores), "std": statistics.stdev(scores) if len(scores) > 1 else None}


def fit_seeds(
    build: Callable[[int], nn.Module],
    data: TrainingData,
    settings: Settings,
    hyper: Hyperparameters,
    *,
    num_seeds: int,
    ensemble: bool,
    checkpoints: Path,
    options: Options = lambda seed: {},
    progress: str,
) -> SeedsFitted:
    """Train models from seeds `settings.seed`, the next, and so on.

    Killed and called again, it goes on with the seed that was being trained: finished models wait in `checkpoints`,
    which the caller removes when it has what it wants.

    Args:
        build: makes the untrained model of a seed.
        ensemble: whether all models become one, or the best on validation is kept.
        options: further arguments of `fit` for a seed.
        progress: what the progress bar calls this work.

    Raises: DivergedTraining.
    """
    models: dict[int, nn.Module] = {}
    fits: dict[int, Fitted] = {}
    best = settings.seed
    for number, seed in enumerate(range(settings.seed, settings.seed + num_seeds), start=1):
        model, fits[seed] = _fit_once(
            partial(build, seed),
            data,
            replace(settings, seed=seed),
            hyper,
            checkpoints=checkpoints / f"seed-{seed}",
            progress=progress if num_seeds == 1 else f"{progress}, seed {seed} ({number}/{num_seeds})",
            **options(seed),
        )
        if fits[seed].score > fits[best].score:
            best = seed
        # Of those that are not needed any more, none is held.
        models = {**models, seed: model} if ensemble or not models else {best: {**models, seed: model}[best]}
    scores = {seed: fitted.score for seed, fitted in fits.items()}
    if not ensemble or num_seeds == 1:
        return SeedsFitted(models[best], scores[best], scores, fits[best])
    together = Ensemble(list(models.values())).eval()
    logits_NC = predict_logits(together, data.validation, data.pad_id, data.num_outputs, settings)
    score = score_logits(data.task, logits_NC, data.validation.labels, data.target)
    return SeedsFitted(together, score, scores, fits[best])


def _fit_once(
    build: Callable[[], nn.Module],
    data: TrainingData,
    settings: Settings,
    hyper: Hyperparameters,
    *,
    checkpoints: Path,
    **options: Any,
) -> tuple[nn.Module, Fitted]:
    """Train, or load what a call before this one has finished."""
    finished = checkpoints.with_name(f"{checkpoints.name}-finished")
    if finished.is_dir():
        model, description = load_model(finished)
        return model, Fitted(**description["fitted"])
    model = build()
    fitted = fit(model, data, settings, hyper, checkpoints=checkpoints, **options)
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()  # all have read the best weights
    if is_first_process():  # of several devices, one writes
        save_model(finished, model, {"fitted": asdict(fitted)})
        shutil.rmtree(checkpoints)
    return model, fitted
