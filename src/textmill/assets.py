"""Turns the name of a data set or of pretrained weights into a local path.

Three forms: `package://DISTRIBUTION@VERSION/PATH` is files of an installed distribution,
`hf://OWNER/NAME@REVISION` a snapshot of a Hugging Face repository, anything else a plain path.
"""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from textmill.artifacts import sha256
from textmill.errors import UserError

PACKAGE = re.compile(r"package://(?P<name>[A-Za-z0-9._-]+)@(?P<version>[^/@]+)/(?P<path>.+)")
HUB = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[^@]+)")
# Weights and tokenizer; no pickles, no other engines' files.
HUB_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model"]
DOWNLOAD = """
import sys
from huggingface_hub import snapshot_download
try:
    snapshot_download(sys.argv[1], revision=sys.argv[2], allow_patterns=sys.argv[3:])
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


class AssetNotFound(UserError):
    """A source or weights are not where params.yaml says they are."""


def resolve(uri: str) -> Path:
    """The local file or folder that `uri` names.

    Raises:
        AssetNotFound: it is not there, the distribution is missing or of another version, or the form is wrong.
    """
    if uri.startswith("package://"):
        return _resolve_package(uri)
    if uri.startswith("hf://"):
        return _resolve_hub(uri)
    if "://" in uri:
        raise AssetNotFound(
            f"{uri} is of an unknown form. Allowed: a path, package://DISTRIBUTION@VERSION/PATH, "
            "and for weights hf://OWNER/NAME@REVISION."
        )
    path = Path(uri)
    if not path.exists():
        raise AssetNotFound(
            f"{uri} does not exist: there is no such file or folder (looked in {path.resolve().parent}). "
            "Put it there, or correct the path in params.yaml."
        )
    return path


def provenance(uri: str) -> dict[str, Any]:
    """Where an asset came from: uri, kind, distribution, version, sha256 of its content (None where unknown).

    Raises: AssetNotFound.
    """
    path = resolve(uri)
    record: dict[str, Any] = {"uri": uri, "kind": "path", "distribution": None, "version": None}
    if match := PACKAGE.fullmatch(uri):
        record |= {"kind": "package", "distribution": match["name"], "version": match["version"]}
    elif match := HUB.fullmatch(uri):
        # A snapshot's folder is named by its commit, also where the revision is a branch.
        record |= {"kind": "hf", "distribution": match["repository"], "version": path.name}
    return {**record, "sha256": sha256(path)}


def _resolve_package(uri: str) -> Path:
    match = PACKAGE.fullmatch(uri)
    wanted = PurePosixPath(match["path"] if match else "")
    if match is None or not wanted.parts or wanted.is_absolute() or ".." in wanted.parts:
        raise AssetNotFound(
            f"{uri} is malformed. The form is package://DISTRIBUTION@VERSION/PATH, with a relative path without '..'."
        )
    name, version = match["name"], match["version"]
    try:
        distribution = metadata.distribution(name)  # reads metadata, imports nothing
    except metadata.PackageNotFoundError:
        raise AssetNotFound(
            f"{uri}: the distribution {name} is not installed in this environment. "
            f"Install it with `pip install {name}=={version}`."
        ) from None
    if distribution.version != version:
        raise AssetNotFound(
            f"{uri}: {name} {distribution.version} is installed, not {version}. Install the wanted one with "
            f"`pip install {name}=={version}`, or write @{distribution.version} in params.yaml."
        )
    path = Path(str(distribution.locate_file(wanted)))
    # All distributions share one folder, so that being there is not enough.
    has_it = any(wanted == file or wanted in file.parents for file in distribution.files or [])
    if not has_it or not path.exists():
        raise AssetNotFound(
            f"{uri}: {name} {version} has no {match['path']}. It has, among others: {_examples(distribution)}."
        )
    return path


def _examples(distribution: metadata.Distribution) -> str:
    """A few folders of a distribution that hold something other than code."""
    files = [file for file in distribution.files or [] if file.suffix not in (".py", ".pyc")]
    folders = {str(file.parent) for file in files if not file.parts[0].endswith(".dist-info")}
    return ", ".join(sorted(folders)[:5]) or "no data files"


def _resolve_hub(uri: str) -> Path:
    match = HUB.fullmatch(uri)
    if match is None:
        raise AssetNotFound(f"{uri} is malformed. The form is hf://OWNER/NAME@REVISION, with a commit, tag or branch.")
    cached = _find_in_cache(match["repository"], match["revision"])
    if cached is None:
        _download(match["repository"], match["revision"])
        cached = _find_in_cache(match["repository"], match["revision"])
    if cached is None:
        raise AssetNotFound(
            f"{uri} is neither in the local cache nor could it be downloaded (the reason is printed above). Check "
            "the name, the revision and the connection; on a machine without a network, use a local folder or "
            "package:// instead."
        )
    return cached


def _find_in_cache(repository: str, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns=HUB_PATTERNS, local_files_only=True)
    except LocalEntryNotFoundError:  # absent, or cut off in the middle of a download
        return None
    except HFValidationError as error:
        raise AssetNotFound(f"hf://{repository}@{revision} cannot be a repository's name: {error}") from None
    return Path(folder)


def _download(repository: str, revision: str) -> None:
    """Fetch a snapshot into the cache, with the progress bar on the terminal.

    textmill is offline by default and the library reads that switch once, at import; a process of
    its own, for this one thing that the user asked for, leaves it as it is everywhere else.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", DOWNLOAD, repository, revision, *HUB_PATTERNS]
    subprocess.run(command, env=environment, check=False)
