"""Recipes that do not apply to the active family: they make no model and say why."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.artifacts import atomic, read_json, write_json
from textmill.bundle import MANIFEST
from textmill.models.folder import FAMILIES, read_shape

_FILE = "skipped.json"


# What of a step with such settings does not apply to a model; None if all of it does.
Unfit = Callable[[Any, Mapping[str, Any]], str | None]


def reason_to_skip(
    parent: Path, methods: Sequence[str], on_torch: Sequence[tuple[Unfit, Mapping[str, Any]]]
) -> str | None:
    """Why a recipe cannot be made from the model folder `parent`; None if it can.

    The model is asked as it is before the first step; a step that does not apply to what an earlier one made of it
    raises `DoesNotApply` when it is run.

    Args:
        methods: of its steps.
        on_torch: of each step on PyTorch the `unfit` of its method, and its settings.

    Raises: MissingArtifact.
    """
    skipped = parent / _FILE
    if skipped.exists():
        return f"it starts from {parent.name}, which was skipped: {read_json(skipped)['reason']}"
    if methods and not (parent / "torch").exists() and _is_no_network(parent):
        verb = "needs" if len(set(methods)) == 1 else "need"
        return f"{_joined(methods)} {verb} a network, and model.family baseline has none"
    if not on_torch:
        return None
    model = read_shape(parent / "torch")
    unfit = [reason for unfit, settings in on_torch if (reason := unfit(model, settings))]
    if not unfit:
        return None
    kind = model.family
    if hasattr(model, "encoder"):
        kind += f" of model_type {model.encoder.config.model_type}"
    elif hasattr(model, "members"):
        kind = f"an ensemble of {kind}s"
    verb = "does" if len(set(unfit)) == 1 else "do"
    return f"{_joined(unfit)} {verb} not apply to {kind}"


def _is_no_network(parent: Path) -> bool:
    manifest = parent / "bundle" / MANIFEST
    return manifest.exists() and read_json(manifest)["family"] not in FAMILIES


def write_skipped(target: Path, reason: str) -> None:
    """Make the model folder `target` of a skipped recipe: skipped.json and nothing else."""
    with atomic(target) as folder:
        folder.mkdir()
        write_json(folder / _FILE, {"reason": reason})


def _joined(methods: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(methods))
