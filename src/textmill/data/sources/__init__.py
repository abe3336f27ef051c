"""Reads any supported layout into one table of documents, batch by batch.

A layout is a class (see `reading.Source`) with `fits(place)`, which says whether the files at a place have that
layout, and `batches(batch_size)`, which yields tables of the source's own columns plus ORIGIN (file and row). A new
layout is one file here and one line in SOURCES.
"""

from collections.abc import Mapping
from importlib import import_module

from textmill.data.sources.columns import Columns
from textmill.data.sources.errors import EmptySource, UnknownLayout
from textmill.data.sources.files import Options, Place
from textmill.data.sources.locating import locate
from textmill.data.sources.reading import BATCH_SIZE, Part, Reading, Source
from textmill.tasks import Task

__all__ = [
    "BATCH_SIZE",
    "SOURCES",
    "Columns",
    "Options",
    "Place",
    "Reading",
    "Source",
    "find_layouts",
    "locate",
    "open_layout",
    "open_source",
]

SOURCES = {
    "folder_per_class": "textmill.data.sources.folder_per_class:FolderPerClass",
    "hf_folder": "textmill.data.sources.hf_folder:HfFolder",
    "delimited": "textmill.data.sources.delimited:Delimited",
    "orange_tab": "textmill.data.sources.orange_tab:OrangeTab",
    "jsonl": "textmill.data.sources.jsonl:JsonLines",
    "parquet": "textmill.data.sources.parquet:Parquet",
}


def open_source(
    places: Place | Mapping[str | None, Place],
    columns: Columns,
    where: str | None = None,
    options: Options | None = None,
    task: Task = "single_label",
    separator: str = ",",
) -> Reading:
    """Recognise the layouts and get ready to read: one place, or one for each given split.

    Args:
        task, separator: what the labels are, and what stands between several: see Reading.

    Raises: UnknownLayout, EmptySource, UnreadableSource.
    """
    options = options or Options()
    parts = []
    for split, place in ({None: places} if isinstance(places, Place) else places).items():
        layout, source = open_layout(place, options, "data.source" if split is None else f"data.source.{split}")
        parts.append(Part(split, place, layout, source))
    return Reading(parts, columns, where, options, task, separator)


def open_layout(place: Place, options: Options, key: str = "data.source") -> tuple[str, Source]:
    """The name of the one layout that a place has, and the source opened.

    Args:
        key: what messages call the place.

    Raises: UnknownLayout, EmptySource, UnreadableSource.
    """
    found = find_layouts(place)
    if len(found) == 1:
        ((layout, source),) = found.items()
        return layout, source(place, options)
    root = place.root
    if root.is_dir() and not place.files and not place.folders:
        raise EmptySource(f"{key} ({root}) is an empty folder. Put the documents there, or correct {key}.")
    if found:
        raise UnknownLayout(
            f"{key} ({root}) has several layouts at once: {', '.join(found)}. Only one would be read: name a "
            "file or folder in it, or a glob, or move the others out."
        )
    raise UnknownLayout(
        f"{key} ({root}) has no layout that is known here. Allowed: a folder with a folder of text files "
        "per class, a data set that `datasets` saved, or a file (or a folder or glob of files) ending in .csv, .tsv, "
        f".tab, .jsonl, .ndjson or .parquet, where all but Parquet may be .gz or .zst.{_hint(place)}"
    )


def find_layouts(place: Place) -> dict[str, type[Source]]:
    """The layouts that a place has, by name: one, if it is a proper source.

    Raises: UnreadableSource: a file that has to be looked into cannot be opened.
    """
    found = {}
    for layout, import_string in SOURCES.items():
        module, name = import_string.split(":")
        source: type[Source] = getattr(import_module(module), name)
        if source.fits(place):
            found[layout] = source
    return found


def _hint(place: Place) -> str:
    suffixes = {file.suffix.lower() for file in place.files}
    if ".json" in suffixes:
        return " A .json file becomes .jsonl, an object a line, with `jq -c '.[]' FILE.json > FILE.jsonl`."
    if suffixes & {".xlsx", ".xls", ".ods"}:
        return " Save a spreadsheet as CSV in UTF-8."
    if suffixes & {".zip", ".tar", ".bz2", ".xz", ".7z"}:
        return " Unpack the archive first."
    return ""
