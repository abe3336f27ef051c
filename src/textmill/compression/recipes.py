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

from textmill.artifacts import atomic, read_json
from textmill.compression.export import export_onnx
from textmill.compression.recovery import Recovery
from textmill.data.tokens import read_meta
from textmill.evaluation.calibration import fit_temperature
from textmill.models.folder import load_model, save_model
from textmill.runtime import Classifier, write_bundle

# A new method costs one file, one line here and one model in config/compression.py.
TORCH_METHODS = {
    "prune": "textmill.compression.prune:prune",
    "distill": "textmill.compression.distill:distill",
}
ONNX_METHODS = {"quantize": "textmill.compression.quantize:quantize"}


@dataclass(frozen=True)
class Step:
    method: str
    settings: dict[str, Any]


def run_recipe(
    steps: Sequence[Step],
    parent: Path,
    target: Path,
    tokens: Path,
    recovery: Recovery,
    lineage: dict[str, Any],
) -> None:
    """Make the model folder `target` from the model folder `parent`.

    Args:
        tokens: data/tokens; its validation split fits the bundle's temperature, and its tokenizer goes along.

    Raises:
        MissingArtifact: the parent has no PyTorch weights.
        UserError: a method does not apply to this model; it says why.
    """
    on_torch = [step for step in steps if step.method in TORCH_METHODS]
    on_onnx = [step for step in steps if step.method in ONNX_METHODS]
    meta = read_meta(tokens)
    with atomic(target) as folder:
        bundle = folder / "bundle"
        bundle.mkdir(parents=True)
        graph = bundle / "model.onnx"
        if on_torch or not (parent / "bundle").exists():
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
            max_length=meta["max_length"],
            long_documents=meta["long_documents"],
            pad_id=meta["pad_id"],
            recipe=[{"method": step.method, **step.settings} for step in steps],
            parent=parent.name,
            lineage=lineage,
        )


def seal(bundle: Path, recovery: Recovery, **description: Any) -> None:
    """Write bundle.json, with the temperature that fits the validation split."""
    write_bundle(bundle, temperature=1.0, thresholds=None, **description)
    validation = recovery.data.validation
    documents = [validation[i] for i in range(len(validation))]
    logits = Classifier.load(bundle).logits_of_ids(documents, batch_size=1)  # each alone, as it is served
    temperature = fit_temperature(logits, np.asarray(validation.labels))
    write_bundle(bundle, temperature=temperature, thresholds=None, **description)


def _torch_part(parent: Path, steps: Sequence[Step], recovery: Recovery) -> tuple[Any, dict[str, Any]]:
    model, description = load_model(parent / "torch")
    for number, step in enumerate(steps):
        # A folder a step: the second of two alike must not take up the first one's checkpoint.
        own = replace(recovery, checkpoints=recovery.checkpoints / f"{number}-{step.method}")
        model = _method(TORCH_METHODS[step.method])(model, own, **step.settings)
    return model, {**description, "parent": parent.name}


def _method(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
