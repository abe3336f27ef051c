"""Fine-tune the model with the values that the search found; for the family `baseline`, fit the TF-IDF model.

Reads:  data/tokens, data/splits/train.parquet and validation.parquet, models/search/best.json, models/pretrained, the
    weights
Writes: models/trained (torch/ with the weights of the best epoch, or bundle/ of the baseline; curves.csv; seeds.json;
    overrides.json, the keys of params.yaml in whose place the search found another value); its run in MLflow
Params: project, seed, task, model, training, train
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import atomic, read_json, read_table, write_json
from textmill.config.dimensions import MAX_LENGTH
from textmill.config.searched import override, overrides, tell_override
from textmill.tasks import PRIMARY, PRIMARY_NAMES

if TYPE_CHECKING:
    from textmill.training.seeds import SeedsFitted

BASELINE_CODE = [
    "baseline",
    "bundle.py",
    "evaluation/answers.py",
    "evaluation/temperature.py",
    "evaluation/thresholds.py",
    "long_documents.py",
    "engines.py",
    "runtime.py",
    "tasks.py",
]
CURVES = ["epoch", "step", "train_loss", "validation_loss", "validation_score"]


def run(params: Params, paths: Paths) -> None:
    if params.model.family == "baseline":
        _fit_baseline(params, paths)
        return
    from textmill.training.devices import is_first_process

    inputs = [paths.tokens, paths.pretrained, paths.best]
    lineage = tracking.lineage("train", _declared(params, "training", "train"), tracking.TRAINING_CODE, inputs)
    checkpoints = paths.checkpoints(lineage["key"])
    values = read_json(paths.best)
    used, changes = override(params, values), overrides(params, values)
    if not is_first_process():  # Lightning starts this stage once more for each further device
        _train(used, values, paths, checkpoints, lambda _: False)
        return
    with (
        alone(paths, "train"),
        tracking.model_run(paths, params.project, "trained", lineage["key"], system_metrics=True) as active,
    ):
        _log_inputs(paths)
        for change in changes:
            print(f"train: {tell_override(change)}")
        shared = {**used.training.model_dump(), **params.train.model_dump(), "seed": params.seed}
        tracking.log(params={**values, **shared, "overrides": ", ".join(change["key"] for change in changes) or "none"})
        several = params.train.num_seeds > 1
        trained = _train(
            used,
            values,
            paths,
            checkpoints,
            lambda seed: tracking.lightning_logger(active, f"seed-{seed}" if several else ""),
        )
        _save(trained, paths, values, changes, lineage)
        figures = trained.describe()
        spread = {f"seeds_{name}": figures[name] for name in ("mean", "std") if several}
        tracking.log(metrics={"best_validation_score": trained.score, **spread})
    shutil.rmtree(checkpoints)
    told = f"{figures['mean']:.4f} ± {figures['std']:.4f} over {params.train.num_seeds} seeds; " if several else ""
    print(
        f"Trained {len(trained.fitted.curves)} epochs; {PRIMARY_NAMES[PRIMARY[params.task]]} on validation {told}"
        f"{'ensemble' if figures['ensemble'] else 'best'} {trained.score:.4f}"
    )


def _train(params: Params, values: dict[str, Any], paths: Paths, checkpoints: Path, logger: Any) -> "SeedsFitted":
    """Args:
    params: with the values that the search found in their places.
    values: of best.json.
    """
    from textmill.training.builders import build_model, hyperparameters, train_settings
    from textmill.training.dataset import TrainingData
    from textmill.training.seeds import fit_seeds

    data = TrainingData.open(paths.tokens, paths.pretrained).truncate(values.get(MAX_LENGTH))
    return fit_seeds(
        lambda seed: build_model(params, paths, data.num_outputs, seed),
        data,
        train_settings(params),
        hyperparameters(values),
        num_seeds=params.train.num_seeds,
        ensemble=params.train.ensemble,
        checkpoints=checkpoints,
        options=lambda seed: {"logger": logger(seed)},
        progress="train",
    )


def _save(
    trained: "SeedsFitted",
    paths: Paths,
    values: dict[str, Any],
    changes: list[dict[str, Any]],
    lineage: dict[str, Any],
) -> None:
    from textmill.data.tokens import TokenArrays, read_meta
    from textmill.models.folder import save_model

    meta = read_meta(paths.tokens)
    max_length = values.get(MAX_LENGTH, meta["max_length"])
    tokens = TokenArrays.open(paths.tokens, "train")
    is_cut = max_length < meta["max_length"]  # if not, tokens.json says the share
    with atomic(paths.model("trained")) as folder:
        description = {
            "labels": meta["labels"],
            "max_length": max_length,
            "truncated_share": float((tokens.lengths > max_length).mean()) if is_cut else None,
            "parent": None,
            "hyperparameters": values,
            "lineage": lineage,
        }
        save_model(folder / "torch", trained.model, description)
        _write_curves(folder / "curves.csv", trained.fitted.curves)
        write_json(folder / "seeds.json", trained.describe())
        write_json(folder / "overrides.json", changes)


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
            write_json(folder / "overrides.json", [])
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
