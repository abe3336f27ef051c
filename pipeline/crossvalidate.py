"""Mean and spread of the score over the folds of the train split, where crossvalidate.enabled asks for it.

Reads: data/tokens, data/splits/train.parquet, data/splits/folds.parquet, models/search/best.json, models/pretrained,
    the weights.
Writes: reports/crossvalidation.json; its run in MLflow.
Params: project, seed, task, model, training, crossvalidate.
"""

import shutil
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import read_json, read_table, write_json
from textmill.config.dimensions import MAX_LENGTH
from textmill.config.searched import override, overrides, tell_override
from textmill.tasks import PRIMARY, PRIMARY_NAMES

if TYPE_CHECKING:
    from textmill.training.crossvalidation import Fold

BASELINE = (
    "The baseline has no training to repeat here: stage baseline fits it once per fold in every run, and "
    "data/audit/summary.json says how well it did on what it had not seen."
)


def run(params: Params, paths: Paths) -> None:
    if not params.crossvalidate.enabled:
        write_json(paths.crossvalidation, {"enabled": False})
        return
    if params.model.family == "baseline":
        write_json(paths.crossvalidation, {"enabled": False, "reason": BASELINE})
        print(f"crossvalidate: {BASELINE}")
        return
    from textmill.training.seeds import spread

    start = time.perf_counter()
    with alone(paths, "crossvalidate"):
        folds = _folds(params, paths)
    figures = {
        "metric": PRIMARY[params.task],
        "scores": [fold.score for fold in folds],
        **spread([fold.score for fold in folds]),
        "num_folds": len(folds),
        "folds": [asdict(fold) for fold in folds],
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_json(paths.crossvalidation, {"enabled": True, **figures})
    told = "".join(f", fold {number} {fold.score:.4f}" for number, fold in enumerate(folds, start=1))
    print(f"crossvalidate: {PRIMARY_NAMES[PRIMARY[params.task]]} {figures['mean']:.4f} ± {figures['std']:.4f}{told}")


def _folds(params: Params, paths: Paths) -> "list[Fold]":
    from textmill.training.builders import build_model, hyperparameters, settings
    from textmill.training.crossvalidation import cross_validate
    from textmill.training.dataset import TrainingData
    from textmill.training.seeds import spread

    values = read_json(paths.best)
    used, changes = override(params, values), overrides(params, values)
    for change in changes:
        print(f"crossvalidate: {tell_override(change)}")
    data = TrainingData.open(paths.tokens, paths.pretrained).truncate(values.get(MAX_LENGTH))
    ids = read_table(paths.split("train"), ["id"])["id"]
    fold_of = read_table(paths.folds).set_index("id")["fold"]
    assert len(ids) == len(data.train), "token arrays have the rows of the train split"
    declared: dict[str, Any] = {
        "seed": params.seed,
        "task": params.task,
        "model": {params.model.family: params.family_settings.model_dump()},
        "training": params.training.model_dump(),
        "crossvalidate": params.crossvalidate.model_dump(),
    }
    lineage = tracking.lineage(
        "crossvalidate", declared, tracking.TRAINING_CODE, [paths.tokens, paths.folds, paths.pretrained, paths.best]
    )
    checkpoints = paths.checkpoints(lineage["key"])
    with tracking.model_run(paths, params.project, "crossvalidation", lineage["key"]):
        shared = {**used.training.model_dump(), **declared["crossvalidate"], "seed": params.seed}
        tracking.log(params={**values, **shared, "overrides": ", ".join(change["key"] for change in changes) or "none"})
        folds = cross_validate(
            lambda: build_model(used, paths, data.num_outputs, params.seed),
            data,
            fold_of.loc[ids].to_numpy(),
            settings(used, epochs=params.crossvalidate.epochs, patience=params.crossvalidate.epochs),
            hyperparameters(values),
            checkpoints=checkpoints,
            progress="crossvalidate",
        )
        figures = spread([fold.score for fold in folds])
        tracking.log(metrics={f"fold_{number}_score": fold.score for number, fold in enumerate(folds, start=1)})
        tracking.log(metrics={f"{name}_score": value for name, value in figures.items() if value is not None})
    shutil.rmtree(checkpoints)
    return folds


if __name__ == "__main__":
    main(run)
