"""Start-up stays quick because nothing heavy is imported before it is used."""

import subprocess
import sys
import tomllib
from importlib import import_module

import pytest

from tests.repo.stages import ROOT

HEAVY = (
    "torch",
    "transformers",
    "pytorch_lightning",
    "mlflow",
    "great_expectations",
    "sklearn",
    "optuna",
    "onnxruntime",
)
TRAINING = ("torch", "transformers", "pytorch_lightning")


def imported_by(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after running `code`."""
    command = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    answer = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(answer.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import pipeline, textmill.cli",
        "from pipeline import Params, Paths\nfrom textmill.config import load_params\nload_params()",
    ],
    ids=["the command", "parsed params"],
)
def test_nothing_heavy_before_it_is_used(code: str) -> None:
    assert imported_by(code) & {*HEAVY, "pandas", "pyarrow", "scipy", "matplotlib"} == set()


@pytest.mark.parametrize("stage", ["ingest", "clean", "split", "validate"])
def test_data_stages_import_no_torch(stage: str) -> None:
    assert imported_by(f"import pipeline.{stage}") & {*HEAVY} == set()


@pytest.mark.parametrize("stage", ["audit", "baseline", "evaluate", "select", "compare", "register", "report"])
def test_stages_without_training_import_no_torch(stage: str) -> None:
    assert imported_by(f"import pipeline.{stage}") & {*TRAINING} == set()


def test_the_command_is_what_pyproject_says() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, name = scripts["textmill"].partition(":")
    assert callable(getattr(import_module(module), name))
