"""Commands about what a run made and who is in production: summary, promote, verify."""

from typing import Annotated

import typer

from textmill.cli.app import app, read_params, show_progress
from textmill.errors import UserError


@app.command()
def promote(
    version: Annotated[int | None, typer.Option("--version", help="Version to promote [default: challenger].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote although the gate refuses.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept on the version.")] = None,
) -> None:
    """Make a version the champion, if the gate lets it pass on today's test split.

    \b
    Examples:
      textmill promote
      textmill promote --version 4 --reason "half the latency"
      textmill promote --version 2 --force --reason "version 4 mislabels refunds"
    """
    from textmill.paths import Paths
    from textmill.registry import promotion, registration

    params = read_params()
    with show_progress("Running both models on the test split") as advance:
        done = promotion.promote(
            Paths.here(),
            params.project,
            registration.gate_settings(params),
            reference=promotion.CHALLENGER if version is None else version,
            force=force,
            reason=reason,
            progress=advance,
        )
    for line in promotion.explain(done.decision):
        typer.echo(line)
    before = f"version {done.previous}, now `previous`" if done.previous else "none"
    typer.echo(f"{params.project}@champion is version {done.version} (before: {before})")
    typer.echo("`make run` brings the report up to date.")


@app.command()
def summary() -> None:
    """What the last run made: the chosen model, its quality, size and latency, and what the gate said.

    \b
    Example:
      textmill summary
    """
    from textmill.paths import Paths
    from textmill.registry import versions
    from textmill.reporting.summary import show

    params, paths = read_params(), Paths.here()
    try:
        aliases = versions.aliases(versions.open_existing(paths), params.project)
    except UserError:  # without a registry, what the last run recorded
        aliases = None
    show(params, paths, aliases)


@app.command()
def verify() -> None:
    """Does the registry still say what reports/registration.json says? Exit code 1, with one line, if not.

    \b
    Example:
      textmill verify || dvc repro --single-item --force register
    """
    from textmill.paths import Paths
    from textmill.registry.registration import find_difference

    if difference := find_difference(Paths.here()):
        raise UserError(f"{difference}. `dvc repro --single-item --force register` registers again.")
    typer.echo("The registry says what reports/registration.json says.")
