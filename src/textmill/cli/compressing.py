"""The command `textmill compress`: a recipe that keeps a budget of size, latency and quality."""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer

from textmill.cli.app import app, read_params
from textmill.errors import UserError

if TYPE_CHECKING:
    from textmill.budget_search.run import Asked
    from textmill.config import Params

Preferred = Literal["quality", "latency_ms", "size_mb"]
INTERRUPTED = 130  # exit status after Ctrl-C

compress = typer.Typer(
    help="""Search for the recipe that keeps a budget: models are made and measured, and the Pareto front decides.

    The search starts from models/full, and tries the recipes of compress.search in params.yaml: first with their
    known-good settings, then what the sampler proposes. It can be killed at any moment; the same command goes on.

    \b
    Examples:
      textmill compress --max-size-mb 10 --max-latency-ms 3 --max-drop 0.01
      textmill compress --max-size-mb 5 --prefer latency_ms --trials 20 --timeout-minutes 60
      textmill compress show
      textmill compress adopt
      textmill compress adopt --trial 4 --name small
    """,
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(compress, name="compress")


@compress.callback()
def search(
    context: typer.Context,
    max_size_mb: Annotated[
        float | None,
        typer.Option("--max-size-mb", help="Largest bundle, in MB [default: select.budget.max_size_mb]."),
    ] = None,
    max_latency_ms: Annotated[
        float | None,
        typer.Option(
            "--max-latency-ms",
            help="Largest median latency of one document on evaluate.latency_threads [default: "
            "select.budget.max_latency_ms].",
        ),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-drop",
            help="Most macro-F1 (R², for regression) lost on validation against full [default: "
            "select.budget.max_drop].",
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option(
            "--prefer",
            help="What decides within the budget: quality, latency_ms or size_mb [default: select.prefer].",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Finished trials wanted in all [default: compress.search.num_trials]."),
    ] = None,
    timeout_minutes: Annotated[
        float | None,
        typer.Option("--timeout-minutes", help="Time for this call [default: compress.search.timeout_minutes]."),
    ] = None,
) -> None:
    """Search, and show the front and the choice; exit code 1 if no recipe meets the budget."""
    if context.invoked_subcommand is not None:
        return
    from textmill.cli.compressing_view import Lines, show_search, tell_budget
    from textmill.paths import Paths

    params, paths = read_params(), Paths.here()
    limits = {"max_size_mb": max_size_mb, "max_latency_ms": max_latency_ms, "max_drop": max_drop}
    asked = _read_asked(params, limits, prefer, trials, timeout_minutes)

    from textmill.budget_search.run import search as run

    typer.echo(f"Budget: {tell_budget(asked.budget, params.task)}.")
    lines = Lines(asked.num_trials, params.task)
    try:
        record = run(params, paths, asked, say=typer.echo, on_trial=lines.show)
    except (KeyboardInterrupt, SystemExit):  # Lightning exits of itself on Ctrl-C
        typer.echo("Interrupted: what is finished is kept, and the same command goes on.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    show_search(record)
    _tell_end(record)


@compress.command()
def show() -> None:
    """Show what the last search found, without work.

    \b
    Example:
      textmill compress show
    """
    from textmill.cli.compressing_view import show_search

    record = _read_record()
    show_search(record)
    _tell_end(record)


@compress.command()
def adopt(
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the recipe [default: the names of its steps, joined].")
    ] = None,
    trial: Annotated[
        int | None, typer.Option("--trial", min=0, help="Another trial than the choice.", metavar="N")
    ] = None,
) -> None:
    """Write the recipe that was found into compress.recipes of params.yaml, with comments kept.

    `dvc repro` then makes it again, measures it, and lets select choose among all recipes.

    \b
    Examples:
      textmill compress adopt
      textmill compress adopt --trial 4 --name small
    """
    from textmill.budget_search.adopt import adopt as write
    from textmill.budget_search.adopt import pick
    from textmill.paths import Paths

    record, paths, params = _read_record(), Paths.here(), read_params()
    chosen = pick(record, trial)
    _check_same(record, params)
    written = write(chosen, paths.params, name)
    typer.echo(
        f"compress.recipes.{written} of params.yaml is trial {chosen['number']}: {chosen['recipe']}. Next: dvc repro "
        "makes it again, and select chooses by select.budget."
    )


def _read_asked(
    params: "Params", limits: dict[str, float | None], prefer: str | None, trials: int | None, minutes: float | None
) -> "Asked":
    """Raises: UserError: an option is out of its range."""
    for name, value in {**limits, "timeout_minutes": minutes}.items():
        is_drop = name == "max_drop"
        if value is not None and not (0 <= value <= 1 if is_drop else 0 < value < math.inf):
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option} must be {'from 0 to 1' if is_drop else 'a number above 0'}, found {value:g}.")
    if prefer is not None and prefer not in get_args(Preferred):
        raise UserError(f"--prefer must be one of {', '.join(get_args(Preferred))}, found {prefer!r}.")
    from textmill.budget_search.run import Asked
    from textmill.evaluation.selection import Budget

    declared = params.select.budget.model_dump()
    settings = params.compress.search
    return Asked(
        budget=Budget(**{name: declared[name] if value is None else value for name, value in limits.items()}),
        prefer=cast(Preferred, prefer or params.select.prefer),
        num_trials=trials or settings.num_trials,
        timeout_minutes=minutes or settings.timeout_minutes,
    )


def _read_record() -> dict[str, Any]:
    from textmill.artifacts import read_json
    from textmill.paths import Paths

    file = Paths.here().compression_search
    if not file.exists():
        raise UserError(
            "There is no search to show: reports/compression_search.json is not there. `textmill compress` makes it."
        )
    record: dict[str, Any] = read_json(file)
    return record


def _check_same(record: dict[str, Any], params: "Params") -> None:
    """Raises: UserError: the record was found with another full model, other data or other params."""
    from textmill.budget_search.setup import check_there, making
    from textmill.paths import Paths
    from textmill.search.study import differences

    paths = Paths.here()
    check_there(paths)
    now = making(params, paths)
    if apart := differences(record["making"], {name: now[name] for name in ("params", "inputs")}):
        raise UserError(
            f"The recipe was found with another full model, other data or other params: {'; '.join(apart)} (then -> "
            "now). Run `textmill compress` again, or bring back what has changed."
        )


def _tell_end(record: dict[str, Any]) -> None:
    """Raises: UserError: no recipe meets the budget."""
    from textmill.budget_search.report import tell_unmet

    finished = sum(trial["state"] == "complete" for trial in record["trials"])
    if finished < record["num_trials"]:
        typer.echo(
            f"{finished} of {record['num_trials']} trials are finished; the same `textmill compress` goes on with them."
        )
    if told := tell_unmet(record):
        raise UserError(told)
