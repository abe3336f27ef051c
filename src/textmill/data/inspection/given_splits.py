"""Finds sources that come in parts for train, validation and test: `train.csv` and `test.csv`, or folders so named.

Only names decide; `locate` in sources does the same for snapshots of the hub.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from textmill.assets import AssetNotFound, resolve
from textmill.data.sources.files import COMPRESSIONS
from textmill.data.sources.split_names import SPLIT_NAMES
from textmill.paths import SPLITS

_WORD = re.compile(r"[A-Za-z]+")
_UNREAD = {".md", ".rst", ".txt", ".json", ".yaml", ".yml", ".metadata", ".dvc", ".gitignore", ".html", ".cff"}
_FOREIGN = ("dataset_dict.json", "state.json")  # a layout that knows its splits itself


def find_given_splits(uri: str) -> dict[str | None, str]:
    """The source of each split where the names say so, else `uri` under None.

    A folder must hold one entry with `train` in its name, and one with `test` or a word for validation, all files of
    one kind or all folders. A file must have `train` in its name, and lie beside one that differs in that word alone.
    """
    if uri.startswith("hf://") or any(character in uri for character in "*?["):
        return {None: uri}
    try:
        path = resolve(uri)
        found = _in_folder(path) if path.is_dir() else _beside(path)
    except (AssetNotFound, OSError):  # whoever reads the source says what is wrong with it
        return {None: uri}
    if "train" not in found or len(found) < 2:
        return {None: uri}
    base = uri.rstrip("/") if path.is_dir() else uri.rpartition("/")[0]
    ordered = [split for split in SPLITS if split in found]
    return {split: f"{base}/{found[split]}" if base else found[split] for split in ordered}


def _in_folder(folder: Path) -> Mapping[str, str]:
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith((".", "__pycache__"))]
    if any(entry.name in _FOREIGN for entry in entries):
        return {}
    folders = [entry for entry in entries if entry.is_dir()]
    data = folders or [entry for entry in entries if entry.suffix.lower() not in _UNREAD]
    found: dict[str, str] = {}
    for entry in data:
        split = _split_of(entry.name)
        if split is None or split in found or _kind(entry) != _kind(data[0]):
            return {}
        found[split] = entry.name
    return found


def _beside(file: Path) -> Mapping[str, str]:
    """The file itself as train, and those beside it whose name differs in the word for the split alone."""
    found: dict[str, str] = {}
    for word in _WORD.finditer(file.name):
        if SPLIT_NAMES.get(word[0].lower()) != "train":
            continue
        found["train"] = file.name
        pattern = re.compile(re.escape(file.name[: word.start()]) + "([A-Za-z]+)" + re.escape(file.name[word.end() :]))
        for name in sorted(os.listdir(file.parent)):
            match = pattern.fullmatch(name)
            split = SPLIT_NAMES.get(match[1].lower()) if match else None
            if split is not None and split != "train":
                found.setdefault(split, name)
        break
    return found


def _split_of(name: str) -> str | None:
    """The one split that a name speaks of."""
    found = {SPLIT_NAMES[word.lower()] for word in _WORD.findall(name) if word.lower() in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def _kind(entry: Path) -> str:
    suffixes = [suffix.lower() for suffix in entry.suffixes if suffix.lower() not in COMPRESSIONS]
    return "folder" if entry.is_dir() else "".join(suffixes[-1:])
