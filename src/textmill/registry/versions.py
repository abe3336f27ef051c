"""Registered model versions: a bundle and its evidence, found again by the bundle's content."""

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from textmill import runtime, tracking
from textmill.artifacts import sha256
from textmill.errors import UserError
from textmill.paths import Paths
from textmill.registry.packaging import CLUSTERS, model_arguments

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

BUNDLE_TAG = "textmill.bundle_sha256"


class VersionNotFound(UserError):
    """The registry has no such model, alias or version, or its files are gone."""


@dataclass(frozen=True)
class Version:
    """A registered version of a model."""

    model: str
    number: int
    run_id: str
    source: str  # models:/ID of the logged model
    bundle_sha256: str
    tags: dict[str, str]

    @classmethod
    def of(cls, found: "ModelVersion") -> "Version":
        tags = dict(found.tags)
        return cls(
            model=found.name,
            number=int(found.version),
            run_id=str(found.run_id),
            source=str(found.source),
            bundle_sha256=tags.get(BUNDLE_TAG, ""),
            tags=tags,
        )


def connect(paths: Paths, project: str) -> "MlflowClient":
    """A client of the project's store; see `tracking.connect`."""
    import mlflow

    tracking.connect(paths, project)
    return mlflow.MlflowClient()


def open_existing(paths: Paths, project: str) -> "MlflowClient":
    """A client of a store that has to be there already.

    Raises: VersionNotFound.
    """
    if is_database_gone(paths):
        raise VersionNotFound(
            f"{paths.mlflow_database.name}, the registry's database, is not in {paths.state}. Run from the repository "
            "root after `dvc repro`; `dvc repro --single-item --force register` registers again what DVC has kept."
        )
    return connect(paths, project)


def is_database_gone(paths: Paths) -> bool:
    """Whether the store is the default one, SQLite in the state root, and its file is not there."""
    local = f"sqlite:///{paths.mlflow_database}"
    return os.environ.get("MLFLOW_TRACKING_URI", local) == local and not paths.mlflow_database.exists()


@contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """Hold the registry's lock: MLflow's aliases know no compare-and-set, the last writer wins."""
    lock = paths.lock("registry")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield


def register(
    client: "MlflowClient",
    model: str,
    bundle: Path,
    *,
    train_clusters: Collection[str],
    input_example: list[str],
    tags: dict[str, str],
) -> Version:
    """Register a bundle under the active run; the same bytes are the same version, never a second one.

    Hold the lock (`locked`) around it.

    Args:
        bundle: a folder of this name, which MLflow keeps.
        train_clusters: clusters (16 hex digits) of the documents that the model learned from; a later
            comparison leaves them out.
        input_example: texts that show what the model takes.
        tags: put on the version, also on one that is found again.
    """
    import mlflow

    assert bundle.name == "bundle", bundle
    digest = sha256(bundle)
    version = find(client, model, digest)
    if version is None:
        with model_arguments(bundle, train_clusters, input_example) as arguments, _quiet():
            info = mlflow.pyfunc.log_model(name=model, **arguments)
            # The tag is set in the same step as the version: a kill leaves none that would not be found.
            created = mlflow.register_model(f"models:/{info.model_id}", model, 0, tags={BUNDLE_TAG: digest, **tags})
            version = Version.of(created)
    else:
        _restore_files(client, version, bundle, train_clusters, input_example)
        set_tags(client, version, tags)
    return get(client, model, version.number)


def find(client: "MlflowClient", model: str, digest: str) -> Version | None:
    """The version with a bundle of this sha256."""
    found = client.search_model_versions(f"name = '{model}' and tags.`{BUNDLE_TAG}` = '{digest}'")
    return Version.of(min(found, key=lambda v: int(v.version))) if found else None


def get(client: "MlflowClient", model: str, reference: str | int) -> Version:
    """The version with this number or alias.

    Raises: VersionNotFound.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    number = str(reference)
    try:
        if not number.isdigit():
            return Version.of(client.get_model_version_by_alias(model, number))
        return Version.of(client.get_model_version(model, number))
    except MlflowException:
        found = client.search_model_versions(f"name = '{model}'")
        numbers = ", ".join(map(str, sorted(int(v.version) for v in found))) or "none"
        names = ", ".join(aliases(client, model)) or "none"
        raise VersionNotFound(
            f"{model}@{reference} is not in the registry ({mlflow.get_tracking_uri()}); versions: {numbers}; aliases: "
            f"{names}. `dvc repro` registers a model, `textmill promote --version N` makes a version the champion."
        ) from None


def aliases(client: "MlflowClient", model: str) -> dict[str, int]:
    """Which version each alias names; empty where the model is not registered."""
    from mlflow.exceptions import MlflowException

    try:
        return {alias: int(number) for alias, number in client.get_registered_model(model).aliases.items()}
    except MlflowException:
        return {}


def set_tags(client: "MlflowClient", version: Version, tags: dict[str, str]) -> None:
    for key, value in tags.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(version.model, str(version.number), key, value)


def fetch_bundle(version: Version) -> Path:
    """The local folder of a version's bundle. Raises: VersionNotFound."""
    return _fetch(version, "artifacts/bundle")


def fetch_train_clusters(version: Version) -> frozenset[str]:
    """The clusters that a version learned from. Raises: VersionNotFound."""
    clusters = np.load(_fetch(version, f"artifacts/{CLUSTERS}"), allow_pickle=False)
    return frozenset(f"{cluster:016x}" for cluster in clusters.tolist())


def _fetch(version: Version, path: str) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        with _quiet():
            local = Path(download_artifacts(f"models:/{version.model}/{version.number}/{path}"))
    except (MlflowException, OSError) as error:
        local, reason = Path(), str(error)
    else:
        reason = "the files are not there"
    if local == Path() or not local.exists():
        raise VersionNotFound(
            f"{path} of {version.model} version {version.number} cannot be read: {reason}. Put the registry's files "
            "back, or register the model again with `dvc repro --single-item --force register`."
        )
    return local


def has_files(version: Version) -> bool:
    """Whether the version's files are in the artifact store."""
    try:
        return (fetch_bundle(version) / runtime.MANIFEST).is_file()
    except VersionNotFound:
        return False


def has_deleted_run(client: "MlflowClient", version: Version) -> bool:
    """Whether the version's run was deleted and can be restored."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(version.run_id).info.lifecycle_stage == "deleted")
    except MlflowException:  # deleted for good
        return False


def _restore_files(
    client: "MlflowClient", version: Version, bundle: Path, train_clusters: Collection[str], input_example: list[str]
) -> None:
    """Bring back the files of a version that still stands."""
    import mlflow

    if not has_files(version):
        model_id = version.source.removeprefix("models:/")
        same = mlflow.models.Model(run_id=version.run_id, model_id=model_id)
        packed = model_arguments(bundle, train_clusters, input_example)
        with tempfile.TemporaryDirectory() as folder, packed as arguments, _quiet():
            mlflow.pyfunc.save_model(f"{folder}/model", mlflow_model=same, **arguments)
            client.log_model_artifacts(model_id, f"{folder}/model")


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow tells of every step, and shows a bar for every file."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
