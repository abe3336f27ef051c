"""Nested runs of a search's trials, on a real store that is killed in between."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import mlflow
import pytest

from tests.tiny_run import migrated_database
from textmill import tracking
from textmill.paths import Paths

TRIAL: dict[str, Any] = {
    "number": 0,
    "state": "complete",
    "score": 0.75,
    "figures": {"quality": 0.75, "size_mb": 1.5},
    "values": {"learning_rate": 1e-3, "model.text_cnn.widths": [2, 3], "tokenize.max_length": 64},
    "reports": [[1, 0.5], [2, 0.75]],
    "epochs": 1.0,
    "seconds": 2.5,
    "started": "2026-11-22T10:00:00+00:00",
    "worker": "here:7",
    "error": None,
    "stopped": None,
    "copy_of": None,
    "retry_of": None,
}
TRIALS = [
    TRIAL,
    {**TRIAL, "number": 1, "state": "pruned", "score": 0.5, "figures": {}, "reports": [[1, 0.5]], "epochs": 0.5},
    {**TRIAL, "number": 2, "state": "fail", "score": None, "figures": {}, "reports": [], "error": "out of memory"},
    {**TRIAL, "number": 3, "state": "running", "score": None, "figures": {}, "reports": [], "seconds": None},
    {**TRIAL, "number": 4, "state": "fail", "score": None, "figures": {}, "reports": [], "values": {}},
]


# Of those with a run: what is running, or ended before it had values, has none.
STATUSES = {"trial-0": "FINISHED", "trial-1": "KILLED", "trial-2": "FAILED"}


@pytest.fixture
def paths(tmp_path: Any) -> Iterator[Paths]:
    shutil.copy(migrated_database(), tmp_path / "mlflow.db")
    yield Paths(root=tmp_path, state=tmp_path)
    while mlflow.active_run():
        mlflow.end_run()


def runs(paths: Paths) -> dict[str, Any]:
    """Nested runs by name; no name has two."""
    client = mlflow.MlflowClient(f"sqlite:///{paths.mlflow_database}")
    found = client.search_runs([tracking.connect(paths, "p")], "tags.`textmill.trial` LIKE '%'")
    names = [run.info.run_name for run in found]
    assert len(set(names)) == len(names)
    return {run.info.run_name: run for run in found}


def log(paths: Paths, *calls: list[dict[str, Any]]) -> None:
    with tracking.model_run(paths, "p", "search", "key") as active:
        for trials in calls:
            tracking.log_trials(active, trials)


def test_every_ended_trial_has_a_run_with_all_that_is_known(paths: Paths) -> None:
    log(paths, TRIALS)
    found = runs(paths)
    assert {name: run.info.status for name, run in found.items()} == STATUSES
    first = found["trial-0"]
    assert first.data.params == {
        "learning_rate": "0.001",
        "model.text_cnn.widths": "[2, 3]",
        "tokenize.max_length": "64",
    }
    expected = {"score": 0.75, "quality": 0.75, "size_mb": 1.5, "seconds": 2.5, "epochs": 1.0}
    assert first.data.metrics == {**expected, "validation_score": 0.75}
    assert first.info.end_time - first.info.start_time == 2500
    client = mlflow.MlflowClient()
    history = client.get_metric_history(first.info.run_id, "validation_score")
    assert sorted((metric.step, metric.value) for metric in history) == [(1, 0.5), (2, 0.75)]
    assert found["trial-1"].data.tags["textmill.state"] == "pruned"
    assert found["trial-2"].data.tags["textmill.error"] == "out of memory"


def test_logging_again_adds_only_what_is_new(paths: Paths) -> None:
    log(paths, TRIALS[:1], TRIALS, TRIALS[:2])
    before = {name: run.info.run_id for name, run in runs(paths).items()}
    ended = {**TRIALS[3], "state": "complete", "score": 0.9, "seconds": 1.0}
    log(paths, [ended], [*TRIALS[:3], ended])
    after = {name: run.info.run_id for name, run in runs(paths).items()}
    assert after == {**before, "trial-3": after["trial-3"]}
    assert runs(paths)["trial-3"].data.metrics["score"] == 0.9


@pytest.mark.parametrize("moment", ["log_batch", "set_terminated"])
def test_a_kill_in_between_is_completed(paths: Paths, moment: str) -> None:
    code = f"""
import json, os, pathlib, signal, sys
import mlflow
from textmill import tracking
from textmill.paths import Paths
trials = json.load(sys.stdin)
paths = Paths(pathlib.Path({str(paths.root)!r}), pathlib.Path({str(paths.state)!r}))
with tracking.model_run(paths, "p", "search", "key") as active:
    tracking.log_trials(active, trials[:1])
    setattr(mlflow.MlflowClient, {moment!r}, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    tracking.log_trials(active, trials)
"""
    command = [sys.executable, "-c", code]
    users = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}  # MLflow has set it
    told = json.dumps(TRIALS)
    killed = subprocess.run(command, input=told, env=users, text=True, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert runs(paths)["trial-1"].info.status == "RUNNING"
    log(paths, TRIALS)
    found = runs(paths)
    assert {name: run.info.status for name, run in found.items()} == STATUSES
    assert found["trial-1"].data.metrics["score"] == 0.5
    client = mlflow.MlflowClient()
    assert len(client.get_metric_history(found["trial-1"].info.run_id, "validation_score")) == 1


def test_a_trial_costs_little_also_in_a_long_study(paths: Paths) -> None:
    many = [{**TRIAL, "number": number} for number in range(40)]
    with tracking.model_run(paths, "p", "search", "key") as active:
        tracking.log_trials(active, many[:39])
        start = time.perf_counter()
        tracking.log_trials(active, many[39:])
        assert time.perf_counter() - start < 0.5
    assert len(runs(paths)) == 40
