"""The `data:` section of params.yaml for a source, as text to paste, and hints for other sections."""

import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.data.inspection.roles import Guess

INPUTS = "data/inputs"  # the folder for users' own files, which the default params watch
_SLUG = re.compile(r"[^a-z0-9_-]+")
_UNSPECIFIC = {"data", "inputs", "train", "training", "dataset", "datasets", "documents", "texts", "file", "files"}


def data_block(
    sources: Mapping[str | None, str],
    header: bool,
    text: str | int | None,
    label: str | int | None,
    split: str | int | None,
    label_separator: str,
    candidates: Mapping[str, Sequence[Guess]],
) -> str:
    """YAML with every key of the section.

    Args:
        sources: the source of each given split, or the only one under None.
        text, label: columns by name, or by position where there is no header; None where none was found, which is
            written as a question to answer.
        label_separator: what stands between the labels of a field, for multi_label.
        candidates: columns that `group`, `time` and `slices` could name, which are said in comments.
    """
    data = {
        "source": _source(sources),
        "watch": watch_for(list(sources.values())),
        "where": None,
        "header": header,
        "text": "?" if text is None else text,
        "label": "?" if label is None else label,
        "label_separator": label_separator,
        "split": split,
        "group": None,
        "time": None,
        "slices": [],
        "label_corrections": None,
    }
    comments = {key: f"no column looks like the {key}: name one" for key in ("text", "label") if data[key] == "?"}
    for key, guesses in candidates.items():
        if guesses:
            comments[key] = f"or {', '.join(_inline(guess.column) for guess in guesses[:5])}"
    return "\n".join(_with_comment(line, comments) for line in _dump({"data": data}).split("\n"))


def clean_block(labels: Sequence[str]) -> str:
    """YAML that gives labels which are numbers their names, to be filled in; without any, labels stay as they are."""
    names = {
        int(label) if label.isdecimal() and str(int(label)) == label else label: f"name-of-{label}" for label in labels
    }
    return _dump({"clean": {"labels": names or None}})


def watch_for(uris: Sequence[str]) -> str:
    """The path for data.watch: a folder that holds all local sources, or the source itself.

    The working directory and `data` cannot be watched, since the pipeline writes there: a file that lies in one of
    them is watched itself. Several that do have no path that would do, and the folder is named all the same, because
    `textmill check` then says where to put them.
    """
    local = [uri for uri in uris if "://" not in uri]
    if not local:
        return INPUTS
    paths = [_without_glob(uri) for uri in local]
    inputs = Path(INPUTS).resolve()
    if all(path.resolve().is_relative_to(inputs) for path in paths):
        return INPUTS
    if len(set(paths)) == 1:
        return _posix(paths[0])
    return _posix(Path(os.path.commonpath([path.parent for path in paths])))


def project_for(uris: Sequence[str]) -> str:
    """A name for the project, of letters, digits, - and _: that of the file, the folder or the distribution."""
    path = uris[0].partition("://")[2] or uris[0]
    parts = [part.partition("@")[0] for part in path.split("/")]
    for part in reversed([part for part in parts if part and not set(part) & set("*?[")]):
        slug = _SLUG.sub("-", part.lower().partition(".")[0]).strip("-_")
        slug = re.sub(r"[-_](train|training)$", "", slug)
        if slug and slug not in _UNSPECIFIC:
            return slug[:60]
    return "my-texts"


def _source(sources: Mapping[str | None, str]) -> Any:
    if None in sources:
        return sources[None]
    return {split: sources.get(split) for split in ("train", "validation", "test")}


def _without_glob(uri: str) -> Path:
    parts = Path(uri).parts
    globbed = next((n for n, part in enumerate(parts) if set(part) & set("*?[")), None)
    return Path(uri) if globbed is None or Path(uri).exists() else Path(*parts[:globbed])


def _posix(path: Path) -> str:
    return path.as_posix()


def _with_comment(line: str, comments: Mapping[str, str]) -> str:
    key = line.strip().partition(":")[0]
    return f"{line}  # {comments[key]}" if key in comments and line.startswith(f"  {key}:") else line


def _inline(name: str) -> str:
    """A column's name as a YAML comment can hold it."""
    shown = "".join(character if character.isprintable() else " " for character in name)
    return " ".join(shown.split())[:40] or repr(name)


def _dump(document: Any) -> str:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096  # never wrap
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
