"""Fine-tune the model with the values that the search found.

Reads:  data/tokens, models/search/best.json, the weights
Writes: models/trained (torch/ with the weights of the best epoch, curves.csv); its run in MLflow
Params: project, seed, model, training, train
"""

import shutil
from typing import Any

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import atomic, read_json


def run(params: Params, paths: Paths) -> None:
    import pandas as pd

    from textmill.data.tokens import read_meta
    from textmill.models.folder import save_model
    from textmill.training.builders import build_model, settings
    from textmill.training.fit import TrainingData, fit
    from textmill.training.lit_module import Hyperparameters

    data = TrainingData.open(paths.tokens)
    hyper = Hyperparameters(**read_json(paths.best))
    model = build_model(params, paths, data.num_outputs, params.seed)
    declared: dict[str, Any] = {
        "seed": params.seed,
        "task": params.task,
        "model": {params.model.family: params.family_settings.model_dump()},
        "training": params.training.model_dump(),
        "train": params.train.model_dump(),
    }
    code = ["data/batches.py", "data/tokens.py", "models", "training"]
    lineage = tracking.lineage("train", declared, code, [paths.tokens, paths.pretrained, paths.best])
    checkpoints = paths.checkpoints(lineage["key"])

    with alone(paths, "train"), tracking.model_run(paths, params.project, "trained", lineage["key"]) as active:
        tracking.log(params={**vars(hyper), **declared["training"], **declared["train"], "seed": params.seed})
        fitted = fit(
            model,
            data,
            settings(params, epochs=params.train.epochs, patience=params.train.patience),
            hyper,
            checkpoints=checkpoints,
            logger=tracking.lightning_logger(active),
            progress="train",
        )
        with atomic(paths.model("trained")) as folder:
            description = {
                "labels": read_meta(paths.tokens)["labels"],
                "parent": None,
                "hyperparameters": vars(hyper),
                "lineage": lineage,
            }
            save_model(folder / "torch", model, description)
            pd.DataFrame(fitted.curves).to_csv(folder / "curves.csv", index=False)
        tracking.log(metrics={"best_validation_score": fitted.f1_macro})
    shutil.rmtree(checkpoints)
    print(f"Trained {len(fitted.curves)} epochs; best macro-F1 on validation {fitted.f1_macro:.4f}")


if __name__ == "__main__":
    main(run)
