"""Where a source is: one file, one folder, or the files that a glob names."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from textmill.data.sources.errors import UnreadableSource

ORIGIN = "(origin)"  # column that says file and row; in brackets, so that no source has it already
SPLIT = "(split)"  # column of a layout that knows by itself which split a row belongs to
COMPRESSIONS = (".gz", ".zst")
MAX_BATCH_CHARACTERS = 32_000_000  # a batch ends here, however few its rows: documents may be long

Row = TypeVar("Row")


@dataclass(frozen=True)
class Options:
    """How a layout is read, where the file itself does not say it."""

    header: bool = True  # whether the first line of CSV and TSV names the columns


@dataclass(frozen=True)
class Place:
    """The files of one source.

    Attributes:
        root: the file, the folder, or the nearest folder that holds all files of a glob.
        files: the file, the files that lie directly in the folder, or the files of the glob: sorted, without hidden
            ones.
        folders: the folders directly in the folder, sorted, without hidden ones; empty for a file or a glob.
        boundary: the folder that symbolic links must not leave; None where they are allowed to.
        left_out: files below the root that whoever made the place decided not to read.
    """

    root: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...] = ()
    boundary: Path | None = None
    left_out: tuple[Path, ...] = ()

    @classmethod
    def of(cls, paths: Path | Sequence[Path], boundary: Path | None = None) -> "Place":
        """The place that is a file, a folder, or several files.

        Args:
            boundary: by default a folder's own path; links inside a snapshot of the hub lead to its cache.

        Raises: UnreadableSource: there is no permission, a name is not UTF-8, or a link is broken or leads out.
        """
        if not isinstance(paths, Path):
            if len(paths) > 1:
                files = tuple(sorted(paths))
                _check_names(files)
                return cls(Path(os.path.commonpath([file.parent for file in files])), files)
            (paths,) = paths
        _check_names([paths])
        if not paths.is_dir():
            _check_regular(paths)
            return cls(paths, (paths,))
        boundary = boundary or paths
        entries = list(_entries(paths, boundary))
        files = tuple(entry for entry in entries if entry.is_file())
        folders = tuple(entry for entry in entries if entry.is_dir())
        return cls(paths, files, folders, boundary)

    def without(self, file: Path) -> "Place":
        """The place without a file that has another purpose."""
        same = tuple(own for own in self.files if os.path.realpath(own) == os.path.realpath(file))
        rest = tuple(own for own in self.files if own not in same)
        return replace(self, files=rest, left_out=(*self.left_out, *same))

    def name(self, file: Path) -> str:
        """How messages and origins call a file: its path below the root."""
        if file == self.root:
            return file.name
        return file.as_posix().removeprefix(f"{self.root.as_posix()}/")  # Path.relative_to is ten times slower

    def find(self, suffixes: tuple[str, ...]) -> list[Path]:
        """The files with one of the suffixes, plain or compressed."""
        return [file for file in self.files if plain_suffix(file) in suffixes]

    def others(self, files: Sequence[Path]) -> list[str]:
        """Names of the files beside `files`, which are not read."""
        known = set(files)
        return [self.name(file) for file in (*self.files, *self.left_out) if file not in known]


def plain_suffix(file: Path) -> str:
    """The ending that says the layout, in lower case: `.csv` of `part.CSV.gz`."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def walk(place: Place, folder: Path) -> Iterator[Path]:
    """All files below a folder of the place, sorted, hidden ones left out; nothing is passed over unseen.

    Raises: UnreadableSource: as in `Place.of`.
    """
    for entry in _entries(folder, place.boundary or folder):
        if entry.is_dir():
            yield from walk(place, entry)
        elif entry.is_file():
            yield entry


def in_batches(rows: Iterable[Row], batch_size: int, num_characters: Callable[[Row], int]) -> Iterator[list[Row]]:
    """Cut rows into batches of at most `batch_size`, and of few more than MAX_BATCH_CHARACTERS."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += num_characters(row)
        if len(batch) == batch_size or size > MAX_BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def check_same_columns(first: Path, columns: list[str], file: Path, found: list[str]) -> None:
    """Raises: UnreadableSource: two files of one source have different columns."""
    if columns != found:
        raise UnreadableSource(
            f"{file} has the columns {', '.join(found)}, but {first.name} beside it has {', '.join(columns)}. The "
            "files of one source must have the same columns in the same order."
        )


def check_distinct(where: str, columns: Sequence[str]) -> None:
    """Raises: UnreadableSource: two columns have one name, or one has a name that is needed here."""
    if len(set(columns)) < len(columns):
        repeated = sorted(name for name, count in Counter(columns).items() if count > 1)
        raise UnreadableSource(f"{where}, names a column twice: {', '.join(repeated)}. Rename one of them.")
    if taken := {ORIGIN, SPLIT} & set(columns):
        raise UnreadableSource(
            f"{where}, names a column {taken.pop()}, which has a meaning of its own here. Rename it."
        )


def _entries(folder: Path, boundary: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from None
    entries = [e for e in entries if not e.name.startswith(".") and e.name != "__pycache__" and e.suffix != ".pyc"]
    _check_names(entries)
    for entry in entries:
        if entry.is_symlink():
            _check_link(entry, boundary)
        _check_regular(entry)
        yield entry


def _check_regular(path: Path) -> None:
    """A pipe would be waited for, a device never ends."""
    if not (path.is_file() or path.is_dir()):
        raise UnreadableSource(
            f"{path} is neither a file nor a folder, or not there any more. Move it out of the source."
        )


def _check_link(link: Path, boundary: Path) -> None:
    target = Path(os.path.realpath(link))
    if not target.is_relative_to(os.path.realpath(boundary)):
        raise UnreadableSource(
            f"{link} is a symbolic link that leads out of {boundary}, to {target}. Put a copy of its target there "
            "instead, or name the target itself as data.source."
        )
    if not target.exists():
        raise UnreadableSource(f"{link} is a symbolic link to {target}, which does not exist. Mend or remove it.")
    if target.is_dir():
        raise UnreadableSource(
            f"{link} is a symbolic link to a folder of the same source, whose documents would be read twice. Remove it."
        )


def _check_names(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise UnreadableSource(
                f"{str(path)!a}: this name is not UTF-8, and names go into the tables as labels and origins. Rename it."
            ) from None


def unreadable(path: Path, error: OSError) -> UnreadableSource:
    """What to raise where the operating system refuses."""
    reason = error.strerror or str(error)
    return UnreadableSource(f"{path} cannot be read: {reason}. Check its permissions, and that the disk is well.")
