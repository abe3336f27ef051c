"""What is examined of a model beside its quality: a table of parts, each in a file of its own."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from textmill.evaluation.case import Case, EvaluatedSplit, Findings


class Part(NamedTuple):
    """`examine(case)` gives the findings, or None where the task or the settings leave the part out."""

    function: str
    splits: tuple[EvaluatedSplit, ...]


# A new part costs one file and one line here. What sets thresholds does so on validation, for test to be judged by.
PARTS: dict[str, Part] = {}


def examine(case: Case) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures of all parts, and their details by name."""
    metrics: dict[str, float] = {}
    details: dict[str, Any] = {}
    for name, part in PARTS.items():
        if case.split not in part.splits:
            continue
        findings = _function(part)(case)
        if findings is not None:
            metrics |= findings.metrics
            details[name] = findings.details
    return metrics, details


def _function(part: Part) -> Callable[[Case], Findings | None]:
    module, _, name = part.function.partition(":")
    function: Callable[[Case], Findings | None] = getattr(importlib.import_module(module), name)
    return function
