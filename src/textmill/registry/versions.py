"""Registered model versions: found by number, by alias, or by the content of their bundle."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from textmill import tracking
from textmill.config import Name
from textmill.errors import UserError
from textmill.paths import Paths

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

BUNDLE_TAG = "textmill.bundle_sha256"


class VersionNotFound(UserError):
    """The registry has no such model, alias or version, or its files are gone."""


class InvalidReference(UserError):
    """What should name a version does not."""


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
    """A client of the project's store, with its experiment; see `tracking.connect`."""
    import mlflow

    tracking.connect(paths, project)
    return mlflow.MlflowClient()


def open_existing(paths: Paths) -> "MlflowClient":
    """A client of a store that has to be there already; nothing is written to it.

    Raises: VersionNotFound, StoreUnusable.
    """
    if is_database_gone(paths):
        raise VersionNotFound(
            f"{paths.mlflow_database.name}, the registry's database, is not in {paths.state}. Run from the repository "
            "root after `dvc repro`; `dvc repro --single-item --force register` registers again what DVC has kept."
        )
    return tracking.open_store(paths)


def is_database_gone(paths: Paths) -> bool:
    """Whether the store is the default one, SQLite in the state root, and its file is not there."""
    local = f"sqlite:///{paths.mlflow_database}"
    return tracking.store_uri(paths) == local and not paths.mlflow_database.exists()


@contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """Hold the registry's lock: MLflow's aliases know no compare-and-set, the last writer wins."""
    lock = paths.lock("registry")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield


def parse_reference(text: str) -> tuple[str, str]:
    """Name, and number or alias, of NAME@NUMBER or NAME@ALIAS; a name alone means the champion.

    Raises: InvalidReference.
    """
    name, at, reference = text.partition("@")
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        valid = False
    else:
        valid = bool(reference) or not at
    if not valid:
        raise InvalidReference(
            f"{text!r} is neither a bundle folder nor NAME@ALIAS nor NAME@VERSION, such as models/int8/bundle, "
            "movie-reviews@champion or movie-reviews@3."
        )
    return name, reference or "champion"


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
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # "no champion" must not be what a broken line says
            raise
        return {}


def set_tags(client: "MlflowClient", version: Version, tags: dict[str, str]) -> None:
    for key, value in tags.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(version.model, str(version.number), key, value)


def has_deleted_run(client: "MlflowClient", version: Version) -> bool:
    """Whether the version's run was deleted and can be restored."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(version.run_id).info.lifecycle_stage == "deleted")
    except MlflowException:  # deleted for good
        return False
