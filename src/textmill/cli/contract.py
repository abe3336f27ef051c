"""Commands about the data contract: contract show, contract freeze."""

from typing import Any

import typer

from textmill.cli.app import app, read_params

contract = typer.Typer(
    help="""The data contract: what the last run of the stage validate found, and the reference it compares with.

    \b
    Examples:
      textmill contract show
      textmill contract freeze
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(contract, name="contract")
_COLOURS = {"met": "green", "warns": "yellow", "breached": "red"}


@contract.command()
def show() -> None:
    """List the expectations, what is allowed, what was found.

    \b
    Example:
      textmill contract show
    """
    from textmill.artifacts import read_json
    from textmill.data.contract.suites import say
    from textmill.paths import Paths

    report = read_json(Paths.here().validation_report)
    for row in report["expectations"]:
        verdict = _judge(row)
        typer.secho(f"{verdict:9}", fg=_COLOURS[verdict], nl=False)
        setting = f"  [{row['setting']}]" if row["setting"] else ""
        typer.echo(f"{row['description']}: {say(row['observed'])}, allowed {row['required']}{setting}")
    typer.echo("data/validation/contract.html shows them with the data behind.")


def _judge(row: dict[str, Any]) -> str:
    if row["passed"]:
        return "met"
    return "warns" if row["level"] == "warn" else "breached"


@contract.command()
def freeze() -> None:
    """Freeze the last run's data as the reference.

    They go to contract.lock.yaml, and later data are compared with them: shares of the classes may then move by
    contract.reference_drift at most; lengths, scripts and other shares are shown beside the reference in
    data/validation/contract.html. Commit the file.

    \b
    Example:
      textmill contract freeze && dvc repro
    """
    from textmill.artifacts import read_json
    from textmill.data.contract.reference import InvalidReference, freeze_profile
    from textmill.paths import Paths

    project, paths = read_params().project, Paths.here()
    profile = read_json(paths.profile)
    if profile["project"] != project:
        raise InvalidReference(
            f"{paths.profile} is about the project {profile['project']!r}, but params.yaml is about {project!r}: run "
            "`dvc repro validate` first."
        )
    breaches = [row for row in read_json(paths.validation_report)["expectations"] if _judge(row) == "breached"]
    if any(row["suite"] != "reference" for row in breaches):
        typer.secho("These data breach the contract; `textmill contract show` lists it.", fg="yellow", err=True)
    differences = freeze_profile(paths.contract_lock, profile)
    if differences is None:
        typer.echo("There was no reference before.")
    else:
        typer.echo("\n".join(differences) or "Nothing differs from the reference before.")
    typer.echo(f"{paths.contract_lock.name} holds {profile['documents']:,} documents of {project}. Commit it.")
