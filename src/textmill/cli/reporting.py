"""The command `textmill report`: where the report of the last run is, and two models side by side."""

from pathlib import Path
from typing import Annotated

import typer

from textmill.cli.app import app, read_params
from textmill.errors import UserError
from textmill.paths import BASELINE


@app.command()
def report(
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare",
            metavar="A B",
            help="Two models: NAME@VERSION, NAME@ALIAS, VERSION or @ALIAS of the registry, the id of an MLflow run, a "
            "model whose figures are under reports/test, or a folder of such figures.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="With --compare: also write a page of it to this file, .html.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Say where the report of the last run is, or put two models side by side.

    Side by side are their figures with intervals, the paired difference on the test documents that both were measured
    on, what was mended and broken, classes, size and speed, and the settings that differ. B is held against A.

    \b
    Examples:
      textmill report
      textmill report --open
      textmill report --compare @champion @challenger
      textmill report --compare 2 movie-reviews@3 --output two-versions.html
      textmill report --compare full int8
      textmill report --compare 0f3b7c1d9a5e4f60b2c8d7e6f5a4b3c2 reports/test/int8
    """
    from textmill.paths import Paths

    paths = Paths.here()
    if compare is None:
        if output is not None:
            raise UserError("--output is the page of --compare A B; the report of the last run is written by itself.")
        if not paths.page.exists():
            missing = paths.page.relative_to(paths.root)
            raise UserError(f"{missing} is not there yet. `dvc repro` makes it, with all before.")
        typer.echo(paths.page.relative_to(paths.root))
    else:
        if open_page and output is None:
            raise UserError("--open needs a page: name it with --output FILE.html.")
        _compare(*compare, output)
    if open_page:
        typer.launch((output or paths.page).resolve().as_uri())


def _compare(reference_a: str, reference_b: str, output: Path | None) -> None:
    from textmill.artifacts import atomic
    from textmill.cli.side_by_side_view import show_side_by_side
    from textmill.evaluation.comparisons import rules_of
    from textmill.paths import Paths
    from textmill.registry.measurements import find_measured
    from textmill.reporting.side_by_side import put_side_by_side, render_side_by_side

    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output {output}: the comparison is a page, so the name ends with .html.")
    params = read_params()
    paths, models = Paths.here(), (*params.compress.recipes, BASELINE)
    a, b = (find_measured(paths, params.project, models, reference) for reference in (reference_a, reference_b))
    found = put_side_by_side(a, b, rules_of(params))
    show_side_by_side(found)
    if output is not None:
        with atomic(output) as temporary:
            temporary.write_text(render_side_by_side(found), encoding="utf-8")
        typer.echo(f"\n{output}")
