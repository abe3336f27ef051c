"""The command `textmill labels`: doubtful labels out for review, corrections back in."""

from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textmill.cli.app import app, read_params
from textmill.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from textmill.config import Params

labels = typer.Typer(
    help="""The labels that the audit doubts.

    \b
    Example:
      textmill labels review
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(labels, name="labels")


@labels.command()
def review(
    output: Annotated[Path, typer.Option("--output", help="The CSV to write.")] = Path("data/inputs/label_review.csv"),
    top: Annotated[int | None, typer.Option("--top", min=1, help="Only the N most doubtful.", metavar="N")] = None,
    accept_above: Annotated[
        float | None,
        typer.Option(
            "--accept-above", min=0, max=1, help="Take the suggestion where its probability is higher.", metavar="P"
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the decisions in OUTPUT, add what is newly doubted.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUTPUT, decisions and all.")] = False,
) -> None:
    """Write the labels that the audit doubts to a CSV, for a person to correct.

    Fill in the column `corrected` where a label is wrong, and repeat the label where it is right; what is left blank
    stays as it is. `data.label_corrections` in params.yaml names the file, and `dvc repro` applies it.

    \b
    Examples:
      textmill labels review
      textmill labels review --top 100
      textmill labels review --accept-above 0.95
      textmill labels review --keep
    """
    from textmill.artifacts import read_table
    from textmill.data.corrections import write_review
    from textmill.paths import Paths

    params = read_params()
    issues = read_table(Paths.here().label_issues)
    _check_output(output, params)
    kept = _read_kept(output, keep, force)
    doubted = issues[~issues["id"].isin(kept["id"])].head(len(issues) if top is None else top)
    if doubted.empty and kept.empty:
        typer.echo("The audit doubts no label: there is nothing to review.")
        return
    accepted = doubted["confidence"] > (1 if accept_above is None else accept_above)
    try:
        write_review(output, doubted.assign(corrected=doubted["suggested"].where(accepted)), kept)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}). Name another file by --output.") from None
    typer.echo(
        f"{output}: {len(doubted)} of {len(issues)} doubtful labels"
        f"{f', {accepted.sum()} with the suggestion taken' if accept_above is not None else ''}"
        f"{f'; {len(kept)} earlier decisions kept' if keep else ''}."
    )
    _show_next(output, params)


def _check_output(output: Path, params: "Params") -> None:
    """Raises: UserError: the source of the data would read the file as documents."""
    for source in params.data.sources.values():
        if "://" in source:
            continue
        if (
            fnmatch(str(output.resolve()), str(Path(source).resolve()))
            or Path(source).resolve() in output.resolve().parents
        ):
            raise UserError(
                f"{output} would be read as documents, since data.source is {source}. Name another file by --output, "
                f"in data.watch ({params.data.watch}) but outside of the source: give the documents a folder of their "
                "own there."
            )


def _read_kept(output: Path, keep: bool, force: bool) -> "pd.DataFrame":
    """Earlier decisions that stay in the file.

    Raises: UserError: the file has decisions, or is no review, and neither --keep nor --force says what to do.
    """
    import pandas as pd

    from textmill.artifacts import CORRECTIONS
    from textmill.data.corrections import UnusableCorrections, read_decisions

    none = pd.DataFrame(columns=CORRECTIONS.names, dtype="str")
    if keep and force:
        raise UserError("--keep keeps the decisions in the file and --force drops them: give one of them.")
    if force or not output.exists():
        return none
    try:
        decisions = read_decisions(output)
    except UnusableCorrections as error:
        raise UserError(f"{output} exists, and is no review to go on with. --force overwrites it. {error}") from None
    if len(decisions) and not keep:
        raise UserError(
            f"{output} has {len(decisions)} decisions, which a new file would lose. --keep keeps them and adds what is "
            "newly doubted, --force overwrites them, --output names another file."
        )
    return decisions if keep else none


def _show_next(output: Path, params: "Params") -> None:
    if not output.resolve().is_relative_to(Path(params.data.watch).resolve()):
        typer.echo(f"It is not in data.watch ({params.data.watch}): move it there, so that ingest sees it change.")
    is_set = params.data.label_corrections and Path(params.data.label_corrections).resolve() == output.resolve()
    typer.echo("Next:")
    typer.echo("  1. In the column `corrected`, write the label where it is wrong, and repeat it where it is right.")
    typer.echo("     A spreadsheet must save it as CSV in UTF-8.")
    typer.echo(
        "  2. dvc repro" if is_set else f"  2. Set data.label_corrections: {output} in params.yaml, then: dvc repro"
    )
