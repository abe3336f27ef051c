"""From what params.yaml says of the source to the files on this disk."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from textmill.assets import AssetNotFound, find, is_dataset, is_model
from textmill.data.sources.errors import UnknownSplit
from textmill.data.sources.files import Place
from textmill.data.sources.split_names import split_of_file


def locate(sources: Mapping[str | None, str], corrections: str | None = None) -> dict[str | None, Place]:
    """The files of each split, or of the only source under None.

    Args:
        sources: what params.yaml names for each split, or for all documents under None.
        corrections: the file of data.label_corrections, which often lies beside the documents and is none of them.

    A data set of the Hugging Face Hub whose files are named by split becomes a place for each split. A folder on this
    disk stays one source whatever its files are called: to read its train.csv and test.csv as splits, name each in
    data.source.

    Raises: AssetNotFound, UnreadableSource, UnknownSplit.
    """
    places: dict[str | None, Place] = {}
    for split, uri in sources.items():
        if is_model(uri):
            raise AssetNotFound(f"{uri} is a model of the Hub. A data set is hf://datasets/OWNER/NAME@REVISION.")
        found = find(uri)
        if not is_dataset(uri):
            place = Place.of(found)
            places[split] = place if corrections is None else place.without(Path(corrections))
            continue
        parts = _part_by_split(uri, found)
        if split is not None and len(parts) > 1:
            raise UnknownSplit(
                f"data.source.{split} ({uri}) has files of several splits: {', '.join(map(str, parts))}. Name those of "
                f"one, such as {uri}/PATH/{split}*, or give data.source the data set alone: its splits are recognised."
            )
        places |= parts if split is None else {split: next(iter(parts.values()))}
    return places


def _part_by_split(uri: str, files: Sequence[Path]) -> dict[str | None, Place]:
    """A place for each split that the names of the files say; of others beside them, `left_out` tells."""
    root = Path(os.path.commonpath([file.parent for file in files]))
    splits = {file: split_of_file(file.relative_to(root).as_posix()) for file in files}
    named = [file for file, split in splits.items() if split is not None]
    subsets = sorted({_subset(file.relative_to(root).as_posix()) for file in named or files})
    if len(subsets) > 1:
        raise UnknownSplit(
            f"{uri} has several subsets: {', '.join(subsets[:20])}. Name one of them at the end, such as "
            f"hf://datasets/NAME@REVISION/{subsets[0]}, from the folder of the repository on."
        )
    if not named:
        return {None: Place.of(files)}
    left_out = tuple(file for file, split in splits.items() if split is None)
    places: dict[str | None, Place] = {}
    for split in ("train", "validation", "test"):
        if own := tuple(file for file in named if splits[file] == split):
            places[split] = Place(root, own, left_out=left_out)
            left_out = ()  # told once
    # Files of one split are a source like any other, of which splits are made.
    return places if len(places) > 1 else {None: next(iter(places.values()))}


def _subset(name: str) -> str:
    """The folder that a subset's files share: without the file, and without a folder that names a split."""
    path = PurePosixPath(name)
    if split_of_file(path.name) is None and split_of_file(name) is not None:
        return path.parent.parent.as_posix()
    return path.parent.as_posix()
