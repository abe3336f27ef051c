"""The variants of bench_compression: made by their recipes, and kept in the run folder until a recipe changes."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.clone import ROOT, fresh_clone, run
from textmill.artifacts import read_json
from textmill.config import Params, load_params
from textmill.config.compression import Recipe
from textmill.paths import Paths
from textmill.presets import use

MODELS = "models/benchmark"
# Of the full model, on top of its dataset's preset: the defaults of the search space instead of a search.
FULL = {"model.family": "transformer", "tune.num_trials": 0}


def make_full(run_folder: Path, data: str) -> None:
    """Train the full model in a clone of the last commit; keep its splits, tokens and model folder in `run_folder`."""
    with fresh_clone(data) as clone:
        yaml = YAML(typ="safe")
        document = yaml.load(clone / "params.yaml")
        for key, value in FULL.items():
            section, name = key.split(".")
            document[section][name] = value
        yaml.dump(document, clone / "params.yaml")
        run(clone, "dvc", "repro", "compress@full")
        for part in ("data/splits", "data/tokens", "models/full"):
            shutil.copytree(clone / part, run_folder / part)


def params_of(data: str, scratch: Path) -> Params:
    """params.yaml of this checkout with the preset of a dataset, written to `scratch` on the way."""
    path = scratch / "params.yaml"
    scratch.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "params.yaml", path)
    use(data, path, ROOT / "presets")
    return load_params(path)


class Variants:
    """Model folders of recipes on the full model of a run folder.

    A folder is named by its recipe, the settings of training and the full model: what was made is not made again,
    though the code may have changed since (`anew` deletes what is there).
    """

    def __init__(self, run_folder: Path, params: Params, recipes: dict[str, Recipe], *, anew: bool = False):
        self.root, self.params, self.recipes = run_folder, params, recipes
        if anew:
            shutil.rmtree(run_folder / MODELS, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """Where the variant is, made or not; of `full`, the model that all are compared with."""
        if name == "full":
            return self.root / "models/full"
        return self.root / MODELS / f"{name}-{self._key(name)[:12]}"

    def make(self, name: str) -> Path:
        """The model folder of a variant, its parents made before it. Raises: UserError, as run_recipe does."""
        from textmill.compression.builders import build_recovery, steps_of
        from textmill.compression.recipes import run_recipe, why_not

        target = self.folder(name)
        if name == "full" or (target / "bundle").exists():
            return target
        recipe = self.recipes[name]
        parent = self.make(recipe.parent)
        steps = steps_of(recipe)
        if reason := why_not(steps, parent):
            raise SystemExit(f"{name}: {reason}")
        checkpoints = target.with_name(f"{target.name}.checkpoints")
        recovery = build_recovery(self.params, Paths(self.root, self.root), parent, checkpoints)
        run_recipe(steps, parent, target, recovery, {"key": self._key(name)})
        shutil.rmtree(checkpoints, ignore_errors=True)
        return target

    def answers(self, name: str, split: str) -> Path:
        """Where the variant's answers on a split are kept."""
        folder = self.root / MODELS / f"full-{self._key('full')[:12]}" if name == "full" else self.folder(name)
        return folder.with_name(f"{folder.name}.{split}.json")

    def steps(self, name: str) -> list[dict[str, Any]]:
        """All steps from the full model on, without what is left out."""
        if name == "full":
            return []
        recipe = self.recipes[name]
        own = [step.model_dump(exclude_defaults=True) | {"method": step.method} for step in recipe.steps]
        return [*self.steps(recipe.parent), *own]

    def _key(self, name: str) -> str:
        if name == "full":
            key: str = read_json(self.root / "models/full/bundle/bundle.json")["lineage"]["key"]
            return key
        # What is left out is no part of the key: a new setting with a neutral default makes nothing anew.
        told = [self._key("full"), self.steps(name), self.params.training.model_dump(), self.params.seed]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
