"""Makes and measures recipes in the state folder; what several of them share is made once."""

import shutil
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from textmill.artifacts import read_json, write_json
from textmill.budget_search.space import name_steps
from textmill.compression.builders import steps_of
from textmill.compression.recipes import TORCH_METHODS, Step, run_recipe
from textmill.compression.recovery import Recovery
from textmill.config.compression import Recipe
from textmill.config.compression_search import Settings
from textmill.evaluation.case import Settings as EvaluationSettings
from textmill.evaluation.report import evaluate

FIGURES = ("score", "size_mb", "latency_p50_ms", "throughput_per_s")

# From the parent's folder and a folder for checkpoints.
BuildRecovery = Callable[[Path, Path], Recovery]


def measure(bundle: Path, documents: pd.DataFrame, settings: EvaluationSettings) -> dict[str, float]:
    """What decides, as stage evaluate measures it on validation: each document sent alone to the serving runtime."""
    metrics = evaluate(bundle, documents, settings, split="validation").metrics
    return {name: float(metrics[name]) for name in FIGURES}


@dataclass(frozen=True)
class Workshop:
    """Makes recipes that start from `full`.

    Attributes:
        folder: in the state folder, by a key of all that decides what is made and measured; `made/` has model folders,
            `figures/` what was measured of each, and `checkpoints/` what a killed training goes on from.
        full: the model folder that all recipes start from.
        lineage: of a recipe, whose key its bundle names.
        documents: of validation.
        shared: names of beginnings of recipes that stay, because other recipes are known to begin so.
    """

    folder: Path
    full: Path
    build_recovery: BuildRecovery
    lineage: Callable[[list[Settings]], dict[str, Any]]
    documents: pd.DataFrame
    settings: EvaluationSettings
    shared: Set[str] = field(default_factory=frozenset)

    def measured(self, steps: list[Settings]) -> dict[str, float]:
        """The figures of a recipe, which is made first unless it was measured before.

        Raises: UserError: a method cannot do what its settings ask for.
        """
        file = self.folder / "figures" / f"{name_steps(steps)}.json"
        if not file.exists():
            bundle = self.make(steps) / "bundle"
            write_json(file, {"steps": steps, "figures": measure(bundle, self.documents, self.settings)})
        figures: dict[str, float] = read_json(file)["figures"]
        return figures

    def make(self, steps: list[Settings]) -> Path:
        """The model folder of a recipe.

        Its part on PyTorch is made on its own if steps on ONNX follow, for others may follow it in another trial; and
        both start from the longest beginning that is there.
        """
        target = self.place(steps)
        if target.exists():
            return target
        on_torch = [step for step in steps if step["method"] in TORCH_METHODS]
        if on_torch and len(on_torch) < len(steps):
            self.make(on_torch)
        length, parent = next(
            (length, self.place(steps[:length]))
            for length in range(len(steps) - 1, -1, -1)
            if not length or self.place(steps[:length]).exists()
        )
        checkpoints = self.folder / "checkpoints" / name_steps(steps)
        recovery = self.build_recovery(parent, checkpoints)
        run_recipe(_read(steps[length:]), parent, target, recovery, self.lineage(steps))
        shutil.rmtree(checkpoints, ignore_errors=True)
        return target

    def place(self, steps: Sequence[Settings]) -> Path:
        """Where the model folder of a recipe is, or would be; without steps it is the full model's."""
        return self.folder / "made" / name_steps(steps) if steps else self.full

    def tidy(self, keep: Set[str], *, is_over: bool) -> None:
        """Remove the models but those that `keep` names, and while the search goes on those that others begin with."""
        kept = keep if is_over else keep | self.shared
        made = self.folder / "made"
        for folder in made.iterdir() if made.exists() else ():
            if folder.name not in kept:
                shutil.rmtree(folder)


def _read(steps: Sequence[Mapping[str, Any]]) -> list[Step]:
    """Steps as the stage compress passes them on, so that it makes the same of them."""
    return steps_of(Recipe(**{"from": "full", "steps": list(steps)}))
