"""MLflow runs that follow a model through the stages, and lineage keys."""

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.artifacts import sha256
from textmill.errors import UserError
from textmill.paths import Paths
from textmill.tracking.trials import log_trials

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "TRAINING_CODE",
    "StoreUnusable",
    "connect",
    "lightning_logger",
    "lineage",
    "log",
    "log_dataset",
    "log_trials",
    "model_run",
    "open_store",
    "store_uri",
]

# What the lineage key of every stage that trains covers, relative to the package; dvc.yaml names the same.
TRAINING_CODE = (
    "data/batches.py",
    "data/bucketing.py",
    "data/tokenization/tokenizer.py",
    "data/tokens.py",
    "data/typing_errors.py",
    "long_documents.py",
    "models",
    "tasks.py",
    "training",
)

_DIGEST_CHARACTERS = 36  # that MLflow keeps
# MLflow writes the store that it uses into this variable; what the user set is what was there before.
_USERS_STORE = os.environ.get("MLFLOW_TRACKING_URI")


class StoreUnusable(UserError):
    """The MLflow store cannot be reached or read."""


def lineage(stage: str, params: dict[str, Any], code: Sequence[str], inputs: Sequence[Path]) -> dict[str, Any]:
    """What an artefact was made from, and the key that names it.

    Args:
        stage: the stage that makes it.
        params: the settings that the stage declares.
        code: files and folders of the package that do the work, relative to it (`training`, `runtime.py`).
        inputs: files and folders the stage reads; their content counts, not their names' folder.

    Returns:
        `{key, stage, params, code, inputs}`; `key` is the sha256 of the canonical JSON of the rest.
    """
    package = Path(__file__).parents[1]
    record = {
        "stage": stage,
        "params": params,
        "code": {name: sha256(package / name) for name in code},
        "inputs": {f"{path.parent.name}/{path.name}": sha256(path) for path in inputs},
    }
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"key": hashlib.sha256(canonical.encode()).hexdigest(), **record}


def store_uri(paths: Paths) -> str:
    """Where MLflow's store is: `MLFLOW_TRACKING_URI` where the user set it, else SQLite in the state root, which a bare
    `mlflow ui` in the repository shows.
    """
    return _USERS_STORE or f"sqlite:///{paths.mlflow_database}"


def open_store(paths: Paths) -> "MlflowClient":
    """Point MLflow at the store and return a client of it; nothing is created in a store that is there.

    Raises: StoreUnusable.
    """
    import logging

    import mlflow

    for noisy in ("alembic", "mlflow.store.db.utils"):  # the making of tables
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        mlflow.set_tracking_uri(store_uri(paths))
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)  # asks a server that may not be there
    except Exception as error:  # of MLflow, SQLAlchemy, the database's driver
        raise _unusable(paths, error) from None
    return client


def _unusable(paths: Paths, error: Exception) -> StoreUnusable:
    advice = (
        "MLFLOW_TRACKING_URI names it: start its server, correct the address, or unset the variable to use mlflow.db"
        if _USERS_STORE
        else f"Put a backup of {paths.mlflow_database} back, or move the file away: `make run` then registers again "
        "what DVC has kept, and earlier runs and versions are gone"
    )
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    told = f"The MLflow store {store_uri(paths)} cannot be used: {reason}. {advice}."
    return StoreUnusable(re.sub(r"//[^/@\s]+@", "//***@", told))  # no passwords


def connect(paths: Paths, project: str) -> str:
    """Point MLflow at the project's store and experiment; return the experiment's id.

    An experiment that was deleted in MLflow's page is restored, for its name cannot be used again.

    Raises: StoreUnusable.
    """
    import mlflow
    from filelock import FileLock

    lock = paths.lock("mlflow")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # two stages must not both create the tables, nor the experiment
        client = open_store(paths)
        experiment = client.get_experiment_by_name(project)
        if experiment is None:
            local = store_uri(paths).startswith("sqlite:")
            client.create_experiment(project, artifact_location=paths.mlflow_artifacts.as_uri() if local else None)
        elif experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return mlflow.set_experiment(project).experiment_id


