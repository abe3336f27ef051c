"""What is examined of a model beside its quality: a table of parts, each in a file of its own."""

import importlib
from collections.abc import Callable
from typing import Any

from textmill.evaluation.case import Case, Findings

# `examine(case)` of each gives the findings, or None where the task or the settings leave the part out.
# A new part costs one file and one line here.
PARTS = {
    "adaptive_calibration": "textmill.evaluation.calibration:examine",
    "selective": "textmill.evaluation.selective:examine",
    "conformal": "textmill.evaluation.conformal:examine",
    "checks": "textmill.evaluation.checks:examine",
    "slices": "textmill.evaluation.slices:examine",
    "weak_slices": "textmill.evaluation.weak_slices:examine",
    "fairness": "textmill.evaluation.fairness:examine",
    "robustness": "textmill.evaluation.robustness:examine",
    "shift": "textmill.evaluation.shift:examine",
    "efficiency": "textmill.evaluation.efficiency:examine",
}
# The others look at test alone. These set thresholds there for test to be judged by, or tell mistakes of params early.
ON_VALIDATION = {"adaptive_calibration", "selective", "conformal", "checks"}
# Settings that only the others go by: where they change, validation is not run again, whose clock helps to choose.
SETTINGS_OF_TEST = {"slices", "robustness", "shift", "batch_sizes", "startup_processes"}


def examine(case: Case) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures of all parts, and their details by name."""
    metrics: dict[str, float] = {}
    details: dict[str, Any] = {}
    for name, part in PARTS.items():
        if case.split == "validation" and name not in ON_VALIDATION:
            continue
        findings = _function(part)(case)
        if findings is not None:
            metrics |= findings.metrics
            details[name] = findings.details
    return metrics, details


def _function(part: str) -> Callable[[Case], Findings | None]:
    module, _, name = part.partition(":")
    function: Callable[[Case], Findings | None] = getattr(importlib.import_module(module), name)
    return function
