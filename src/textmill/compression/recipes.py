"""Recipes: ordered compression methods that turn one model folder into another.

A model folder holds `torch/` (weights that can be trained further) and `bundle/` (what is evaluated, registered and
served). Methods on PyTorch come first; a method on ONNX ends the recipe and leaves no `torch/`.
"""

import importlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textmill.artifacts import atomic, read_json
from textmill.bundle import read_manifest, write_bundle
from textmill.compression.export import export_onnx
from textmill.compression.recovery import Recovery
from textmill.compression.skipping import reason_to_skip
from textmill.data.tokens import read_meta
from textmill.errors import UserError
from textmill.evaluation.temperature import fit_binary_temperature, fit_temperature
from textmill.evaluation.thresholds import NEUTRAL, fit_thresholds
from textmill.models.folder import load_model, save_model
from textmill.runtime import Classifier
from textmill.tasks import Task

# A new method costs one file, one line here and one model in config/compression.py.
TORCH_METHODS = {
    "prune": "textmill.compression.prune:prune",
    "distill": "textmill.compression.distill:distill",
}
ONNX_METHODS = {"quantize": "textmill.compression.quantize:quantize"}
# What the manifest says of the model itself, wherever it came from.
_ADOPTED = (
    "family",
    "task",
    "labels",
    "thresholds",
    "target",
    "max_length",
    "long_documents",
    "pad_id",
    "temperature",
)


@dataclass(frozen=True)
class Step:
    method: str
    settings: dict[str, Any]


class UnfitModel(UserError):
    """A model folder was trained on other tokens than those in data/tokens."""


def run_recipe(
    steps: Sequence[Step],
    parent: Path,
    target: Path,
    tokens: Path,
    recovery: Recovery,
    lineage: dict[str, Any],
) -> None:
    """Make the model folder `target` from the model folder `parent`, of a recipe that `why_not` has nothing against.

    Args:
        tokens: data/tokens, whose tokenizer goes along.
        recovery: its data have the parent's max_length; their validation split fits the bundle's temperature.

    Raises:
        MissingArtifact: the parent has no PyTorch weights.
        UnfitModel: the parent answers other labels than the tokens have.
        UserError: a method cannot do what its settings ask for; it says why.
    """
    on_torch = [step for step in steps if step.method in TORCH_METHODS]
    on_onnx = [step for step in steps if step.method in ONNX_METHODS]
    meta = read_meta(tokens)
    with atomic(target) as folder:
        bundle = folder / "bundle"
        bundle.mkdir(parents=True)
        graph = bundle / "model.onnx"
        if not on_onnx or on_torch or not (parent / "bundle").exists():
            model, description = _torch_part(parent, on_torch, recovery)
            if not on_onnx:
                save_model(folder / "torch", model, {**description, "lineage": lineage})
            export_onnx(model, graph, recovery.data.validation, recovery.data.pad_id)
        else:
            shutil.copyfile(parent / "bundle/model.onnx", graph)
        for step in on_onnx:
            source = graph.rename(graph.with_suffix(".source"))
            _method(ONNX_METHODS[step.method])(source, graph, **step.settings)
            source.unlink()
        shutil.copyfile(tokens / "tokenizer.json", bundle / "tokenizer.json")
        seal(
            bundle,
            recovery,
            family=read_json(parent / "torch/model.json")["family"],
            task=meta["task"],
            labels=meta["labels"],
            target=meta["target"],
            max_length=recovery.data.max_length,
            long_documents=meta["long_documents"],
            pad_id=meta["pad_id"],
            recipe=[{"method": step.method, **step.settings} for step in steps],
            parent=parent.name,
            lineage=lineage,
        )


def why_not(steps: Sequence[Step], parent: Path) -> str | None:
    """Why a recipe does not apply to the model folder `parent`, or None. Raises: MissingArtifact."""
    methods = [step.method for step in steps]
    on_torch, on_onnx = ([name for name in methods if name in table] for table in (TORCH_METHODS, ONNX_METHODS))
    return reason_to_skip(parent, on_torch, on_onnx)


def adopt_bundle(parent: Path, target: Path, lineage: dict[str, Any]) -> None:
    """Make the model folder `target` of a recipe without steps from a parent that is a bundle only: the TF-IDF model.

    The graph and the tokenizer are the same bytes; the manifest says where they came from.
    """
    manifest = read_manifest(parent / "bundle")
    with atomic(target) as folder:
        (folder / "bundle").mkdir(parents=True)
        for name in manifest["files"]:
            shutil.copyfile(parent / "bundle" / name, folder / "bundle" / name)
        kept = {key: manifest[key] for key in _ADOPTED}
        write_bundle(folder / "bundle", **kept, recipe=[], parent=parent.name, lineage=lineage)


def seal(bundle: Path, recovery: Recovery, *, task: Task, labels: list[str], **description: Any) -> None:
    """Write bundle.json, with the temperature and thresholds that fit the validation split."""
    thresholds = [NEUTRAL] * len(labels) if task == "multi_label" else None
    fixed = {"task": task, "labels": labels, **description}
    write_bundle(bundle, temperature=1.0, thresholds=thresholds, **fixed)
    validation = recovery.data.validation
    documents = [validation[i] for i in range(len(validation))]
    logits_NC = Classifier.load(bundle).logits_of_ids(documents, batch_size=1)  # each alone, as it is served
    temperature, thresholds = _calibrate(task, logits_NC, np.asarray(validation.labels))
    write_bundle(bundle, temperature=temperature, thresholds=thresholds, **fixed)


def _calibrate(task: Task, logits_NC: NDArray[np.float32], labels: NDArray[Any]) -> tuple[float, list[float] | None]:
    """Temperature, and for several labels a document thresholds."""
    if task == "regression":
        return 1.0, None
    if task == "single_label":
        return fit_temperature(logits_NC, labels), None
    temperature = fit_binary_temperature(logits_NC, labels)
    return temperature, fit_thresholds(expit(logits_NC / np.float32(temperature)), labels)


def _torch_part(parent: Path, steps: Sequence[Step], recovery: Recovery) -> tuple[Any, dict[str, Any]]:
    model, description = load_model(parent / "torch")
    if model.head.out_features != recovery.data.num_outputs:
        raise UnfitModel(
            f"{parent / 'torch'} gives {model.head.out_features} outputs, but data/tokens asks for "
            f"{recovery.data.num_outputs}: it was trained on other labels. `dvc repro` trains it anew."
        )
    for number, step in enumerate(steps):
        # A folder a step: the second of two alike must not take up the first one's checkpoint.
        own = replace(recovery, checkpoints=recovery.checkpoints / f"{number}-{step.method}")
        model = _method(TORCH_METHODS[step.method])(model, own, **step.settings)
    return model, {**description, "parent": parent.name}


def _method(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
