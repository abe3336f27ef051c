import hashlib
import json
import shutil
import subprocess
import sys
import time

import mlflow
import pytest

from tests.tiny_run import migrated_database
from textmill import tracking
from textmill.paths import Paths


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    return Paths(root=folder / "root", state=folder)


def runs(paths, query=""):
    return mlflow.MlflowClient(f"sqlite:///{paths.mlflow_database}").search_runs(
        [tracking.connect(paths, "project")], query
    )


def test_the_key_follows_params_code_and_inputs(tmp_path):
    (tmp_path / "in").write_text("1")

    def key(params=None, code=("errors.py",), stage="train"):
        return tracking.lineage(stage, params or {"a": 1}, code, [tmp_path / "in"])["key"]

    first = key()
    assert key() == first
    assert len({first, key({"a": 2}), key(code=("errors.py", "paths.py")), key(stage="tune")}) == 4
    (tmp_path / "in").write_text("2")
    assert key() != first


def test_a_run_is_found_again_by_the_artefacts_key(paths):
    with tracking.model_run(paths, "project", "full", "k1"):
        tracking.log(metrics={"size_mb": 1.0}, params={"from": "trained"})
    with tracking.model_run(paths, "project", "full", "k1"):
        tracking.log(metrics={"f1": 0.5})
    with tracking.model_run(paths, "project", "full", "k2", parent_key="k1"):
        pass
    (first,) = runs(paths, "tags.`textmill.lineage_key` = 'k1'")
    assert first.data.metrics == {"size_mb": 1.0, "f1": 0.5}
    assert first.info.status == "FINISHED"
    (second,) = runs(paths, "tags.`textmill.lineage_key` = 'k2'")
    assert second.data.tags["mlflow.parentRunId"] == first.info.run_id


def test_a_failed_stage_marks_its_run(paths):
    with pytest.raises(RuntimeError), tracking.model_run(paths, "project", "int8", "broken"):
        raise RuntimeError
    assert runs(paths, "tags.`textmill.lineage_key` = 'broken'")[0].info.status == "FAILED"


def test_the_run_of_a_killed_process_does_not_stay_running(paths):
    code = (
        "import os, signal, pathlib; from textmill import tracking; from textmill.paths import Paths;"
        f"p = Paths(pathlib.Path({str(paths.root)!r}), pathlib.Path({str(paths.state)!r}));"
        "run = tracking.model_run(p, 'project', 'trained', 'killed'); run.__enter__();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == -9
    assert runs(paths, "tags.`textmill.lineage_key` = 'killed'")[0].info.status == "RUNNING"
    with tracking.model_run(paths, "project", "trained", "another"):
        pass
    assert runs(paths, "tags.`textmill.lineage_key` = 'killed'")[0].info.status == "KILLED"


def test_the_dataset_is_an_input_with_the_hash_of_the_whole_file(paths, tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"rows of secret texts")
    for _ in range(2):  # a stage that is run again names it once
        with tracking.model_run(paths, "project", "trained", "with data"):
            tracking.log_dataset(tmp_path / "train.parquet", "train", 7)
    (found,) = runs(paths, "tags.`textmill.lineage_key` = 'with data'")
    (given,) = found.inputs.dataset_inputs
    digest = hashlib.sha256(b"rows of secret texts").hexdigest()
    assert (given.dataset.name, given.dataset.digest) == ("train", digest[:36])
    assert json.loads(given.dataset.profile) == {"num_documents": 7, "sha256": digest}
    assert json.loads(given.dataset.source)["uri"].endswith("train.parquet")
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "train")]


def test_system_metrics_are_sampled_where_asked(paths, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    for name, asked in (("sampled", True), ("quiet", False)):
        with tracking.model_run(paths, "project", "trained", name, system_metrics=asked):
            time.sleep(1.0)
        (found,) = runs(paths, f"tags.`textmill.lineage_key` = '{name}'")
        assert ("system/cpu_utilization_percentage" in found.data.metrics) == asked


def test_a_prefix_tells_the_seeds_apart(paths):
    with tracking.model_run(paths, "project", "trained", "seeds") as active:
        for seed in (1, 2):
            tracking.lightning_logger(active, f"seed-{seed}").log_metrics({"train_loss": seed / 2}, step=3)
    (found,) = runs(paths, "tags.`textmill.lineage_key` = 'seeds'")
    assert found.data.metrics == {"seed-1-train_loss": 0.5, "seed-2-train_loss": 1.0}


def test_artefacts_of_runs_lie_in_the_state_root(paths, tmp_path):
    (tmp_path / "figures.json").write_text("{}")
    with tracking.model_run(paths, "project", "full", "k1"):
        tracking.log(artifacts=tmp_path / "figures.json", folder="validation")
    assert list(paths.mlflow_artifacts.glob("*/artifacts/validation/figures.json"))


def test_each_state_root_has_its_own_store(tmp_path):
    """MLflow exports the store that it uses, which must not be taken for the user's own."""
    for name in ("one", "two"):
        state = tmp_path / name
        state.mkdir()
        shutil.copy(migrated_database(), state / "mlflow.db")
        other = Paths(root=state, state=state)
        tracking.connect(other, f"project-{name}")
        client = mlflow.MlflowClient(f"sqlite:///{state / 'mlflow.db'}")
        assert [found.name for found in client.search_experiments()] == [f"project-{name}", "Default"]


def test_the_users_own_store_comes_first(paths, monkeypatch, tmp_path):
    monkeypatch.setattr(tracking, "_USERS_STORE", f"sqlite:///{tmp_path / 'own.db'}")
    assert tracking.store_uri(paths) == f"sqlite:///{tmp_path / 'own.db'}"


def test_a_deleted_experiment_is_restored(paths):
    experiment = tracking.connect(paths, "deleted")
    mlflow.MlflowClient().delete_experiment(experiment)
    assert tracking.connect(paths, "deleted") == experiment
    with tracking.model_run(paths, "deleted", "full", "k"):
        pass


def test_a_damaged_database_is_told(tmp_path):
    damaged = Paths(root=tmp_path, state=tmp_path)
    damaged.mlflow_database.write_text("not a database " * 500)
    with pytest.raises(tracking.StoreUnusable, match=r"mlflow\.db cannot be used: .*Put a backup of") as error:
        tracking.connect(damaged, "project")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "http://me:secret@127.0.0.1:9", "gopher://x"])
def test_a_store_that_cannot_be_reached_is_told_without_its_password(paths, monkeypatch, uri):
    monkeypatch.setattr(tracking, "_USERS_STORE", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for connect in (tracking.open_store, lambda paths: tracking.connect(paths, "project")):
        with pytest.raises(tracking.StoreUnusable, match="MLFLOW_TRACKING_URI names it") as error:
            connect(paths)
        assert uri.replace("me:secret", "***") in str(error.value)
        assert "secret" not in str(error.value)
