"""Snapshots of the Hugging Face Hub in the local cache: weights, and the tables of data sets."""

import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

from textmill.errors import UserError

HUB = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[^@]+)")
DATASET = re.compile(
    r"hf://datasets/(?P<repository>[\w.-]+(?:/[\w.-]+)?)@(?P<revision>refs/\w+/\w+|[^/@]+)(?:/(?P<path>.+))?"
)
# Weights and tokenizer; no pickles, no other engines' files.
HUB_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model"]
# Tables that data/sources reads; no scripts.
TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".pq")
TABLE_ENDINGS = [ending + compression for ending in TABLES for compression in ("", ".gz", ".zst")]
DOWNLOAD = """
import sys
from huggingface_hub import snapshot_download
kind, repository, revision, *patterns = sys.argv[1:]
try:
    snapshot_download(repository, repo_type=kind, revision=revision, allow_patterns=patterns)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


class AssetNotFound(UserError):
    """A source or weights are not where params.yaml says they are."""


def is_dataset(uri: str) -> bool:
    """Whether `uri` is a data set of the Hub."""
    return uri.startswith("hf://datasets/")


def is_model(uri: str) -> bool:
    """Whether `uri` is a model of the Hub."""
    return uri.startswith("hf://") and not is_dataset(uri)


def find_model(uri: str) -> Path:
    """The folder of a model's snapshot. Raises: AssetNotFound."""
    match = HUB.fullmatch(uri)
    if match is None:
        raise AssetNotFound(f"{uri} is malformed. The form is hf://OWNER/NAME@REVISION, with a commit, tag or branch.")
    return _snapshot("model", match["repository"], match["revision"], HUB_PATTERNS)


def find_dataset(uri: str) -> list[Path]:
    """The tables of a data set, sorted: all, or those that the PATH at the end of `uri` names.

    Raises: AssetNotFound.
    """
    match = DATASET.fullmatch(uri)
    wanted = PurePosixPath(match["path"] or "" if match else "")
    if match is None or ".." in wanted.parts:
        raise AssetNotFound(
            f"{uri} is malformed. The form is hf://datasets/OWNER/NAME@REVISION, with a commit, tag or branch; "
            "behind it /PATH may name a folder, a file or a glob of files."
        )
    named = (match["path"] or "").rstrip("/")
    start = named.replace("**/", "*")  # in the Hub's patterns, * crosses folders
    is_file = named.lower().endswith(tuple(TABLE_ENDINGS))
    patterns = [start] if is_file else [f"{start}*{ending}" for ending in TABLE_ENDINGS]
    folder = _snapshot("dataset", match["repository"], match["revision"], patterns)
    matches = sorted(folder.glob(named)) if named else [folder]
    files = [file for path in matches for file in ([path] if path.is_file() else path.rglob("*"))]
    tables = sorted({file for file in files if file.is_file() and file.name.lower().endswith(tuple(TABLE_ENDINGS))})
    if not tables:
        kinds = sorted({path.suffix for path in folder.rglob("*") if path.is_file()} - {""})
        raise AssetNotFound(
            f"{uri} has no tables of a kind that is read here: {', '.join(TABLES)}, plain, .gz or .zst (found: "
            f"{', '.join(kinds) or 'nothing'}). The Hub converts many data sets: try "
            f"hf://datasets/{match['repository']}@refs/convert/parquet."
        )
    return tables


def identify(uri: str, file: Path) -> tuple[str, str]:
    """The repository's name, and the commit of a snapshot of it, from a path in its .../snapshots/COMMIT/.

    The folder is named by the commit also where the revision is a branch.
    """
    parts = file.parts
    (commit,) = (
        commit
        for repository, folder, commit in zip(parts, parts[1:], parts[2:], strict=False)
        if folder == "snapshots" and repository.startswith(("datasets--", "models--"))
    )
    return uri.removeprefix("hf://").partition("@")[0], commit


def _snapshot(kind: str, repository: str, revision: str, patterns: list[str]) -> Path:
    """The folder of a snapshot in the local cache, downloaded if it is not there. Raises: AssetNotFound."""
    cached = _find_in_cache(kind, repository, revision, patterns)
    if cached is None:
        _download(kind, repository, revision, patterns)
        cached = _find_in_cache(kind, repository, revision, patterns)
    if cached is None:
        name = repository if kind == "model" else f"datasets/{repository}"
        raise AssetNotFound(
            f"hf://{name}@{revision} is neither in the local cache nor could it be downloaded (the reason is printed "
            "above). Check the name, the revision and the connection; on a machine without a network, use a local "
            "folder or package:// instead."
        )
    return cached


def _find_in_cache(kind: str, repository: str, revision: str, patterns: list[str]) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                repository, repo_type=kind, revision=revision, allow_patterns=patterns, local_files_only=True
            )
        )
    except LocalEntryNotFoundError:  # absent, cut off in the middle of a download, or other files of it are there
        return None
    except HFValidationError as error:
        raise AssetNotFound(f"hf://{repository}@{revision} cannot be a repository's name: {error}") from None


def _download(kind: str, repository: str, revision: str, patterns: list[str]) -> None:
    """Fetch a snapshot into the cache, with the progress bar on the terminal.

    textmill is offline by default and the library reads that switch once, at import; a process of
    its own, for this one thing that the user asked for, leaves it as it is everywhere else.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", DOWNLOAD, kind, repository, revision, *patterns]
    subprocess.run(command, env=environment, check=False)
