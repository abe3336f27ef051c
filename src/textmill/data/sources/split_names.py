"""Which split a value or a file name speaks of."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from textmill.data.sources.errors import UnknownSplit

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
# As repositories of the Hugging Face Hub name their files: train-00000-of-00001.parquet, test.csv, data/dev.jsonl;
# https://huggingface.co/docs/hub/datasets-file-names-and-splits
_IN_FILE_NAME = re.compile(rf"(?:^|[-._ ])({'|'.join(SPLIT_NAMES)})(?=[-._ 0-9]|$)", re.IGNORECASE)


def split_of_value(value: str) -> str | None:
    """The split that a cell of a split column names, None for anything else."""
    return SPLIT_NAMES.get(value.strip().lower())


def splits_of_values(values: Iterable[str | None], origins: Iterable[str], column: str) -> Iterator[str]:
    """The splits that the cells of a split column name.

    Raises: UnknownSplit: a cell is empty or names none.
    """
    for value, origin in zip(values, origins, strict=True):
        split = None if value is None else split_of_value(value)
        if split is None:
            raise UnknownSplit(
                f"data.source, {origin}: the split column {column!r} holds {value!r}. Allowed: "
                f"{', '.join(SPLIT_NAMES)}, in upper or lower case. Mend the row, pick rows with data.where, or set "
                "data.split to null to have the splits made."
            )
        yield split


def split_of_file(name: str) -> str | None:
    """The split that a file's name or else its folder's name says, None where neither does, or several at once."""
    path = PurePosixPath(name)
    for part in (path.name, path.parent.name):
        found = {SPLIT_NAMES[word.lower()] for word in _IN_FILE_NAME.findall(part)}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def named_by_split(names: Iterable[str]) -> bool:
    """Whether the files are named by split, at least one of them `train` and one otherwise."""
    splits = {split_of_file(name) for name in names}
    return "train" in splits and len(splits - {None}) > 1
