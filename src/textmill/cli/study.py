"""The command `textmill study`: what a search has found, what runs, and how to use it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from textmill.cli.app import app, read_params
from textmill.cli.tuning import tell_nothing
from textmill.errors import UserError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from textmill.config import Params
    from textmill.paths import Paths

NUM_SHOWN = 20
MOST_TOLD = 5

study = typer.Typer(
    help="""The search that `dvc repro` or `textmill tune` makes: its trials, the best, what is running.

    \b
    Examples:
      textmill study
      textmill study --top 5
      textmill study --all
      textmill study --name reviews-1a2b3c4d5e6f
      textmill study list
      textmill study adopt
    """,
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(study, name="study")


@study.callback()
def show(
    context: typer.Context,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Only the N best trials, the best first.", metavar="N")
    ] = None,
    all_trials: Annotated[bool, typer.Option("--all", help=f"All trials, not the last {NUM_SHOWN} only.")] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Another study of the storage; `textmill study list` names them.")
    ] = None,
) -> None:
    """Show the study that params.yaml asks for."""
    if context.invoked_subcommand is not None:
        return
    if top and all_trials:
        raise UserError("--top shows the best trials only and --all every one: give one of them.")
    from textmill.cli.study_view import show_study
    from textmill.paths import Paths

    params, paths = read_params(), Paths.here()
    record = _read_study(params, paths, name) if name else _read_own(params, paths)
    show_study(record, top=top, num_last=None if all_trials else NUM_SHOWN)


@study.command("list")
def list_studies() -> None:
    """List the studies of the storage.

    A change of data, space or objective starts a new one; the old ones stay.

    \b
    Example:
      textmill study list
    """
    import optuna

    from textmill.cli.study_view import show_list
    from textmill.paths import Paths

    params = read_params()
    storage, url = _open(params, Paths.here())
    show_list(optuna.get_all_study_summaries(storage=storage), storage, url)


@study.command()
def adopt(
    keep_searching: Annotated[
        bool,
        typer.Option("--keep-searching", help="Leave the search as it is, which then starts from these values."),
    ] = False,
) -> None:
    """Write the best values into params.yaml, with its comments kept.

    They are those of models/search/best.json, which `dvc repro tune` writes.

    \b
    Examples:
      textmill study adopt
      textmill study adopt --keep-searching
    """
    from textmill.paths import Paths
    from textmill.search.adopt import adopt as write

    paths = Paths.here()
    changes = write(_read_best(read_params(), paths), paths.params, keep_searching=keep_searching)
    for change in changes:
        typer.echo(f"{change.key}: {change.before} -> {change.after}")
    if not changes:
        typer.echo("params.yaml has these values already.")
        return
    typer.echo(f"{len(changes)} {'key' if len(changes) == 1 else 'keys'} of params.yaml changed. Next: dvc repro")


def _read_best(params: "Params", paths: "Paths") -> dict[str, Any]:
    """The values of models/search/best.json. Raises: MissingArtifact, UserError: they are no find of this search."""
    from textmill.artifacts import read_json

    best, record = read_json(paths.best), read_json(paths.study)
    if record["trial"] is None:
        raise UserError(
            "models/search/best.json holds the defaults, for no trial was run: there is nothing to adopt. Set "
            "tune.num_trials above 0, and run `dvc repro tune`."
        )
    from textmill.search.setup import lineage
    from textmill.search.study import differences

    found, asked = record["lineage"]["params"], lineage(params, paths)["params"]
    if apart := differences({"params": found}, {"params": asked}):
        more = f" and {len(apart) - MOST_TOLD} more" if len(apart) > MOST_TOLD else ""
        raise UserError(
            f"models/search/best.json was found with other params: {', '.join(apart[:MOST_TOLD])}{more} (then -> now). "
            "Run `dvc repro tune`, or bring the old params.yaml back."
        )
    values: dict[str, Any] = best
    return values


def _read_own(params: "Params", paths: "Paths") -> dict[str, Any]:
    """The study that params.yaml asks for, as `describe_study` tells it, with `best`, `outlook` and what shows it."""
    from textmill.search import setup
    from textmill.search.describe import describe_study
    from textmill.search.measures import NothingLearned, choose
    from textmill.search.outlook import look_ahead
    from textmill.search.study import open_study

    if not setup.is_searched(params):
        raise UserError(f"{tell_nothing(params)} `textmill study list` lists what was searched before.")
    settings, tune = setup.study_settings(params, paths), params.tune
    _check_there(settings.storage)
    space, fixed = setup.family_space(params)
    opened = open_study(settings, create=False)
    record = describe_study(opened, space, fixed, tune.objectives)
    try:
        best = choose(opened, tune.objectives, tune.choice.prefer, tune.choice.tolerance).number
    except NothingLearned:
        best = None
    split = "train" if tune.repeats.over == "folds" else "validation"
    outlook = look_ahead(record, params.task, paths.tokens, split)
    shown = {"storage": settings.storage, "num_trials": tune.num_trials, "task": params.task, "pinned": list(fixed)}
    return {**record, **shown, "best": best, "outlook": outlook["sentence"]}


def _read_study(params: "Params", paths: "Paths", name: str) -> dict[str, Any]:
    """Another study of the storage, as far as it tells of itself."""
    import optuna

    from textmill.search.describe import describe_study, space_of
    from textmill.search.progress import find_best

    storage, url = _open(params, paths)
    names = optuna.get_all_study_names(storage)
    if name not in names:
        there = ", ".join(names) or "none"
        raise UserError(f"There is no study {name} in the storage; there are: {there}.")
    opened = optuna.load_study(study_name=name, storage=storage)
    declared = opened.user_attrs.get("declared", {}).get("params", {})
    directions = [direction.name.lower() for direction in opened.directions]
    objectives = declared.get("tune", {}).get("objectives") or [f"objective {n + 1}" for n in range(len(directions))]
    record = describe_study(opened, space_of(opened), {}, objectives)
    best = find_best(opened.get_trials(deepcopy=False), maximize=directions[0] == "maximize")
    shown = {"storage": url, "num_trials": None, "task": declared.get("task"), "pinned": []}
    return {**record, **shown, "best": None if best is None else best.number, "outlook": None}


def _open(params: "Params", paths: "Paths") -> "tuple[BaseStorage, str]":
    """The storage and its url. Raises: StorageUnusable."""
    from textmill.search.storage import open_storage, storage_url

    url = storage_url(params.tune.storage, paths)
    _check_there(url)
    return open_storage(url), url


def _check_there(url: str) -> None:
    """Raises: UserError: the storage is a file that is not there; to look at it would make it."""
    from pathlib import Path

    kind, _, file = url.partition(":///")
    if kind in ("sqlite", "journal") and not Path(file.partition("?")[0]).exists():
        raise UserError(
            f"There is no study yet: {file} is not there. `dvc repro tune` or `textmill tune` makes it; for another "
            "storage, correct tune.storage or TEXTMILL_STUDY_STORAGE."
        )
