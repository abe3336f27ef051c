"""Fine-tune the model with the values that the search found; for the family `baseline`, fit the TF-IDF model.

Reads:  data/tokens, data/splits/train.parquet and validation.parquet, models/search/best.json, models/pretrained, the
    weights
Writes: models/trained (torch/ with the weights of the best epoch, or bundle/ of the baseline; curves.csv; seeds.json);
    its run in MLflow
Params: project, seed, task, model, training, train
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import TRAINING_CODE, Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import atomic, read_json, read_table, write_json
from textmill.tasks import PRIMARY, PRIMARY_NAMES

if TYPE_CHECKING:
    from textmill.training.seeds import SeedsFitted

BASELINE_CODE = [
    "baseline",
    "bundle.py",
    "evaluation/answers.py",
    "evaluation/calibration.py",
    "evaluation/thresholds.py",
    "tasks.py",
]
CURVES = ["epoch", "step", "train_loss", "validation_loss", "validation_score"]


def run(params: Params, paths: Paths) -> None:
    if params.model.family == "baseline":
        _fit_baseline(params, paths)
        return
    from textmill.training.devices import is_first_process

    inputs = [paths.tokens, paths.pretrained, paths.best]
    lineage = tracking.lineage("train", _declared(params, "training", "train"), TRAINING_CODE, inputs)
    checkpoints = paths.checkpoints(lineage["key"])
    if not is_first_process():  # Lightning starts this stage once more for each further device
        _train(params, paths, checkpoints, lambda _: False)
        return
    with (
        alone(paths, "train"),
        tracking.model_run(paths, params.project, "trained", lineage["key"], system_metrics=True) as active,
    ):
        _log_inputs(paths)
        used = {**params.training.model_dump(), **params.train.model_dump(), "seed": params.seed}
        tracking.log(params={**read_json(paths.best), **used})
        several = params.train.num_seeds > 1
        trained = _train(
            params,
            paths,
            checkpoints,
            lambda seed: tracking.lightning_logger(active, f"seed-{seed}" if several else ""),
        )
        _save(trained, paths, lineage)
        figures = trained.describe()
        spread = {f"seeds_{name}": figures[name] for name in ("mean", "std") if several}
        tracking.log(metrics={"best_validation_score": trained.score, **spread})
    shutil.rmtree(checkpoints)
    told = f"{figures['mean']:.4f} ± {figures['std']:.4f} over {params.train.num_seeds} seeds; " if several else ""
    print(
        f"Trained {len(trained.fitted.curves)} epochs; {PRIMARY_NAMES[PRIMARY[params.task]]} on validation {told}"
        f"{'ensemble' if figures['ensemble'] else 'best'} {trained.score:.4f}"
    )


def _train(params: Params, paths: Paths, checkpoints: Path, logger: Any) -> "SeedsFitted":
    from textmill.training.builders import build_model, train_settings
    from textmill.training.dataset import TrainingData
    from textmill.training.seeds import fit_seeds
    from textmill.training.settings import Hyperparameters

    data = TrainingData.open(paths.tokens, paths.pretrained)
    return fit_seeds(
        lambda seed: build_model(params, paths, data.num_outputs, seed),
        data,
        train_settings(params),
        Hyperparameters(**read_json(paths.best)),
        num_seeds=params.train.num_seeds,
        ensemble=params.train.ensemble,
        checkpoints=checkpoints,
        options=lambda seed: {"logger": logger(seed)},
        progress="train",
    )


def _save(trained: "SeedsFitted", paths: Paths, lineage: dict[str, Any]) -> None:
    from textmill.data.tokens import read_meta
    from textmill.models.folder import save_model

    with atomic(paths.model("trained")) as folder:
        description = {
            "labels": read_meta(paths.tokens)["labels"],
            "parent": None,
            "hyperparameters": read_json(paths.best),
            "lineage": lineage,
        }
        save_model(folder / "torch", trained.model, description)
        _write_curves(folder / "curves.csv", trained.fitted.curves)
        write_json(folder / "seeds.json", trained.describe())


def _fit_baseline(params: Params, paths: Paths) -> None:
    """Nothing is trained step by step: there are no curves, and nothing depends on a seed."""
    from textmill.baseline.family import write_baseline_bundle

    splits = [paths.split(name) for name in ("train", "validation")]
    lineage = tracking.lineage("train", _declared(params), BASELINE_CODE, splits)
    with tracking.model_run(paths, params.project, "trained", lineage["key"]):
        _log_inputs(paths)
        with atomic(paths.model("trained")) as folder:
            train, validation = map(read_table, splits)
            settings = params.model.baseline.model_dump()
            fitted = write_baseline_bundle(
                folder / "bundle", train, validation, settings, params.task, lineage, parent=None, recipe=[]
            )
            _write_curves(folder / "curves.csv", [])
            none: dict[str, Any] = {"seeds": [], "mean": None, "std": None, "ensemble": False, "score": None}
            write_json(folder / "seeds.json", none)
        # Of training and train it uses nothing, so that these are no part of its key, nor params of its run.
        tracking.log(params=settings, metrics={"num_features": fitted.num_features})
    print(f"Fitted the baseline on {len(train)} documents: {fitted.num_features} n-grams")


def _declared(params: Params, *sections: str) -> dict[str, Any]:
    return {
        "seed": params.seed,
        "task": params.task,
        "model": {params.model.family: params.family_settings.model_dump()},
        **{section: getattr(params, section).model_dump() for section in sections},
    }


def _log_inputs(paths: Paths) -> None:
    from pyarrow.parquet import read_metadata

    for split in ("train", "validation"):
        tracking.log_dataset(paths.split(split), split, read_metadata(paths.split(split)).num_rows)


def _write_curves(path: Path, rows: Sequence[dict[str, float]]) -> None:
    import pandas as pd

    pd.DataFrame(rows, columns=CURVES).to_csv(path, index=False)


if __name__ == "__main__":
    main(run)
