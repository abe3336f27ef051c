"""The `textmill` command: thin, and quick to start, because what is heavy is imported where it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from textmill.errors import UserError

if TYPE_CHECKING:
    from textmill.config import Params
    from textmill.runtime import Classifier, Prediction


class _Group(TyperGroup):
    """Tells a mistake of the user's in one paragraph, with exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.secho("textmill: ", fg="red", bold=True, nl=False, err=True)
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="textmill",
    cls=_Group,
    help="A labelled text dataset in; a small, fast, trusted model out. `dvc repro` runs the pipeline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # keeps the examples' lines
)
_TOP_LABELS = 5


@app.command()
def check() -> None:
    """Validate all of params.yaml, and that the data and the weights it names are there.

    \b
    Example:
      textmill check
    """
    from textmill.assets import resolve

    params = _params()
    named = {
        "data.source": params.data.source,
        "data.watch": params.data.watch,
        f"model.{params.model.family}.weights": params.weights,
    }
    for key, uri in named.items():
        try:
            resolve(uri)
        except UserError as error:
            raise UserError(f"{key} in params.yaml: {error}") from None
    typer.echo(f"params.yaml is valid: project {params.project}, data {params.data.source}")


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
    typer.echo("Next: dvc repro")


@app.command()
def predict(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to label.", metavar="TEXT")] = None,
    file: Annotated[Path | None, typer.Option("--input", help="A .csv, .tsv, .jsonl, .parquet or .txt file.")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="A .parquet, .csv or .jsonl file.")] = None,
    text_column: Annotated[str, typer.Option("--text-column", help="Column with the texts.")] = "text",
    model: Annotated[str | None, typer.Option("--model", help="NAME@ALIAS, NAME@VERSION, or a bundle folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object per text, with all digits.")] = False,
) -> None:
    """Label texts with the champion: those on the command line, or every row of a file.

    Each text is predicted alone, so that its answer does not depend on what else is asked, and is the
    same, bit for bit, as from the served model. A row of a file without a text keeps its place, with a null label
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

    params = _params()
    with _bar("Running both models on the test split") as advance:
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

    params, paths = _params(), Paths.here()
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


def _params() -> "Params":
    from textmill.config import load_params

    return load_params()


def _load(model: str | None) -> "Classifier":
    """The classifier that `--model` names: a folder, or a version in the registry (the champion if none is named)."""
    from textmill.paths import Paths
    from textmill.runtime import MANIFEST, Classifier

    if model and (folder := Path(model)).is_dir():
        return Classifier.load(folder if (folder / MANIFEST).exists() else folder / "bundle")
    from textmill.registry import packaging, versions

    name, reference = versions.parse_reference(model or _params().project)
    version = versions.get(versions.open_existing(Paths.here()), name, reference)
    return Classifier.load(packaging.fetch_bundle(version))


def _predict_file(classifier: "Classifier", file: Path, output: Path, text_column: str) -> None:
    from textmill.predict_file import predict_file

    with _bar(f"Labelling {file.name}") as advance:
        num_rows, num_errors = predict_file(classifier, file, output, text_column, advance)
    trouble = f"; {num_errors} without a label, see the column `error`" if num_errors else ""
    typer.echo(f"{num_rows} rows in {output}{trouble}")


def _show(text: str, prediction: "Prediction", as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps({"text": text, **prediction._asdict()}, ensure_ascii=False))
        return
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    typer.secho(prediction.label, bold=True, nl=False)
    more = f", {len(ranked) - _TOP_LABELS} more" if len(ranked) > _TOP_LABELS else ""
    typer.echo(f"  ({', '.join(f'{label} {share:.3f}' for label, share in ranked[:_TOP_LABELS])}{more})  {text[:100]}")


@contextmanager
def _bar(description: str) -> Iterator[Any]:
    """A progress bar on stderr; yields a function that takes the number of documents just finished, and the total."""
    from tqdm import tqdm

    with tqdm(desc=description, unit=" docs", disable=None, leave=False) as bar:

        def advance(num_documents: int, total: int | None = None) -> None:
            bar.total = total or bar.total
            bar.update(num_documents)

        yield advance


if __name__ == "__main__":
    app()
