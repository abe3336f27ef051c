"""Runs the stage validate in this process, on tables that a test has spoilt."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

import pipeline
from pipeline import validate
from tests.stage.stages import REPOSITORY
from textmill.artifacts import read_json
from textmill.config import load_params
from textmill.data.contract.reference import freeze_profile
from textmill.paths import Paths


@dataclass
class Outcome:
    """How the stage ended: exit status, what it printed, and what it left."""

    status: int
    out: str
    message: str
    paths: Paths

    @property
    def report(self) -> dict[str, Any]:
        return read_json(self.paths.validation_report)

    def failures(self):
        return {
            (row["suite"], row["column"], row["setting"]) for row in self.report["expectations"] if not row["passed"]
        }


def write_contract_params(folder, contract=None, **sections):
    """params.yaml of the repository, with other values in some keys of the section contract and of other sections."""
    values = load_params(REPOSITORY / "params.yaml").model_dump(by_alias=True)
    for key, changes in (contract or {}).items():
        values["contract"][key] = values["contract"][key] | changes if isinstance(changes, dict) else changes
    for name, changes in sections.items():
        values[name] |= changes
    (folder / "params.yaml").write_text(json.dumps(values))


@pytest.fixture
def run_validate(tmp_path, monkeypatch, capsys):
    """Run the stage as `python -m pipeline.validate` does, but in this process: Great Expectations loads slowly."""

    def validate_files(files, spoil_file=None, reference=None, contract=None, **sections):
        paths = Paths(tmp_path, tmp_path)
        files.write(paths)
        if spoil_file is not None:
            spoil_file(paths)
        write_contract_params(tmp_path, contract, **sections)
        if reference is not None or not paths.contract_lock.exists():
            freeze(paths, reference)
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        status = 0
        try:
            pipeline.main(validate.run)
        except SystemExit as stop:
            status = int(str(stop.code))
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Outcome(status, printed.out, printed.err, paths)

    return validate_files


def freeze(paths, labels):
    if labels is None:
        paths.contract_lock.write_text("reference: null\n")
        return
    profile = {"project": "movie-reviews", "source": {}, "documents": 9, "labels": labels}
    freeze_profile(paths.contract_lock, profile | {"characters": {}, "scripts": {}, "shares": {}})
