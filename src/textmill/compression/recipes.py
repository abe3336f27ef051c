"""Recipes: ordered compression methods that turn one model folder into another.

A model folder holds `torch/` (weights that can be trained further), `bundle/` (what is evaluated, registered and
served) and `evidence.json` (how it was made). Methods on PyTorch come first; behind one on ONNX there is no `torch/`.
"""

import importlib
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textmill.artifacts import atomic, read_json, write_json
from textmill.bundle import MANIFEST
from textmill.compression.draft import Draft
from textmill.compression.export import export_onnx
from textmill.compression.recovery import Recovery
from textmill.compression.sealing import seal
from textmill.compression.skipping import reason_to_skip
from textmill.data.tokens import read_meta
from textmill.errors import UserError
from textmill.models.folder import load_model, save_model

# A new method costs one file, one line here and one file in config/steps/. On PyTorch it is a function of the model and
# the `Recovery` that gives a `Draft`, with a function `unfit` beside it; on ONNX one of source, target and token arrays
# that gives its notes. Both take the settings of their step by name.
TORCH_METHODS = {
    "prune": "textmill.compression.prune:prune",
    "distill": "textmill.compression.distill:distill",
}
ONNX_METHODS = {"quantize": "textmill.compression.quantize:quantize"}


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
    on_torch = [step for step in steps if step.method in TORCH_METHODS]
    on_onnx = [step for step in steps if step.method in ONNX_METHODS]
    has_graph = (parent / "bundle/model.onnx").exists()
    started, parity = time.monotonic(), None
    told: list[dict[str, Any]] = []
    with atomic(target) as folder:
        bundle = folder / "bundle"
        bundle.mkdir(parents=True)
        graph = bundle / "model.onnx"
        if has_graph and not on_torch and (on_onnx or not (parent / "torch").exists()):
            data, family = recovery.data, read_json(parent / "bundle" / MANIFEST)["family"]
            shutil.copyfile(parent / "bundle/model.onnx", graph)
        else:
            draft, description = _torch_part(parent, on_torch, recovery, told)
            data, family = draft.data, draft.model.family
            if not on_onnx:
                save_model(folder / "torch", draft.model, {**description, "lineage": lineage})
            parity = export_onnx(draft.model, graph, data.validation, data.pad_id)
        for step in on_onnx:
            source = graph.rename(graph.with_suffix(".source"))
            with _telling(told, step) as notes:
                notes |= _function(ONNX_METHODS[step.method])(source, graph, data, **step.settings)
            source.unlink()
        assert data.folder is not None
        shutil.copyfile(data.folder / "tokenizer.json", bundle / "tokenizer.json")
        meta = read_meta(data.folder)
        seal(
            bundle,
            data,
            family=family,
            task=meta["task"],
            labels=meta["labels"],
            target=meta["target"],
            max_length=data.max_length,
            long_documents=meta["long_documents"],
            pad_id=data.pad_id,
            recipe=[{"method": step.method, **step.settings} for step in steps],
            parent=parent.name,
            lineage=lineage,
        )
        evidence = {"seconds": time.monotonic() - started, "max_logit_difference": parity, "steps": told}
        write_json(folder / "evidence.json", evidence)


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
