"""Make one variant by its recipe: `python -m pipeline.compress NAME`.

A recipe whose methods do not apply to the active family makes none, and says why.

Reads:  models/PARENT, data/tokens
Writes: models/NAME (bundle/, and torch/ unless the recipe ends on ONNX; or skipped.json); its run in MLflow
Params: project, seed, training, compress.recipes.NAME
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import read_json, size_mb
from textmill.config.searched import override

CODE = [
    *tracking.TRAINING_CODE,
    "bundle.py",
    "compression",
    "evaluation/temperature.py",
    "evaluation/thresholds.py",
    "runtime.py",
]


def run(params: Params, paths: Paths, name: str) -> None:
    from textmill.compression.recipes import Step, run_recipe, why_not
    from textmill.compression.sealing import adopt_bundle
    from textmill.compression.skipping import write_skipped

    recipe = params.compress.recipes[name]
    steps = [Step(step.method, step.model_dump(exclude={"method"})) for step in recipe.steps]
    parent = paths.model(recipe.parent)
    if reason := why_not(steps, parent):
        write_skipped(paths.model(name), reason)
        print(f"compress: {name} is skipped: {reason}")
        return
    declared = {
        "seed": params.seed,
        "recipe": recipe.model_dump(by_alias=True),
        "training": params.training.model_dump(),
    }
    lineage = tracking.lineage("compress", declared, CODE, [parent, paths.tokens])
    checkpoints = paths.checkpoints(lineage["key"])
    description = _describe(parent)
    with (
        alone(paths, "compress"),
        tracking.model_run(
            paths, params.project, name, lineage["key"], parent_key=description["lineage"]["key"]
        ) as active,
    ):
        tracking.log(params={"from": recipe.parent, "steps": [step.method for step in steps]})
        if (parent / "torch").exists():
            recovery = _recovery(params, paths, description, checkpoints, tracking.lightning_logger(active))
            run_recipe(steps, parent, paths.model(name), recovery, lineage)
        else:
            adopt_bundle(parent, paths.model(name), lineage)
        size = size_mb(paths.bundle(name))
        tracking.log(metrics={"size_mb": size})
    shutil.rmtree(checkpoints, ignore_errors=True)
    print(f"{name}: {' -> '.join([recipe.parent, *(step.method for step in steps), name])}, bundle of {size:.1f} MB")


def _describe(parent: Path) -> dict[str, Any]:
    """model.json of a network, bundle.json of the TF-IDF model, which has no other."""
    network = parent / "torch/model.json"
    described: dict[str, Any] = read_json(network if network.exists() else parent / "bundle/bundle.json")
    return described


def _recovery(params: Params, paths: Paths, description: dict[str, Any], checkpoints: Path, logger: Any) -> Any:
    from textmill.compression.recovery import Recovery
    from textmill.training.builders import hyperparameters, settings
    from textmill.training.dataset import TrainingData

    values = description["hyperparameters"]  # those of `train`, searched keys of `training` among them
    return Recovery(
        data=TrainingData.open(paths.tokens).truncate(description["max_length"]),
        settings=settings(override(params, values), epochs=1, patience=1),  # a step sets its own epochs
        hyper=hyperparameters(values),
        checkpoints=checkpoints,
        logger=logger,
    )


if __name__ == "__main__":
    main(run, *sys.argv[1:])
