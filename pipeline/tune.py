"""Search hyperparameters with Optuna on train and validation; the baseline has none to search.

Reads:  data/tokens, models/pretrained, the weights; with tune.repeats over folds also data/splits/train.parquet and
    folds.parquet
Writes: models/search/ (best.json, study.json, trials.csv); the study in optuna.db, or where tune.storage says, and its
    runs in MLflow
Params: project, seed, task, model, training, tokenize.max_length, tune
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import atomic, write_json
from textmill.tasks import name_objective

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from textmill.search.study import StudySettings


def run(params: Params, paths: Paths) -> None:
    from textmill.search import setup
    from textmill.search.space import defaults

    space, fixed = setup.family_space(params)
    settings = setup.study_settings(params, paths)
    record: dict[str, Any] = {"study": settings.name, "trials": []}
    chosen: dict[str, Any] = {"values": defaults(space, fixed), "trial": None, "score": None}
    key = settings.declared["key"]
    with alone(paths, "tune"), tracking.model_run(paths, params.project, "search", key) as active:
        if setup.is_searched(params):
            record, chosen = _search(params, paths, settings, active)
        _write(paths, {**chosen, **record, "lineage": settings.declared}, list(space))
        # Metrics, because a study that is continued may find another best, and MLflow's params are final.
        numbers = {f"best_{name}": value for name, value in chosen["values"].items() if isinstance(value, int | float)}
        tracking.log(metrics=numbers, artifacts=paths.study, folder="search")
    found = "no search, the defaults"
    if record["trials"]:
        found = f"trial {chosen['trial']} with {_figure(params)} {chosen['score']:.4f}"
    print(f"tune: {len(record['trials'])} trials, {found}: " + ", ".join(map(_tell, chosen["values"].items())))
    if record["trials"]:
        print(record["outlook"]["sentence"])


def _search(
    params: Params, paths: Paths, settings: "StudySettings", active: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The study's record, and the values of the chosen trial with its number and score."""
    from textmill.search.describe import describe, describe_study
    from textmill.search.measures import METRICS, choose
    from textmill.search.outlook import look_ahead
    from textmill.search.progress import Progress
    from textmill.search.samplers import tell_exhausted
    from textmill.search.setup import family_space
    from textmill.search.space import from_params
    from textmill.search.storage_errors import telling
    from textmill.search.study import open_study
    from textmill.search.workers import Watching
    from textmill.search.workers import run as run_workers

    tune, (space, fixed) = params.tune, family_space(params)

    def log_trials(ended: "Sequence[FrozenTrial]") -> None:
        tracking.log_trials(active, [describe(trial, space, fixed, tune.objectives) for trial in ended])

    study = open_study(settings)
    maximize = METRICS[tune.objectives[0]] == "maximize"
    with Progress(tune.num_trials, tune.workers, _figure(params), maximize=maximize) as progress:
        watching = Watching(on_ended=log_trials, show=progress.show, name=progress.name)
        run_workers(params, paths, settings, study, tune.workers, watching)
    with telling(settings.storage):
        if exhausted := tell_exhausted(study, space, fixed):
            print(f"tune: {exhausted}")
        best = choose(study, tune.objectives, tune.choice.prefer, tune.choice.tolerance)
        record = describe_study(study, space, fixed, tune.objectives)
    chosen = {"values": from_params(best.params, space, fixed), "trial": best.number, "score": best.values[0]}
    scored_on = "train" if tune.repeats.over == "folds" else "validation"
    return {**record, "outlook": look_ahead(record, params.task, paths.tokens, scored_on)}, chosen


def _write(paths: Paths, record: dict[str, Any], keys: list[str]) -> None:
    import pandas as pd

    write_json(paths.best, record["values"])
    write_json(paths.study, record)
    rows = pd.DataFrame(
        [{**trial, **trial["values"]} for trial in record["trials"]], columns=["number", "state", "score", *keys]
    )
    with atomic(paths.best.with_name("trials.csv")) as temporary:
        rows.to_csv(temporary, index=False)


def _figure(params: Params) -> str:
    """The first objective in words."""
    first = params.tune.objectives[0]
    return name_objective(first, params.task) + (" on validation" if first == "quality" else "")


def _tell(value: tuple[str, Any]) -> str:
    return f"{value[0]} {value[1]:.3g}" if isinstance(value[1], float) else f"{value[0]} {value[1]}"


if __name__ == "__main__":
    main(run)
