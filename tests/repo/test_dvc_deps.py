"""dvc.yaml names the code that each stage really imports: no more, or it runs in vain; no less, or it goes stale."""

import ast
from pathlib import PurePosixPath

import pytest

from tests.repo.stages import ROOT, Stage, import_closure, stages
from textmill.config import Params
from textmill.config.evaluation import Evaluate
from textmill.evaluation.examination import SETTINGS_OF_TEST

# Both splits run pipeline/evaluate.py, but only what test finds has words of texts.
NOT_ON_VALIDATION = {"evaluate": {"report"}, "evaluate-baseline": {"report"}}


def covers(dependency: str, file: str) -> bool:
    return dependency == file or PurePosixPath(dependency) in PurePosixPath(file).parents


@pytest.mark.parametrize("stage", stages(), ids=lambda stage: stage.name)
def test_code_dependencies_are_the_imports(stage: Stage) -> None:
    closure = import_closure(stage.module)
    missing = sorted(file for file in closure if not any(covers(dependency, file) for dependency in stage.code))
    needless = sorted(dependency for dependency in stage.code if not any(covers(dependency, file) for file in closure))
    assert not missing, f"{stage.name} imports, but dvc.yaml does not name: {', '.join(missing)}"
    assert not needless, f"dvc.yaml names, but {stage.name} does not import: {', '.join(needless)}"


def test_every_stage_file_is_a_stage() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline").glob("*.py")}
    assert files - {"pipeline/__init__.py"} == {stage.module for stage in stages()}


def test_closure_follows_functions_and_plug_in_tables() -> None:
    closure = import_closure("pipeline/compress.py")
    assert "src/textmill/compression/quantize.py" in closure  # only an import string names it
    assert "src/textmill/models/transformer.py" in closure
    assert "src/textmill/data/sources/parquet.py" in import_closure("pipeline/ingest.py")
    assert "src/textmill/artifacts.py" in import_closure("pipeline/ingest.py")


@pytest.mark.parametrize("stage", stages(), ids=lambda stage: stage.name)
def test_declared_params_are_those_that_are_read(stage: Stage) -> None:
    """By section: what the stage's file reads is declared, and what is declared is read somewhere in its code."""
    declared = {key.partition(".")[0] for key in stage.params}
    read_here = sections_read(stage.module) - NOT_ON_VALIDATION.get(stage.name.partition("@")[0], set())
    read_anywhere = set().union(*(sections_read(file) for file in import_closure(stage.module)))
    assert read_here <= declared, f"dvc.yaml lacks the params {sorted(read_here - declared)} of {stage.name}"
    assert declared <= read_anywhere, f"{stage.name} never reads the params {sorted(declared - read_anywhere)}"


@pytest.mark.parametrize("stage", stages(), ids=lambda stage: stage.name)
def test_what_trains_runs_again_on_another_device(stage: Stage) -> None:
    """`settings` of the builders reads it for every training."""
    trains = "src/textmill/training/builders.py" in import_closure(stage.module)
    assert bool({"train", "train.trainer.accelerator"} & stage.params) == trains


def test_validation_runs_again_for_the_settings_that_it_goes_by() -> None:
    """A clock helps to choose on validation: what is examined on test alone must not start it anew."""
    params = {stage.name: stage.params for stage in stages()}
    on_validation = set(Evaluate.model_fields) - SETTINGS_OF_TEST
    for name in ("evaluate@full", "evaluate-baseline"):
        assert params[name] == {"project", "seed", *(f"evaluate.{k}" for k in on_validation)}


def sections_read(file: str) -> set[str]:
    """The X of every `params.X` and `something.params.X` in a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8") if file.endswith(".py") else "")
    names = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", getattr(node.value, "attr", None)) == "params"
    }
    return {name.rstrip("_") for name in names} & sections()


def sections() -> set[str]:
    return {field.alias or name for name, field in Params.model_fields.items()}
