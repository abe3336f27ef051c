"""Search hyperparameters with Optuna on train and validation; the baseline has none to search.

Reads:  data/tokens, models/pretrained, the weights
Writes: models/search/ (best.json, study.json, trials.csv); the study in optuna.db and its runs in MLflow
Params: project, seed, model, training, tune
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline import TRAINING_CODE, Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import atomic, write_json
from textmill.tasks import PRIMARY, PRIMARY_NAMES

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from textmill.training.search import Dimension


def run(params: Params, paths: Paths) -> None:
    from textmill.training import search
    from textmill.training.builders import dimensions

    tune = params.tune
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
    lineage = tracking.lineage("tune", declared, TRAINING_CODE, [paths.tokens, paths.pretrained])
    name = f"{params.project}-{lineage['key'][:12]}"

    with alone(paths, "tune"), tracking.model_run(paths, params.project, "search", lineage["key"]) as active:
        trials: list[dict[str, Any]] = []
        if tune.num_trials and space.keys() - fixed.keys():
            study = _search(params, paths, space, fixed, name, active)
            trials = [search.describe(trial) for trial in study.trials]
            best = search.best(study, fixed)
        else:
            values = asdict(search.defaults(space, fixed)) if space else {}
            best = {"values": values, "trial": None, "score": None}
        _write(paths, {**best, "study": name, "trials": trials, "lineage": lineage}, list(space))
        # Metrics, because a study that is continued may find another best, and MLflow's params are final.
        best_values = {f"best_{key}": value for key, value in best["values"].items()}
        tracking.log(metrics=best_values, artifacts=paths.study, folder="search")
    metric = PRIMARY_NAMES[PRIMARY[params.task]]
    found = f"best {metric} on validation {best['score']:.4f}" if trials else "no search, the defaults"
    print(f"tune: {len(trials)} trials, {found}: " + ", ".join(f"{k} {v:.3g}" for k, v in best["values"].items()))


def _search(
    params: Params, paths: Paths, space: "dict[str, Dimension]", fixed: dict[str, float], name: str, active: Any
) -> Any:
    from textmill.training import search
    from textmill.training.builders import build_model, settings
    from textmill.training.dataset import TrainingData

    def log_trial(trial: "FrozenTrial") -> None:
        tracking.log_trial(active, search.describe(trial), trial.intermediate_values)

    tune = params.tune
    data = TrainingData.open(paths.tokens, paths.pretrained).sample(tune.train_fraction, params.seed)
    return search.search(
        build_model(params, paths, data.num_outputs, params.seed),
        data,
        settings(params, epochs=tune.epochs, patience=tune.epochs),
        space,
        fixed,
        search.SearchSettings(tune.num_trials, tune.reports_per_epoch, tune.pruner == "median"),
        storage=f"sqlite:///{paths.study_database}",
        name=name,
        on_trial=log_trial,
    )


def _write(paths: Paths, record: dict[str, Any], keys: list[str]) -> None:
    import pandas as pd

    write_json(paths.best, record["values"])
    write_json(paths.study, record)
    rows = pd.DataFrame(
        [{**trial, **trial["values"]} for trial in record["trials"]], columns=["number", "state", "score", *keys]
    )
    with atomic(paths.best.with_name("trials.csv")) as temporary:
        rows.to_csv(temporary, index=False)


if __name__ == "__main__":
    main(run)
