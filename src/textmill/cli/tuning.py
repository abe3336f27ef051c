"""Commands that work on a study, here and on other machines: tune, proxy."""

from typing import TYPE_CHECKING, Annotated

import typer

from textmill.cli.app import app, read_params
from textmill.errors import UserError

if TYPE_CHECKING:
    import optuna

    from textmill.config import Params
    from textmill.paths import Paths
    from textmill.search.study import StudySettings


@app.command()
def tune(
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes that run trials here [default: tune.workers].")
    ] = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="Join a study that is there; an error, instead of a new one, if there is none."),
    ] = False,
) -> None:
    """Run trials of the study that params.yaml asks for, until tune.num_trials are finished by all workers together.

    The same command on other machines, with the same data, params.yaml and code and one tune.storage (or
    TEXTMILL_STUDY_STORAGE), shares the work. No output is written: `dvc repro tune` finds the study finished and does.

    \b
    Examples:
      textmill tune
      textmill tune --workers 2
      TEXTMILL_STUDY_STORAGE=postgresql://me:secret@db/studies textmill tune --join
    """
    from textmill.paths import Paths

    params, paths = read_params(), Paths.here()
    _check_there(paths)

    from textmill.search import setup
    from textmill.search.samplers import tell_exhausted
    from textmill.search.storage_errors import telling
    from textmill.search.study import open_study

    if not setup.is_searched(params):
        raise UserError(tell_nothing(params))
    settings = setup.study_settings(params, paths)
    study = open_study(settings, create=not join)
    with telling(settings.storage):
        typer.echo(_tell_start(study, settings, params.tune.num_trials))
        _work(params, paths, settings, study, workers or params.tune.workers)
        finished = _count(study)["finished"]
        exhausted = tell_exhausted(study, *setup.family_space(params))
    end = "" if finished >= params.tune.num_trials else "The time is up; the same command goes on. "
    if exhausted:
        end = f"{exhausted.capitalize()}. "
    typer.echo(
        f"{finished} of {params.tune.num_trials} trials are finished. {end}`dvc repro tune` writes "
        "models/search/best.json."
    )


@app.command()
def proxy(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; 0.0.0.0 is all of this machine's.")
    ] = "localhost",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen at.")] = 13000,
) -> None:
    """Lend tune.storage to workers on other machines over gRPC, until Ctrl-C.

    Whoever reaches the port can read and change the studies: keep it in a network of your own.

    \b
    Examples:
      textmill proxy --host 0.0.0.0
      TEXTMILL_STUDY_STORAGE=grpc://head-node:13000 textmill tune --join   (on the other machines)
    """
    from textmill.paths import Paths
    from textmill.search.storage import storage_url
    from textmill.search.storage_errors import hide_password
    from textmill.search.storage_server import serve

    url = storage_url(read_params().tune.storage, Paths.here())
    serve(url, host, port, lambda: typer.echo(f"{hide_password(url)} is at grpc://{host}:{port}; Ctrl-C ends it."))


def _check_there(paths: "Paths") -> None:
    for file in (paths.tokens / "tokens.json", paths.pretrained / "pretrained.json"):
        if not file.exists():
            folder = file.parent.relative_to(paths.root)
            raise UserError(
                f"{folder} is missing, which trials learn from. `dvc repro pretrain` makes it; on another machine, "
                "`dvc pull tokenize pretrain` fetches what the first one pushed, so that both search on the same data."
            )


def tell_nothing(params: "Params") -> str:
    family = params.model.family
    if family == "baseline":
        return "There is nothing to search: model.family is baseline, which has no hyperparameters."
    if params.tune.num_trials == 0:
        return "There is nothing to search: tune.num_trials is 0."
    return f"There is nothing to search: every key of tune.space.{family} is in tune.fixed."


def _work(params: "Params", paths: "Paths", settings: "StudySettings", study: "optuna.Study", num_workers: int) -> None:
    from textmill.search import workers
    from textmill.search.measures import METRICS
    from textmill.search.progress import Progress

    first = params.tune.objectives[0]
    with Progress(params.tune.num_trials, num_workers, first, maximize=METRICS[first] == "maximize") as progress:
        watching = workers.Watching(show=progress.show, name=progress.name)
        workers.run(params, paths, settings, study, num_workers, watching)


def _count(study: "optuna.Study") -> dict[str, int]:
    from optuna.trial import TrialState

    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    finished = states.count(TrialState.COMPLETE) + states.count(TrialState.PRUNED)
    return {"all": len(states), "finished": finished, "running": states.count(TrialState.RUNNING)}


def _tell_start(study: "optuna.Study", settings: "StudySettings", num_trials: int) -> str:
    from textmill.search.storage_errors import hide_password

    found = _count(study)
    missing = max(0, num_trials - found["finished"])
    kind = "shared" if found["running"] else "continued" if found["all"] else "new"
    running = f", {found['running']} running" if found["running"] else ""
    return (
        f"Study {settings.name} in {hide_password(settings.storage)} is {kind}: {found['finished']} of {num_trials} "
        f"trials finished{running}, {missing} missing."
    )
