"""The application, how a command tells a mistake, and what several commands use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from textmill.errors import UserError

if TYPE_CHECKING:
    from textmill.config import Params


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


def read_params() -> "Params":
    from textmill.config import load_params

    return load_params()


@contextmanager
def show_progress(description: str) -> Iterator[Any]:
    """A progress bar on stderr; yields a function that takes the number of documents just finished, and the total."""
    from tqdm import tqdm

    with tqdm(desc=description, unit=" docs", disable=None, leave=False) as bar:

        def advance(num_documents: int, total: int | None = None) -> None:
            bar.total = total or bar.total
            bar.update(num_documents)

        yield advance
