"""A bundle packed as an MLflow model that needs neither textmill nor a training library to be served.

Into the registry, out of it, and brought back where its files are damaged.
"""

import contextlib
import io
import json
import logging
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textmill import bundle as bundle_module
from textmill import engines, errors, long_documents, runtime, tasks
from textmill.artifacts import sha256
from textmill.bundle import read_manifest
from textmill.registry.versions import BUNDLE_TAG, Version, VersionNotFound, find, get, set_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

CLUSTERS = "train_clusters.npy"
REQUIREMENTS = ("mlflow", "onnxruntime", "tokenizers", "numpy", "pydantic")  # and the engine, where it is another
SHIPPED = (bundle_module, engines, errors, long_documents, runtime, tasks)  # what the served model runs on

# As src/textmill/__init__.py does: onnxruntime would report what it runs to its maker.
_PACKAGE = '''"""textmill's runtime as of the day this model was registered."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
'''


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
        with _model_arguments(bundle, train_clusters, input_example) as arguments, quiet():
            info = mlflow.pyfunc.log_model(name=model, **arguments)
            # The tag is set in the same step as the version: a kill leaves none that would not be found.
            created = mlflow.register_model(f"models:/{info.model_id}", model, 0, tags={BUNDLE_TAG: digest, **tags})
            version = Version.of(created)
    else:
        if not (has_files(version) and _stored_example(version) == input_example):
            _pack_again(client, version, bundle, train_clusters, input_example)
        set_tags(client, version, tags)
    return get(client, model, version.number)


def fetch_bundle(version: Version) -> Path:
    """The local folder of a version's bundle. Raises: VersionNotFound."""
    return _fetch(version, "artifacts/bundle")


def fetch_train_clusters(version: Version) -> frozenset[str]:
    """The clusters that a version learned from. Raises: VersionNotFound."""
    file = _fetch(version, f"artifacts/{CLUSTERS}")
    try:
        clusters = np.load(file, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise _unreadable(version, file.name, error) from None
    return frozenset(f"{cluster:016x}" for cluster in clusters.tolist())


def _fetch(version: Version, path: str) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        with quiet():
            local = Path(download_artifacts(f"models:/{version.model}/{version.number}/{path}"))
    except (MlflowException, OSError) as error:
        raise _unreadable(version, path, error) from None
    if not local.exists():
        raise _unreadable(version, path, "the files are not there")
    return local


def _unreadable(version: Version, path: str, reason: object) -> VersionNotFound:
    return VersionNotFound(
        f"{path} of {version.model} version {version.number} cannot be read: {reason}. Put the registry's files back; "
        "of the model of the last run, `make run` does it."
    )


def has_files(version: Version) -> bool:
    """Whether the version's files in the artifact store are those that were registered."""
    try:
        fetch_train_clusters(version)
        return sha256(fetch_bundle(version)) == version.bundle_sha256
    except (VersionNotFound, OSError):
        return False


def _stored_example(version: Version) -> Any:
    try:
        return json.loads(_fetch(version, "input_example.json").read_text(encoding="utf-8"))
    except (VersionNotFound, OSError, ValueError):
        return None


def _pack_again(
    client: "MlflowClient", version: Version, bundle: Path, train_clusters: Collection[str], input_example: list[str]
) -> None:
    """Write the files of a version that still stands anew."""
    import mlflow

    model_id = version.source.removeprefix("models:/")
    same = mlflow.models.Model(run_id=version.run_id, model_id=model_id)
    packed = _model_arguments(bundle, train_clusters, input_example)
    with tempfile.TemporaryDirectory() as folder, packed as arguments, quiet():
        mlflow.pyfunc.save_model(f"{folder}/model", mlflow_model=same, **arguments)
        client.log_model_artifacts(model_id, f"{folder}/model")


@contextmanager
def _model_arguments(
    bundle: Path, train_clusters: Collection[str], input_example: list[str]
) -> Iterator[dict[str, Any]]:
    """What MLflow logs a model from: the code that serves it, its task, its files and its pinned requirements."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = read_manifest(bundle, verify=False)
        required = dict.fromkeys([*REQUIREMENTS, manifest["engine"]["name"]])
        clusters = Path(folder, CLUSTERS)
        np.save(clusters, np.array(sorted(int(cluster, 16) for cluster in train_clusters), dtype=np.uint64))
        yield {
            "python_model": Path(__file__).with_name("pyfunc.py"),
            "model_config": {"task": manifest["task"]},
            "artifacts": {"bundle": str(bundle), "runtime": str(_ship_runtime(Path(folder))), CLUSTERS: str(clusters)},
            "input_example": input_example,
            "pip_requirements": [f"{name}=={installed(name)}" for name in required],
        }


def _ship_runtime(folder: Path) -> Path:
    """Copy the runtime, so that the served model needs no textmill; its imports of textmill become relative."""
    shipped = folder / "runtime"
    shipped.mkdir()
    for module in SHIPPED:
        source = Path(str(module.__file__))
        relative = source.read_text(encoding="utf-8").replace("from textmill.", "from .")
        imported = set(re.findall(r"^from \.(\w+) import", relative, re.MULTILINE))
        names = {Path(str(other.__file__)).stem for other in SHIPPED}
        assert imported <= names and "import textmill" not in relative, f"{source.name} imports what is not shipped"
        (shipped / source.name).write_text(relative, encoding="utf-8")
    (shipped / "__init__.py").write_text(_PACKAGE, encoding="utf-8")
    return shipped


@contextmanager
def quiet() -> Iterator[None]:
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
