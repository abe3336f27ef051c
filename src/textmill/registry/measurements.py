"""The figures that a model of the past had on its test split, found by version, alias, run, folder or name."""

import re
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from textmill.artifacts import read_json
from textmill.evaluation.measured import FILES, Measured, NotMeasured, read_measured
from textmill.paths import Paths
from textmill.registry import versions
from textmill.registry.packaging import quiet
from textmill.registry.versions import Version, VersionNotFound

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_FOLDER = "test"  # of a run's artefacts, where the stage `evaluate` puts the figures
_MOST_PARENTS = 20


def find_measured(paths: Paths, project: str, models: Collection[str], reference: str) -> Measured:
    """What a user calls by `NAME@3`, `NAME@champion`, `3`, `@champion`, a run's id, a folder, or a model's name.

    Args:
        project: the registered model that `3` and `@champion` speak of.
        models: names of the models of this working copy, whose figures are under reports/test.

    Raises: NotMeasured, VersionNotFound, StoreUnusable.
    """
    name, at, alias = reference.partition("@")
    folder = Path(reference)
    if reference.isdigit():
        return _read_version(paths, project, reference)
    if at and alias and "/" not in name:
        return _read_version(paths, name or project, alias)
    if _RUN_ID.fullmatch(reference):
        return _read_run(paths, reference)
    if reference in models:
        return _read_model(paths, reference)
    if folder.is_dir():
        return read_measured(folder, str(folder))
    raise NotMeasured(
        f"{reference!r} is no model that could be compared. Name a registered version ({project}@3, @champion or "
        f"3), the id of an MLflow run, a folder with {', '.join(FILES)}, or one of the models whose figures are under "
        f"reports/test: {', '.join(models)}."
    )


def _read_version(paths: Paths, model: str, reference: str) -> Measured:
    client = versions.open_existing(paths)
    version = versions.get(client, model, reference)
    names = [alias for alias, number in versions.aliases(client, model).items() if number == version.number]
    title = f"{model}@{version.number}" + (f" ({', '.join(names)})" if names else "")
    origin = {"version": title, "recipe": version.tags.get("textmill.recipe", "unknown")}
    measured = _read_artifacts(client, _get_run(client, version.run_id, title), title, origin)
    _check_bundle(version, measured)
    return measured


def _check_bundle(version: Version, measured: Measured) -> None:
    """A model that is trained again from the same inputs adds to the same run, and its bytes may be others."""
    if measured.report["bundle_sha256"] != version.bundle_sha256:
        raise NotMeasured(
            f"The run of {measured.title} ({version.run_id}) holds the figures of another bundle, "
            f"{measured.report['bundle_sha256'][:12]}, which was measured later under the same lineage key; those of "
            f"{version.bundle_sha256[:12]} are gone. `textmill promote --version {version.number}` measures a version "
            "against the champion on today's test split."
        )


def _read_run(paths: Paths, run_id: str) -> Measured:
    client = versions.open_existing(paths)
    run = _get_run(client, run_id, f"run {run_id}")
    return _read_artifacts(client, run, f"{run.info.run_name} (run {run_id[:8]})", {})


def _read_model(paths: Paths, name: str) -> Measured:
    """A model of this working copy; its settings are those of its run, where the store is there."""
    folder, manifest = paths.evaluation("test", name), paths.bundle(name) / "bundle.json"
    settings, origin = None, {"folder": str(folder.relative_to(paths.root))}
    if manifest.exists() and not versions.is_database_gone(paths):
        client, key = versions.open_existing(paths), read_json(manifest)["lineage"]["key"]
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        query = f"tags.`textmill.lineage_key` = '{key}' and tags.`textmill.model` = '{name}'"
        if runs := client.search_runs(experiments, query, max_results=1):
            settings, origin = _settings(client, runs[0]), {**origin, **_origin(runs[0])}
    return read_measured(folder, name, settings=settings, origin=origin)


def _get_run(client: "MlflowClient", run_id: str, title: str) -> "Run":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException:
        raise VersionNotFound(
            f"{title}: the store has no run {run_id}. `mlflow ui` lists the runs; `make run` registers again what DVC "
            "has kept."
        ) from None


def _read_artifacts(client: "MlflowClient", run: "Run", title: str, origin: dict[str, str]) -> Measured:
    from mlflow.exceptions import MlflowException

    run_id = run.info.run_id
    try:
        found = {Path(file.path).name for file in client.list_artifacts(run_id, _FOLDER)}
        if missing := [name for name in FILES if name not in found]:
            raise NotMeasured(
                f"{title}: its MLflow run {run_id} has no figures on the test split: {', '.join(missing)} is not among "
                f"its artefacts under {_FOLDER}/. Models get them from the stage `test`; `dvc repro` runs it for those "
                "of params.yaml."
            )
        with tempfile.TemporaryDirectory() as folder:
            with quiet():
                for name in FILES:  # one by one: much else may lie beside them
                    client.download_artifacts(run_id, f"{_FOLDER}/{name}", folder)
            settings, origin = _settings(client, run), {**origin, **_origin(run)}
            return read_measured(Path(folder), title, settings=settings, origin=origin)
    except (MlflowException, OSError) as error:
        raise NotMeasured(
            f"The figures of {title} cannot be fetched from its MLflow run {run_id}: {error}. Put the store's files "
            "back, or name a folder of figures in its place."
        ) from None


def _settings(client: "MlflowClient", run: "Run") -> dict[str, str]:
    """What the run and those of the models it was made from wrote down: `trained.learning_rate`, `int8.steps`."""
    from mlflow.exceptions import MlflowException

    settings: dict[str, str] = {}
    for _ in range(_MOST_PARENTS):
        settings |= {f"{run.info.run_name}.{key}": value for key, value in run.data.params.items()}
        try:
            run = client.get_run(run.data.tags["mlflow.parentRunId"])
        except (KeyError, MlflowException):  # the first one; or its parent was deleted for good
            break
    return settings


def _origin(run: "Run") -> dict[str, str]:
    tags = {"run": run.info.run_id} | {
        name: run.data.tags.get(f"textmill.{key}")
        for name, key in (("model", "model"), ("lineage key", "lineage_key"), ("git commit", "git_commit"))
    }
    return {name: str(value) for name, value in tags.items() if value}
