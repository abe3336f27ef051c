"""A bundle's files and its manifest, bundle.json: what is evaluated, registered and served, the same bytes.

Stands alone but for `errors` (a served model carries a copy).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from textmill.errors import UserError

FORMAT_VERSION = 3
MANIFEST = "bundle.json"
# The engine that runs most graphs; the only one there was up to format 2, whose manifests name none.
ONNXRUNTIME = {"name": "onnxruntime"}
_READ = (2, FORMAT_VERSION)
_TOOLS = ("onnx", "onnxruntime", "tokenizers")


class InvalidBundle(UserError):
    """A bundle is missing, of another format, or not the bytes that were written."""


def write_bundle(
    folder: Path,
    *,
    family: str,
    task: str,
    labels: Sequence[str],
    thresholds: Sequence[float] | None,
    target: dict[str, float] | None,
    max_length: int | None,
    long_documents: dict[str, Any],
    pad_id: int,
    temperature: float,
    recipe: list[dict[str, Any]],
    parent: str | None,
    lineage: dict[str, Any],
    engine: Mapping[str, Any] = ONNXRUNTIME,
) -> None:
    """Make a bundle of a folder that holds model.onnx and tokenizer.json: write bundle.json.

    The same arguments and files give the same bytes.

    Args:
        folder: every file in it becomes part of the bundle, with its sha256.
        task: single_label, multi_label or regression.
        labels: display names in the order of the logits; none for regression.
        thresholds: multi_label: the probability from which on a document has each label.
        target: regression: the number that a document gets is logit * std + mean.
        max_length: tokens kept of a document (of a window of it), special tokens included; None keeps all.
        long_documents: strategy, head_share, overlap and max_windows, as in params.yaml.
        pad_id: fills the shorter documents of a batch.
        temperature: what the logits are divided by before softmax (single_label) or sigmoid (multi_label).
        recipe: the compression steps, as in params.yaml.
        parent: the model it was made from.
        lineage: what `tracking.lineage` returns.
        engine: what runs the graph, as `engines.open_engine` takes it.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    assert {"model.onnx", "tokenizer.json"} <= {path.name for path in files}, f"{folder} holds {files}"
    assert len(set(labels)) == len(labels)
    # One label of several is enough of a question: does a document have it?
    assert len(labels) >= {"single_label": 2, "multi_label": 1, "regression": 0}[task], (task, labels)
    assert (thresholds is not None) == (task == "multi_label") and (target is not None) == (task == "regression")
    assert thresholds is None or len(thresholds) == len(labels)
    assert temperature > 0
    manifest = {
        "format_version": FORMAT_VERSION,
        "family": family,
        "task": task,
        "labels": list(labels),
        "thresholds": None if thresholds is None else [float(threshold) for threshold in thresholds],
        "target": target,
        "max_length": max_length,
        "long_documents": long_documents,
        "pad_id": pad_id,
        "temperature": float(temperature),
        "recipe": recipe,
        "parent": parent,
        "lineage": lineage,
        "engine": dict(engine),
        "tool_versions": {name: version(name) for name in sorted({*_TOOLS, engine["name"]})},
        "files": {path.name: _sha256(path) for path in files},
    }
    _write(folder, manifest)


def add_evidence(folder: Path, evidence: dict[str, Any]) -> None:
    """Put what was found of a bundle into its manifest, as `evidence`: figures that are the same if made again."""
    _write(folder, {**read_manifest(folder, verify=False), "evidence": evidence})


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    temporary = folder / f".{MANIFEST}.writing"  # artifacts.write_json would need pandas
    temporary.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(folder / MANIFEST)


def read_manifest(folder: Path, *, verify: bool = True) -> dict[str, Any]:
    """Read bundle.json; with `verify`, compare every file with its sha256.

    Raises: InvalidBundle.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidBundle(
            f"{folder} is not a bundle: it has no {MANIFEST}. `dvc repro` makes bundles under models/NAME/bundle; "
            "after a stage that failed, `dvc checkout` brings the previous ones back."
        ) from None
    except ValueError as error:
        raise InvalidBundle(f"{folder / MANIFEST} is not JSON ({error}). Make or fetch the bundle again.") from None
    found = manifest.get("format_version") if isinstance(manifest, dict) else None
    if found not in _READ:
        raise InvalidBundle(
            f"{folder} has format_version {found}; this textmill reads {' and '.join(map(str, _READ))}. "
            "Use the textmill version that made it, or make the bundle again with `dvc repro`."
        )
    for name, expected in manifest["files"].items() if verify else ():
        if not (folder / name).is_file() or _sha256(folder / name) != expected:
            raise InvalidBundle(
                f"{folder / name} is missing, or not the file that was bundled: {MANIFEST} says sha256 "
                f"{expected[:12]}... A bundle must not be edited; make or fetch it again."
            )
    return {**manifest, "engine": manifest.get("engine", ONNXRUNTIME)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
