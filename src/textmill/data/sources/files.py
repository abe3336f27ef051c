"""The files of a tabular source: one file, or all of one kind in a folder."""

from collections.abc import Sequence
from pathlib import Path

from textmill.data.sources.errors import UnreadableSource

ORIGIN = "(origin)"  # column that says file and row; in brackets, so that no source has it already


def check_names(path: Path) -> None:
    """Raises: UnreadableSource: the name of a file, or of anything in a folder, is not UTF-8."""
    for file in (path, *path.rglob("*")):
        try:
            file.name.encode()
        except UnicodeEncodeError:
            raise UnreadableSource(
                f"{str(file)!a}: this name is not UTF-8, and names go into the tables as labels and origins. Rename it."
            ) from None


def find_files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The file itself, or a folder's files with one of the suffixes, by name; hidden ones left out."""
    files = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    return [file for file in files if file.suffix.lower() in suffixes and not file.name.startswith(".")]


def find_others(path: Path, files: Sequence[Path]) -> list[str]:
    """Names of the files beside them that are not read."""
    if path.is_file():
        return []
    return sorted(f.name for f in path.iterdir() if f.is_file() and f not in files and not f.name.startswith("."))


def check_same_columns(first: Path, columns: list[str], file: Path, found: list[str]) -> None:
    """Raises: UnreadableSource: two files of one source have different columns."""
    if columns != found:
        raise UnreadableSource(
            f"{file} has the columns {', '.join(found)}, but {first.name} beside it has {', '.join(columns)}. The "
            "files of one source must have the same columns in the same order."
        )
