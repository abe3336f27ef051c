"""Search hyperparameters with Optuna on train and validation.

Reads:  data/tokens, the weights
Writes: models/search/best.json and trials.csv; the study in optuna.db and its runs in MLflow
Params: project, seed, model, training, tune
"""

from dataclasses import asdict

import pandas as pd
from optuna.trial import FrozenTrial

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import atomic, write_json
from textmill.training import search
from textmill.training.builders import build_model, dimensions, settings
from textmill.training.fit import TrainingData


def run(params: Params, paths: Paths) -> None:
    tune = params.tune
    data = TrainingData.open(paths.tokens).sample(tune.train_fraction, params.seed)
    model = build_model(params, data.num_labels)
    space, fixed = dimensions(tune.space), {str(key): value for key, value in tune.fixed.items()}
    # The number of trials is left out of the key: a study can be continued to more.
    declared = {
        "model": params.model.model_dump(),
        "training": params.training.model_dump(),
        "tune": tune.model_dump(exclude={"num_trials"}),
        "seed": params.seed,
    }
    lineage = tracking.lineage("tune", declared, ["training", "models", "data/batches.py"], [paths.tokens])
    name = f"{params.project}-{lineage['key'][:12]}"

    with alone(paths, "tune"), tracking.model_run(paths, params.project, "search", lineage["key"]) as active:

        def log_trial(trial: FrozenTrial) -> None:
            tracking.log_trial(active, search.describe(trial), trial.intermediate_values)

        if tune.num_trials == 0:
            best, trials = {"values": asdict(search.defaults(space, fixed)), "trial": None, "score": None}, []
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
            best = {
                "values": search.best_values(study, fixed),
                "trial": study.best_trial.number,
                "score": study.best_value,
            }
        write_json(paths.best, {**best, "study": name, "trials": trials, "lineage": lineage})
        rows = pd.DataFrame([{k: t[k] for k in ("number", "state", "score")} | t["values"] for t in trials])
        with atomic(paths.best.with_name("trials.csv")) as temporary:
            rows.to_csv(temporary, index=False)
        # Metrics, because a study that is continued may find another best, and MLflow's params are final.
        best_values = {f"best_{key}": value for key, value in best["values"].items()}
        tracking.log(metrics=best_values, artifacts=paths.best, folder="search")
    print(f"Best of {len(trials)} trials: macro-F1 {best['score']} on validation with {best['values']}")


if __name__ == "__main__":
    main(run)
