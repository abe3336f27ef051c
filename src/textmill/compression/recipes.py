"""Recipes: ordered compression methods that turn one model folder into another.

A model folder holds `torch/` (weights that can be trained further), `bundle/` (what is evaluated, registered and
served) and `evidence.json` (how it was made). Methods on PyTorch come first; behind one on ONNX there is no `torch/`.
"""

import importlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textmill.artifacts import atomic
from textmill.bundle import ONNXRUNTIME, read_manifest
from textmill.compression.draft import Draft
from textmill.compression.evidence import compare, keep_answers, write_evidence
from textmill.compression.export import export_onnx
from textmill.compression.recovery import Recovery
from textmill.compression.sealing import seal
from textmill.compression.skipping import reason_to_skip
from textmill.data.tokens import read_meta
from textmill.errors import UserError
from textmill.models.folder import load_model, save_model
from textmill.training.dataset import TrainingData

# On PyTorch a method is a function of the model and the `Recovery` that gives a `Draft`, with a function `unfit` beside
# it; on ONNX one of source, target and token arrays that gives its notes. Both take the settings of their step by name.
TORCH_METHODS = {
    "train_quantized": "textmill.compression.train_quantized:train_quantized",
    "prune": "textmill.compression.prune:prune",
    "sparsify": "textmill.compression.sparsify:sparsify",
    "distill": "textmill.compression.distill:distill",
    "trim_vocabulary": "textmill.compression.trim_vocabulary:trim_vocabulary",
    "factorize_embeddings": "textmill.compression.factorize_embeddings:factorize_embeddings",
}
ONNX_METHODS = {
    "quantize": "textmill.compression.quantize:quantize",
    "engine": "textmill.compression.engine:engine",
}


@dataclass(frozen=True)
class Step:
    method: str
    settings: dict[str, Any]


class UnfitModel(UserError):
    """A model folder was trained on other tokens than those in data/tokens."""


def run_recipe(steps: Sequence[Step], parent: Path, target: Path, recovery: Recovery, lineage: dict[str, Any]) -> None:
    """Make the model folder `target` from the model folder `parent`, of a recipe that `why_not` has nothing against.

    Args:
        recovery: its data are data/tokens with the parent's max_length; their validation split fits the bundle's
            temperature.

    Raises:
        MissingArtifact: the parent has no PyTorch weights.
        UnfitModel: the parent answers other labels than the tokens have.
        UserError: a method cannot do what its settings ask for; it says why.
    """
    started = time.monotonic()
    told: list[dict[str, Any]] = []
    with atomic(target) as folder:
        bundle = folder / "bundle"
        bundle.mkdir(parents=True)
        made = _make_graph(steps, parent, folder, recovery, lineage, told)
        assert made.data.folder is not None
        shutil.copyfile(made.data.folder / "tokenizer.json", bundle / "tokenizer.json")
        meta = read_meta(made.data.folder)
        logits_NC = seal(
            bundle,
            made.data,
            family=made.family,
            task=meta["task"],
            labels=meta["labels"],
            target=meta["target"],
            max_length=made.data.max_length,
            long_documents=meta["long_documents"],
            pad_id=made.data.pad_id,
            recipe=[{"method": step.method, **step.settings} for step in steps],
            parent=parent.name,
            lineage=lineage,
            engine=made.engine,
        )
        seconds = time.monotonic() - started
        found = compare(bundle, logits_NC, made.data, made.network, parent, recovery.data)
        keep_answers(folder, logits_NC)
        write_evidence(folder, found, parent=parent.name, seconds=seconds, steps=told)


@dataclass(frozen=True)
class _Made:
    """What a recipe's graph is.

    Attributes:
        data: the token arrays that it reads.
        network: what it was made from, in PyTorch; None where the parent has none.
        engine: what runs it.
    """

    data: TrainingData
    family: str
    network: Any | None
    engine: Mapping[str, Any]


def _make_graph(
    steps: Sequence[Step],
    parent: Path,
    folder: Path,
    recovery: Recovery,
    lineage: dict[str, Any],
    told: list[dict[str, Any]],
) -> _Made:
    """Write bundle/model.onnx of a model folder, and torch/ where nothing was done on ONNX; add to `told`."""
    on_torch = [step for step in steps if step.method in TORCH_METHODS]
    on_onnx = [step for step in steps if step.method in ONNX_METHODS]
    graph, parents = folder / "bundle/model.onnx", parent / "bundle/model.onnx"
    has_torch = (parent / "torch").exists()
    if parents.exists() and not on_torch and (on_onnx or not has_torch):
        manifest = read_manifest(parent / "bundle", verify=False)
        network = load_model(parent / "torch")[0] if has_torch else None
        made = _Made(recovery.data, manifest["family"], network, manifest["engine"])
        shutil.copyfile(parents, graph)
    else:
        draft, description = _torch_part(parent, on_torch, recovery, told)
        made = _Made(draft.data, draft.model.family, draft.model, ONNXRUNTIME)
        if not on_onnx:
            save_model(folder / "torch", draft.model, {**description, "lineage": lineage})
        export_onnx(draft.model, graph, draft.data.validation, draft.data.pad_id)
    for step in on_onnx:
        source = graph.rename(graph.with_suffix(".source"))
        with _telling(told, step) as notes:
            notes |= _function(ONNX_METHODS[step.method])(source, graph, made.data, **step.settings)
        source.unlink()
        made = replace(made, engine=step.settings) if step.method == "engine" else made
    return made


def why_not(steps: Sequence[Step], parent: Path) -> str | None:
    """Why a recipe does not apply to the model folder `parent`, or None. Raises: MissingArtifact."""
    on_torch = [(_unfit(step.method), step.settings) for step in steps if step.method in TORCH_METHODS]
    return reason_to_skip(parent, [step.method for step in steps], on_torch)


def _torch_part(
    parent: Path, steps: Sequence[Step], recovery: Recovery, told: list[dict[str, Any]]
) -> tuple[Draft, dict[str, Any]]:
    model, description = load_model(parent / "torch")
    if model.head.out_features != recovery.data.num_outputs:
        raise UnfitModel(
            f"{parent / 'torch'} gives {model.head.out_features} outputs, but data/tokens asks for "
            f"{recovery.data.num_outputs}: it was trained on other labels. `dvc repro` trains it anew."
        )
    draft = Draft(model, recovery.data)
    for number, step in enumerate(steps):
        # A folder a step: the second of two alike must not take up the first one's checkpoint.
        own = replace(recovery, data=draft.data, checkpoints=recovery.checkpoints / f"{number}-{step.method}")
        with _telling(told, step) as notes:
            draft = _function(TORCH_METHODS[step.method])(draft.model, own, **step.settings)
            notes |= draft.notes
    return draft, {**description, "parent": parent.name}


@contextmanager
def _telling(told: list[dict[str, Any]], step: Step) -> Iterator[dict[str, Any]]:
    """Collect what a step notes, and its time."""
    started = time.monotonic()
    notes: dict[str, Any] = {}
    yield notes
    told.append({"method": step.method, "seconds": time.monotonic() - started, "notes": notes})


def _function(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _unfit(method: str) -> Any:
    return _function(f"{TORCH_METHODS[method].partition(':')[0]}:unfit")
