"""The command that asks the model about texts: predict."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textmill.cli.app import app, read_params, show_progress
from textmill.errors import UserError

if TYPE_CHECKING:
    from textmill.runtime import AnyPrediction, Classifier

_TOP_LABELS = 5


@app.command()
def predict(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to ask about.", metavar="TEXT")] = None,
    file: Annotated[Path | None, typer.Option("--input", help="A .csv, .tsv, .jsonl, .parquet or .txt file.")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="A .parquet, .csv or .jsonl file.")] = None,
    text_column: Annotated[str, typer.Option("--text-column", help="Column with the texts.")] = "text",
    model: Annotated[str | None, typer.Option("--model", help="NAME@ALIAS, NAME@VERSION, or a bundle folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object per text, with all digits.")] = False,
) -> None:
    """Label texts with the champion, or give them numbers: those on the command line, or every row of a file.

    Each text is predicted alone, so that its answer does not depend on what else is asked, and is the
    same, bit for bit, as from the served model. A row of a file without a text keeps its place, with a null answer
    and the reason in the column `error`.

    \b
    Examples:
      textmill predict "This is a great movie!"
      textmill predict --input texts.csv --output predictions.parquet
      textmill predict --model movie-reviews@3 "Not my cup of tea."
      textmill predict --model models/int8/bundle "Not my cup of tea."
    """
    if bool(texts) == bool(file) or bool(file) != bool(output):
        raise UserError(
            "predict takes either texts (`textmill predict TEXT`) or a file with both --input and --output "
            "(`textmill predict --input texts.csv --output predictions.parquet`)."
        )
    classifier = _load(model)
    if file and output:
        _predict_file(classifier, file, output, text_column)
        return
    for text in texts or []:
        if any("\ud800" <= character <= "\udfff" for character in text):  # how Python marks bytes that are not UTF-8
            raise UserError(f"{text!a} is not UTF-8. Put it into a UTF-8 file and use --input.")
        (prediction,) = classifier.predict([text], batch_size=1)
        _show(text, prediction, as_json)


def _load(model: str | None) -> "Classifier":
    """The classifier that `--model` names: a folder, or a version in the registry (the champion if none is named)."""
    from textmill.bundle import MANIFEST
    from textmill.paths import Paths
    from textmill.runtime import Classifier

    if model and (folder := Path(model)).is_dir():
        return Classifier.load(folder if (folder / MANIFEST).exists() else folder / "bundle")
    from textmill.registry import packaging, versions

    name, reference = versions.parse_reference(model or read_params().project)
    version = versions.get(versions.open_existing(Paths.here()), name, reference)
    return Classifier.load(packaging.fetch_bundle(version))


def _predict_file(classifier: "Classifier", file: Path, output: Path, text_column: str) -> None:
    from textmill.predict_file import predict_file

    with show_progress(f"Predicting {file.name}") as advance:
        num_rows, num_errors = predict_file(classifier, file, output, text_column, advance)
    trouble = f"; {num_errors} without an answer, see the column `error`" if num_errors else ""
    typer.echo(f"{num_rows} rows in {output}{trouble}")


def _show(text: str, prediction: "AnyPrediction", as_json: bool) -> None:
    import json

    answer = prediction._asdict()
    if as_json:
        typer.echo(json.dumps({"text": text, **answer}, ensure_ascii=False))
        return
    if "value" in answer:
        typer.secho(f"{answer['value']:.6g}", bold=True, nl=False)
        typer.echo(f"  {text[:100]}")
        return
    named = [answer["label"]] if "label" in answer else answer["labels"]
    typer.secho(", ".join(named) or "no label", bold=True, nl=False)
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    more = f", {len(ranked) - _TOP_LABELS} more" if len(ranked) > _TOP_LABELS else ""
    typer.echo(f"  ({', '.join(f'{label} {share:.3f}' for label, share in ranked[:_TOP_LABELS])}{more})  {text[:100]}")
