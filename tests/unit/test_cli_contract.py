"""`textmill contract`, and what `textmill use` does to the reference of another project."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.tiny_run import REPOSITORY
from textmill.artifacts import write_json
from textmill.cli import app
from textmill.config import load_params
from textmill.data.contract.reference import freeze_profile, read_reference, write_reference
from textmill.paths import Paths

PROFILE: dict[str, Any] = {
    "project": "movie-reviews",
    "source": {"uri": "data/inputs/own.csv", "sha256": "0" * 64},
    "documents": 8530,
    "labels": {"negative": 0.5, "positive": 0.5},
    "characters": {"median": 120.0},
    "scripts": {"Latin": 1.0},
    "shares": {"missing": 0.0},
}


def expectation(suite: str, *, passed: bool, level: str = "error") -> dict[str, Any]:
    return {
        "suite": suite,
        "column": "drift",
        "setting": f"contract.{suite}",
        "description": f"What {suite} measures",
        "required": "at most 0.1",
        "observed": 0.25,
        "passed": passed,
        "level": level,
        "examples": [],
    }


def write_report(paths: Paths, *rows: dict[str, Any]) -> None:
    write_json(paths.validation_report, {"passed": True, "num_expectations": len(rows), "expectations": list(rows)})


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A checkout after a run of validate."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    shutil.copytree(REPOSITORY / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    found = Paths.here()
    write_reference(found.contract_lock, None)
    write_json(found.profile, PROFILE)
    write_report(found, expectation("raw", passed=True))
    return found


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", [(), ("show",), ("freeze",)])
def test_every_command_has_an_example(command: tuple[str, ...]) -> None:
    found = call("contract", *command, "--help")
    assert found.exit_code == 0
    assert f"  textmill contract {' '.join(command)}".rstrip() in found.stdout


def test_the_committed_file_fits_params() -> None:
    project = load_params(REPOSITORY / "params.yaml").project
    reference = read_reference(REPOSITORY / "contract.lock.yaml", project)
    assert reference is None or reference.project == project


def test_freeze_writes_the_profile_and_shows_what_changed(paths: Paths) -> None:
    found = call("contract", "freeze")
    assert found.exit_code == 0
    assert "There was no reference before." in found.stdout
    assert "contract.lock.yaml holds 8,530 documents of movie-reviews. Commit it." in found.stdout
    reference = read_reference(paths.contract_lock, "movie-reviews")
    assert reference is not None
    assert reference.labels == PROFILE["labels"]
    assert "Nothing differs from the reference before." in call("contract", "freeze").stdout
    write_json(paths.profile, PROFILE | {"labels": {"negative": 0.25, "positive": 0.75}, "documents": 9000})
    again = call("contract", "freeze").stdout
    assert "documents: 8,530 -> 9,000" in again
    assert "class positive: 0.5000 -> 0.7500" in again


def test_freeze_without_a_profile_says_how_to_make_one(paths: Paths) -> None:
    paths.profile.unlink()
    found = call("contract", "freeze")
    assert found.exit_code == 1
    assert "profile.json is missing. `dvc repro` makes it" in found.stderr
    assert read_reference(paths.contract_lock) is None


def test_freeze_refuses_the_profile_of_another_project(paths: Paths) -> None:
    write_json(paths.profile, PROFILE | {"project": "bbc-news"})
    found = call("contract", "freeze")
    assert found.exit_code == 1
    assert "is about the project 'bbc-news', but params.yaml is about 'movie-reviews'" in found.stderr
    assert read_reference(paths.contract_lock) is None


@pytest.mark.parametrize(("suite", "is_told"), [("raw", True), ("reference", False)])
def test_freeze_tells_that_the_data_breach_the_contract(paths: Paths, suite: str, is_told: bool) -> None:
    """A breach of the old reference is why one freezes."""
    write_report(paths, expectation(suite, passed=False), expectation("texts", passed=False, level="warn"))
    found = call("contract", "freeze")
    assert found.exit_code == 0
    assert ("These data breach the contract" in found.stderr) is is_told


def test_show_lists_every_expectation(paths: Paths) -> None:
    rows = [expectation("raw", passed=True), expectation("texts", passed=False, level="warn")]
    write_report(paths, *rows, expectation("classes", passed=False))
    found = call("contract", "show")
    assert found.exit_code == 0
    assert [line.split()[0] for line in found.stdout.splitlines()[:3]] == ["met", "warns", "breached"]
    assert "What texts measures: 0.25, allowed at most 0.1  [contract.texts]" in found.stdout


def test_show_before_a_run_says_what_to_do(paths: Paths) -> None:
    paths.validation_report.unlink()
    found = call("contract", "show")
    assert found.exit_code == 1
    assert "`dvc repro` makes it" in found.stderr


def test_use_of_another_project_drops_the_reference_and_says_so(paths: Paths) -> None:
    freeze_profile(paths.contract_lock, PROFILE)
    found = call("use", "bbc-news")
    assert found.exit_code == 0
    assert "contract.lock.yaml was about movie-reviews: it holds `reference: null` now" in found.stdout
    assert paths.contract_lock.read_text().endswith("reference: null\n")


def test_use_of_the_same_project_keeps_the_reference(paths: Paths) -> None:
    freeze_profile(paths.contract_lock, PROFILE)
    before = paths.contract_lock.read_text()
    found = call("use", "movie-reviews")
    assert found.exit_code == 0
    assert "contract.lock.yaml" not in found.stdout
    assert paths.contract_lock.read_text() == before


def test_use_without_a_reference_says_nothing_of_it(paths: Paths) -> None:
    assert "contract.lock.yaml" not in call("use", "bbc-news").stdout
    paths.contract_lock.unlink()
    assert "contract.lock.yaml" not in call("use", "movie-reviews").stdout
    assert not paths.contract_lock.exists()
