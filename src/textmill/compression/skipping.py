"""Recipes that do not apply to the active family: they make no model and say why."""

from collections.abc import Sequence
from pathlib import Path

from textmill.artifacts import atomic, read_json, write_json
from textmill.models.folder import read_shape

_FILE = "skipped.json"


def reason_to_skip(parent: Path, on_torch: Sequence[str], on_onnx: Sequence[str]) -> str | None:
    """Why a recipe cannot be made from the model folder `parent`; None if it can.

    Args:
        on_torch, on_onnx: methods of its steps.

    Raises: MissingArtifact.
    """
    skipped = parent / _FILE
    if skipped.exists():
        return f"it starts from {parent.name}, which was skipped: {read_json(skipped)['reason']}"
    if not (parent / "torch").exists() and (on_torch or on_onnx):
        # Nothing can start from a quantized model, so this is TF-IDF.
        methods = [*on_torch, *on_onnx]
        verb = "needs" if len(set(methods)) == 1 else "need"
        return f"{_joined(methods)} {verb} a network, and model.family baseline has none"
    if not on_torch:
        return None
    model = read_shape(parent / "torch")
    unfit = [method for method in on_torch if method not in model.compression]
    if not unfit:
        return None
    kind = model.family
    if hasattr(model, "encoder"):
        kind += f" of model_type {model.encoder.config.model_type}"
    elif hasattr(model, "members"):
        kind = f"an ensemble of {kind}s"
    verb = "does" if len(set(unfit)) == 1 else "do"
    return f"{_joined(unfit)} {verb} not apply to {kind}"


def write_skipped(target: Path, reason: str) -> None:
    """Make the model folder `target` of a skipped recipe: skipped.json and nothing else."""
    with atomic(target) as folder:
        folder.mkdir()
        write_json(folder / _FILE, {"reason": reason})


def _joined(methods: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(methods))
