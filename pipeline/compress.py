"""Make one variant by its recipe: `python -m pipeline.compress NAME`.

Reads:  models/PARENT, data/tokens
Writes: models/NAME (bundle/, and torch/ unless the recipe ends on ONNX); its run in MLflow
Params: project, seed, training, compress.recipes.NAME
"""

import shutil
import sys

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import read_json, size_mb

CODE = [
    "compression",
    "data/batches.py",
    "data/tokens.py",
    "evaluation/calibration.py",
    "models",
    "runtime.py",
    "training",
]


def run(params: Params, paths: Paths, name: str) -> None:
    from textmill.compression.recipes import Step, run_recipe
    from textmill.compression.recovery import Recovery
    from textmill.training.builders import settings
    from textmill.training.fit import TrainingData
    from textmill.training.lit_module import Hyperparameters

    recipe = params.compress.recipes[name]
    steps = [Step(step.method, step.model_dump(exclude={"method"})) for step in recipe.steps]
    parent = paths.model(recipe.parent)
    declared = {
        "seed": params.seed,
        "recipe": recipe.model_dump(by_alias=True),
        "training": params.training.model_dump(),
    }
    lineage = tracking.lineage("compress", declared, CODE, [parent, paths.tokens])
    description = read_json(parent / "torch/model.json")
    checkpoints = paths.checkpoints(lineage["key"])

    with (
        alone(paths, "compress"),
        tracking.model_run(
            paths, params.project, name, lineage["key"], parent_key=description["lineage"]["key"]
        ) as active,
    ):
        tracking.log(params={"from": recipe.parent, "steps": [step.method for step in steps]})
        recovery = Recovery(
            data=TrainingData.open(paths.tokens),
            settings=settings(params, epochs=1, patience=1),  # a step sets its own
            hyper=Hyperparameters(**description["hyperparameters"]),
            checkpoints=checkpoints,
            logger=tracking.lightning_logger(active),
        )
        run_recipe(steps, parent, paths.model(name), paths.tokens, recovery, lineage)
        size = size_mb(paths.bundle(name))
        tracking.log(metrics={"size_mb": size})
    shutil.rmtree(checkpoints, ignore_errors=True)
    print(f"{name}: {' -> '.join([recipe.parent, *(step.method for step in steps), name])}, bundle of {size:.1f} MB")


if __name__ == "__main__":
    main(run, *sys.argv[1:])