@contextmanager
def model_run(
    paths: Paths, project: str, name: str, key: str, *, parent_key: str | None = None, system_metrics: bool = False
) -> Iterator[Any]:
    """Open the MLflow run of a model (`trained`, `int8`, ..., or `search`) by the lineage key of the artefact.

    The stage that makes the model opens its run first; evaluate and register add to it. Where no run has this key,
    because it is new or the store was deleted, a new one is made. No file holds the run's id: a file that two stages
    write would be an output that changes behind DVC's back.

    Args:
        parent_key: key of the model whose run this one is nested under.
        system_metrics: whether MLflow samples processor, memory, disk, network and GPU every ten seconds.
    """
    import mlflow

    experiment = connect(paths, project)
    client = mlflow.MlflowClient()
    _end_dead_runs(client, experiment, name)
    run_id = _find_run(client, experiment, name, key)
    tags = {"textmill.model": name, "textmill.lineage_key": key, "textmill.process": _process_name()}
    if parent_key and (parent_id := _find_run(client, experiment, None, parent_key)):
        tags["mlflow.parentRunId"] = parent_id
    tags |= _git_tags(paths.state)
    with mlflow.start_run(run_id=run_id, run_name=name, tags=tags, log_system_metrics=system_metrics) as run:
        yield run


def lightning_logger(run: Any, prefix: str = "") -> Any:
    """A Lightning logger that writes to an open run; metrics are named PREFIX-NAME where there is a prefix."""
    import mlflow
    from pytorch_lightning.loggers import MLFlowLogger

    return MLFlowLogger(run_id=run.info.run_id, tracking_uri=mlflow.get_tracking_uri(), log_model=False, prefix=prefix)


def log_dataset(path: Path, context: str, num_documents: int) -> None:
    """Name a table of documents as an input of the active run: its file, sha256 and size, none of its texts.

    MLflow's own digest is of a sample of the rows.

    Args:
        context: what the run uses it for: `train` or `validation`.
    """
    import mlflow
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest = sha256(path)
    dataset = Dataset(
        name=path.stem,
        digest=digest[:_DIGEST_CHARACTERS],
        source_type="local",
        source=json.dumps({"uri": str(path)}),
        profile=json.dumps({"num_documents": num_documents, "sha256": digest}),
    )
    run = mlflow.active_run()
    assert run is not None
    tags = [InputTag(key="mlflow.data.context", value=context)]
    mlflow.MlflowClient().log_inputs(run.info.run_id, [DatasetInput(dataset=dataset, tags=tags)])


def log(
    *,
    metrics: dict[str, float] | None = None,
    params: dict[str, Any] | None = None,
    artifacts: Path | None = None,
    folder: str | None = None,
) -> None:
    """Add figures, settings and files to the active run; `artifacts` is a file or a folder, put under `folder`."""
    import mlflow

    if params:
        mlflow.log_params(params)
    if metrics:
        mlflow.log_metrics(metrics)
    if artifacts is not None:
        attach = mlflow.log_artifacts if artifacts.is_dir() else mlflow.log_artifact
        attach(str(artifacts), artifact_path=folder)


def _find_run(client: Any, experiment: str, name: str | None, key: str) -> str | None:
    query = f"tags.`textmill.lineage_key` = '{key}'"
    if name:
        query += f" and tags.`textmill.model` = '{name}'"
    runs = client.search_runs([experiment], query, max_results=1, order_by=["attributes.start_time DESC"])
    return runs[0].info.run_id if runs else None


def _process_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _end_dead_runs(client: Any, experiment: str, name: str) -> None:
    """A process that was killed leaves its run RUNNING for ever: mark it KILLED."""
    import psutil

    query = f"attributes.status = 'RUNNING' and tags.`textmill.model` = '{name}'"
    for run in client.search_runs([experiment], query):
        host, _, pid = run.data.tags.get("textmill.process", "").rpartition(":")
        if host == socket.gethostname() and not psutil.pid_exists(int(pid)):
            client.set_terminated(run.info.run_id, status="KILLED")


def _git_tags(folder: Path) -> dict[str, str]:
    import subprocess

    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"textmill.git_commit": answer.stdout.strip()} if answer.returncode == 0 else {}
