"""Which columns of a source are text, label and so on: by name or by position."""

from collections.abc import Sequence
from dataclasses import dataclass

from textmill.data.sources.errors import MissingColumn

Column = str | int
MAX_NAME_CHARACTERS = 60
MAX_NAME_WORDS = 4


@dataclass(frozen=True)
class Columns:
    """The columns that params.yaml names, as names or as positions from 0."""

    text: Column
    label: Column
    split: Column | None = None
    group: Column | None = None
    time: Column | None = None
    slices: tuple[Column, ...] = ()

    def items(self) -> list[tuple[str, Column]]:
        """Key of params.yaml and column, of those that are named."""
        single = {key: getattr(self, key) for key in ("text", "label", "split", "group", "time")}
        named = [(f"data.{key}", column) for key, column in single.items() if column is not None]
        return named + [("data.slices", column) for column in self.slices]


@dataclass(frozen=True)
class FoundColumns:
    """The same by the names that they have in a source; each slice once."""

    text: str
    label: str
    split: str | None
    group: str | None
    time: str | None
    slices: tuple[str, ...]


def resolve_columns(wanted: Columns, columns: Sequence[str], source: str, header: bool | None) -> FoundColumns:
    """Find the columns that are wanted in a source.

    Args:
        source: how messages call the source.
        header: whether the first line of a delimited file was taken as header; None for other layouts.

    Raises: MissingColumn: one is not there.
    """
    names = [_find(key, column, columns, source, header) for key, column in wanted.items()]
    single = dict(zip([key for key, _ in wanted.items()], names, strict=True))
    return FoundColumns(
        text=single["data.text"],
        label=single["data.label"],
        split=single.get("data.split"),
        group=single.get("data.group"),
        time=single.get("data.time"),
        slices=tuple(dict.fromkeys(names[len(names) - len(wanted.slices) :])),
    )


def has_columns(wanted: Columns, columns: Sequence[str]) -> bool:
    """Whether a source's columns, as far as they are known, have all that are wanted."""
    return all(column < len(columns) if isinstance(column, int) else column in columns for _, column in wanted.items())


def _find(key: str, column: Column, columns: Sequence[str], source: str, header: bool | None) -> str:
    if isinstance(column, int):
        if column < len(columns):
            return columns[column]
        what = f"{key} is {column}, a position from 0, but {source} has {len(columns)} columns"
        if str(column) in columns:
            what += f"; for the column named {str(column)!r}, write it in quotes"
    elif column in columns:
        return column
    else:
        what = f"{key} names the column {column!r}, which {source} does not have"
    advice = f"Set {key} to one of them."
    if header is False:
        advice += " They are named by position, because data.header is false."
    elif header and _looks_like_data(columns):
        advice = (
            "The first line looks like a document and not like names: with data.header: false, columns are named by "
            "position (text: 0, label: 1)."
        )
    shown = [name if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]}..." for name in columns[:50]]
    more = f" and {len(columns) - 50} more" if len(columns) > 50 else ""
    raise MissingColumn(f"{what}. Its columns: {', '.join(shown)}{more}. {advice}")


def _looks_like_data(columns: Sequence[str]) -> bool:
    return any(
        len(name) > MAX_NAME_CHARACTERS
        or len(name.split()) > MAX_NAME_WORDS
        or (name.strip("+-").isdigit() and name != str(position))  # a column without a name has its position
        for position, name in enumerate(columns)
    )
