"""Commands about params.yaml: check, use."""

from typing import Annotated

import typer

from textmill.cli.app import app, read_params
from textmill.errors import UserError


@app.command()
def check() -> None:
    """Validate all of params.yaml, and that the data and the weights it names are there.

    Of tune.storage only the form is looked at: a server may be started later.

    \b
    Example:
      textmill check
    """
    from textmill.assets import resolve
    from textmill.models.weight_files import check_whole

    params = read_params()
    named = {f"data.source.{split}" if split else "data.source": uri for split, uri in params.data.sources.items()}
    named |= {"data.watch": params.data.watch, "model.weights": params.model.weights}
    if params.data.label_corrections is not None:
        named["data.label_corrections"] = params.data.label_corrections
    for key, uri in named.items():
        try:
            found = resolve(uri)
        except UserError as error:
            raise UserError(f"{key} in params.yaml: {error}") from None
        if key == "model.weights":
            check_whole(found)
    if params.tune.storage is not None:
        from textmill.paths import Paths
        from textmill.search.storage import storage_url

        storage_url(params.tune.storage, Paths.here())
    typer.echo(f"params.yaml is valid: project {params.project}, data {', '.join(params.data.sources.values())}")


@app.command()
def use(preset: Annotated[str, typer.Argument(help="Name of a file in presets/, without .yaml.")]) -> None:
    """Write a preset's settings into params.yaml; comments and other settings stay.

    \b
    Examples:
      textmill use bbc-news
      textmill use movie-reviews
    """
    from textmill import presets
    from textmill.paths import Paths

    paths = Paths.here()
    changed = presets.use(preset, paths.params, paths.presets)
    typer.echo(f"params.yaml now has the settings of {preset}: {', '.join(changed) or 'nothing had to change'}")
    if other := presets.drop_other_reference(read_params().project, paths.contract_lock):
        typer.echo(f"contract.lock.yaml was about {other}: it holds `reference: null` now")
    typer.echo("Next: dvc repro")
