"""A student of any family, taught by the full model's answers.

Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015 (https://arxiv.org/abs/1503.02531); for
students of other families than their teacher's Tang et al.: Distilling Task-Specific Knowledge from BERT into Simple
Neural Networks, 2019 (https://arxiv.org/abs/1903.12136), which also augments the documents.

Shape suffixes: N documents that it is taught on, C outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from textmill.compression.distillation.documents import changed_copies, join, more_texts
from textmill.compression.distillation.intermediate import IntermediateTargets, Pupil, find_projections
from textmill.compression.distillation.soft_targets import SoftTargets
from textmill.compression.distillation.students import Student, build_student, check_smaller
from textmill.compression.draft import Draft
from textmill.compression.recovery import Recovery
from textmill.data.tokens import TokenArrays
from textmill.models.depth import num_layers
from textmill.models.encoder_parts import find_blocks
from textmill.models.size import num_parameters
from textmill.training.dataset import TrainingData


def distill(
    teacher: Any,
    recovery: Recovery,
    *,
    student: Mapping[str, Any],
    temperature: float,
    soft_weight: float,
    epochs: int,
    learning_rate: float,
    hidden_states: Mapping[str, Any] | None = None,
    relations: Mapping[str, Any] | None = None,
    transfer: Mapping[str, Any] | None = None,
    augment: Mapping[str, Any] | None = None,
) -> Draft:
    """Return a student that was taught by the teacher, a model of any family or an ensemble.

    Args:
        student, hidden_states, relations, transfer, augment: as config.steps.distill has them.

    Raises:
        StudentNotSmaller, UnfitStudent, InseparableLayers: the student cannot be made of this teacher.
        AssetNotFound, UnknownLayout, EmptySource, MissingColumn, UnreadableSource: of transfer.
    """
    data, seed, one = recovery.data, recovery.settings.seed, _first(teacher)
    # All that is new is drawn here, so that it is the same whether or not the teacher is asked afterwards.
    torch.manual_seed(seed)
    begun = build_student(one, student, data)
    check_smaller(begun.model, teacher)
    pairs = _pairs(begun, one, hidden_states)
    width = None if hidden_states is None else one.head.in_features
    pupil = Pupil(begun.model, len(pairs), width) if pairs or relations else begun.model
    parts, told = _documents(data, transfer, augment, seed, recovery.checkpoints)
    teacher_NC, num_asked = _answers(teacher, parts, recovery)
    loss: Any = SoftTargets(data.task, teacher_NC, recovery.loss(), temperature, soft_weight, len(data.train))
    if isinstance(pupil, Pupil):
        loss = IntermediateTargets(loss, pupil, one, pairs, hidden_states, relations)
    taught = replace(recovery, data=replace(data, train=join(parts[0], parts[1:])))
    folder = recovery.checkpoints / "distill"
    taught.train(pupil, folder, epochs=epochs, learning_rate=learning_rate, loss=loss, progress="distill")
    if isinstance(loss, IntermediateTargets):
        loss.stop()
    notes = {
        "parameters": {"teacher": num_parameters(teacher), "student": num_parameters(begun.model)},
        "documents": {"train": len(data.train), **told},
        "asked_of_teacher": num_asked,  # the others had been answered before
    }
    return Draft(begun.model, data, notes)


def unfit(model: Any, settings: Mapping[str, Any]) -> str | None:
    """What of a step does not apply to a model; None if all of it does."""
    one, student = _first(model), settings.get("student", {})
    if student.get("family") != "transformer":
        return None
    if num_layers(one) is None:
        return "distill to a transformer"
    if settings.get("relations") and find_projections(find_blocks(one.encoder)[-1]) is None:
        return "distill with relations"
    return None


def _first(model: Any) -> Any:
    """Of an ensemble the first member, from which a student starts."""
    return model.members[0] if hasattr(model, "members") else model


def _documents(
    data: TrainingData,
    transfer: Mapping[str, Any] | None,
    augment: Mapping[str, Any] | None,
    seed: int,
    folder: Path,
) -> tuple[list[TokenArrays], dict[str, Any]]:
    """The train documents and what is taught beside them, and what the notes say of that."""
    assert data.indices is None
    parts: list[TokenArrays] = [data.train]
    told: dict[str, Any] = {}
    if augment is not None:
        parts.append(changed_copies(data, **augment, seed=seed, folder=folder / "copies"))
        told["copies"] = len(parts[-1])
    if transfer is not None:
        more, told["transfer"] = more_texts(data, **transfer, folder=folder / "transfer")
        parts.append(more)
    return parts, told


def _answers(teacher: Any, parts: Sequence[TokenArrays], recovery: Recovery) -> tuple[Tensor, int]:
    """The teacher's logits [N, C] of all documents, and how many of them it was asked now."""
    found = [recovery.answers_of(teacher, part) for part in parts]
    logits = [answers.logits_NC for answers in found]
    return (logits[0] if len(logits) == 1 else torch.cat(logits)), sum(answers.num_computed for answers in found)


def _pairs(student: Student, teacher: Any, hidden: Mapping[str, Any] | None) -> list[tuple[int, int]]:
    """Layers of student and teacher whose hidden states are compared."""
    if hidden is None:
        return []
    if hidden["layers"] == "uniform":
        return list(enumerate(student.origins))
    depth = num_layers(teacher)
    assert depth is not None
    return [(len(student.origins) - 1, depth - 1)]
