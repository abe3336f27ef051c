"""Which split a value or a file name speaks of."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

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
