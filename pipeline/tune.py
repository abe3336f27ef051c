"""Search hyperparameters with Optuna on train and validation.

Reads:  data/tokens, the weights
Writes: models/search/ (best.json, study.json, trials.csv); the study in optuna.db and its runs in MLflow
Params: project, seed, model, training, tune
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import atomic, write_json

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def run(params: Params, paths: Paths) -> None:
    import pandas as pd

    from textmill.training import search
    from textmill.training.builders import build_model, dimensions, settings
    from textmill.training.fit import TrainingData

    tune = params.tune
    data = TrainingData.open(paths.tokens).sample(tune.train_fraction, params.seed)
    model = build_model(params, paths, data.num_outputs, params.seed)
    space_of_family = getattr(tune.space, params.model.family)
    space, fixed = dimensions(space_of_family), {str(key): value for key, value in tune.fixed.items()}
    # The number of trials is left out of the key: a study can be continued to more.
    declared = {
        "task": params.task,
        "model": {params.model.family: params.family_settings.model_dump()},
        "training": params.training.model_dump(),
        "tune": {**tune.model_dump(exclude={"num_trials", "space"}), "space": space_of_family.model_dump()},
        "seed": params.seed,
    }
    lineage = tracking.lineage(
        "tune", declared, ["data/batches.py", "data/tokens.py", "models", "training"], [paths.tokens, paths.pretrained]
    )
    name = f"{params.project}-{lineage['key'][:12]}"

    with alone(paths, "tune"), tracking.model_run(paths, params.project, "search", lineage["key"]) as active:

        def log_trial(trial: "FrozenTrial") -> None:
            tracking.log_trial(active, search.describe(trial), trial.intermediate_values)

        if tune.num_trials == 0 or fixed.keys() >= space.keys():
            values = asdict(search.defaults(space, fixed))
            best: dict[str, Any] = {"values": values, "trial": None, "score": None}
            trials: list[dict[str, Any]] = []
        else:
            study = search.search(
                model,
                data,
                settings(params, epochs=tune.epochs, patience=tune.epochs),
                space,
                fixed,
                search.SearchSettings(tune.num_trials, tune.reports_per_epoch, tune.pruner == "median"),
                storage=f"sqlite:///{paths.study_database}",
                name=name,
                on_trial=log_trial,
            )
            trials = [search.describe(trial) for trial in study.trials]
            best = search.best(study, fixed)
        write_json(paths.best, best["values"])
        write_json(paths.study, {**best, "study": name, "trials": trials, "lineage": lineage})
        columns = ["number", "state", "score", *space]
        rows = pd.DataFrame([{**trial, **trial["values"]} for trial in trials], columns=columns)
        with atomic(paths.best.with_name("trials.csv")) as temporary:
            rows.to_csv(temporary, index=False)
        # Metrics, because a study that is continued may find another best, and MLflow's params are final.
        best_values = {f"best_{key}": value for key, value in best["values"].items()}
        tracking.log(metrics=best_values, artifacts=paths.study, folder="search")
    found = f"best macro-F1 on validation {best['score']:.4f}" if trials else "no search, the defaults"
    print(f"tune: {len(trials)} trials, {found}: " + ", ".join(f"{k} {v:.3g}" for k, v in best["values"].items()))


if __name__ == "__main__":
    main(run)
