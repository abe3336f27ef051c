"""A model's way into the registry with its evidence, the record of it, and the check that both still agree."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from textmill import tracking
from textmill.artifacts import read_json, read_table, sha256, write_json
from textmill.bundle import read_manifest
from textmill.config import Params
from textmill.paths import Paths
from textmill.registry import packaging, promotion, versions
from textmill.registry.gate import Contender, Decision, Settings
from textmill.registry.versions import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FIGURES = (  # those of them that the task has
    *(f"{name}{end}" for name in ("score", "f1_macro", "r2") for end in ("", "_low", "_high")),
    *("accuracy", "subset_accuracy", "rmse", "mae", "size_mb", "latency_p50_ms"),
)


def gate_settings(params: Params) -> Settings:
    return Settings(**params.gate.model_dump(), seed=params.seed)


def measured_contender(paths: Paths, client: "MlflowClient", model: str, name: str, test: pd.DataFrame) -> Contender:
    """A model that this pipeline run has measured, with its predictions on the test split."""
    bundle = paths.bundle(name)
    answers = read_table(paths.evaluation("test", name) / "predictions.parquet", ["id", "predicted"])
    predicted_N = answers.set_index("id")["predicted"].reindex(test["id"]).to_numpy(dtype=object)
    assert not pd.isna(predicted_N).any(), f"the predictions of {name} are of another test split"
    known = versions.find(client, model, sha256(bundle))
    manifest = read_manifest(bundle, verify=False)
    return Contender(
        task=manifest["task"],
        labels=manifest["labels"],
        predicted_N=predicted_N,
        train_clusters=frozenset(read_table(paths.split("train"), ["cluster"])["cluster"]),
        version=known.number if known else None,
    )


def register_model(
    client: "MlflowClient",
    params: Params,
    paths: Paths,
    name: str,
    *,
    parent: Version | None = None,
    decision: Decision | None = None,
) -> Version:
    """Register a model's bundle with its figures as tags and its reports as artefacts of its run.

    Args:
        name: the model under models/.
        parent: the version that it was made from.
        decision: what the gate said; None for a model that does not stand for election. A version that was champion
            keeps what was said when it was crowned.
    """
    bundle = paths.bundle(name)
    known = versions.find(client, params.project, sha256(bundle))
    if known and versions.has_deleted_run(client, known):
        client.restore_run(known.run_id)
    if known and promotion.was_champion(client, known):
        decision = None
    key = read_manifest(bundle, verify=False)["lineage"]["key"]
    parent_key = parent.tags["textmill.lineage_key"] if parent else None
    with tracking.model_run(paths, params.project, name, key, parent_key=parent_key):
        version = packaging.register(
            client,
            params.project,
            bundle,
            train_clusters=read_table(paths.split("train"), ["cluster"])["cluster"],
            input_example=_input_example(params, paths),
            tags=_tags(paths, name, parent, decision),
        )
        _attach_evidence(paths, name, decision)
    return version


def _tags(paths: Paths, name: str, parent: Version | None, decision: Decision | None) -> dict[str, str]:
    manifest = read_manifest(paths.bundle(name), verify=False)
    metrics = read_json(paths.evaluation("test", name) / "metrics.json")
    tags = {
        "textmill.recipe": name,
        "textmill.family": manifest["family"],
        "textmill.lineage_key": manifest["lineage"]["key"],
        "textmill.parent_version": str(parent.number) if parent else "none",
        "textmill.task": manifest["task"],
        **{f"textmill.{figure}": f"{metrics[figure]:.6g}" for figure in _FIGURES if figure in metrics},
    }
    if experiment := promotion.inside_experiment():
        tags["textmill.dvc_experiment"] = experiment
    return tags | (promotion.gate_tags(decision) if decision else {})


def _attach_evidence(paths: Paths, name: str, decision: Decision | None) -> None:
    """Put the reports under `evidence` of the active run."""
    with tempfile.TemporaryDirectory() as folder:
        test = paths.evaluation("test", name)
        made = paths.model(name) / "evidence.json"  # of the baseline there is none
        for file in (test / "metrics.json", test / "report.json", paths.selection, *([made] if made.exists() else [])):
            shutil.copy(file, folder)
        if decision:
            write_json(Path(folder, "gate.json"), decision.to_json())
        tracking.log(artifacts=Path(folder), folder="evidence")


def _input_example(params: Params, paths: Paths) -> list[str]:
    if not params.report.include_texts:
        return ["A text to label.", "Another one."]
    return [str(text) for text in read_table(paths.split("test"), ["text"])["text"].head(2)]


def record(client: "MlflowClient", model: str, full: Version, name: str, chosen: Version, gate: Decision) -> Any:
    """What reports/registration.json says."""
    aliases = versions.aliases(client, model)
    entries = {"full": _entry(full), "chosen": {"name": name, **_entry(chosen)}}
    return {
        "model_name": model,
        "experiment": promotion.inside_experiment(),
        "versions": entries,
        "gate": gate.to_json(),
        "champion_version": aliases.get(promotion.CHAMPION),
        "challenger_version": aliases.get(promotion.CHALLENGER),
    }


def _entry(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "run_id": version.run_id,
        "bundle_sha256": version.bundle_sha256,
        "lineage_key": version.tags["textmill.lineage_key"],
    }


def describe_version(paths: Paths, model: str, number: int, headline: str, run_id: str) -> None:
    """Give a version its description, and a link from it to the report among the artefacts of a run."""
    client = versions.connect(paths, model)
    version = versions.get(client, model, number)
    client.update_model_version(model, str(number), description=headline)
    versions.set_tags(client, version, {"textmill.report": f"runs:/{run_id}/report/index.html"})


def find_difference(paths: Paths) -> str | None:
    """One line on where the registry no longer says what reports/registration.json says; None if it does.

    Raises: MissingArtifact, StoreUnusable.
    """
    said = read_json(paths.registration)
    model = said["model_name"]
    if (experiment := said.get("experiment")) and not promotion.inside_experiment():
        return f"the last registration was inside the experiment {experiment}, where no alias moves"
    if versions.is_database_gone(paths):
        return f"{paths.mlflow_database.name}, the registry's database, is gone"
    client = versions.open_existing(paths)
    for entry in said["versions"].values():
        version = versions.find(client, model, entry["bundle_sha256"])
        if version is None or version.number != entry["version"]:
            now = "gone" if version is None else f"version {version.number}"
            return f"{model} version {entry['version']} is {now} in the registry"
        if not packaging.has_files(version):
            return f"the files of {model} version {version.number} are missing or damaged"
        if versions.has_deleted_run(client, version):
            return f"the run of {model} version {version.number} is deleted"
    aliases = versions.aliases(client, model)
    for alias in (promotion.CHAMPION, promotion.CHALLENGER):
        expected, found = said[f"{alias}_version"], aliases.get(alias)
        if expected != found:
            return f"{model}@{alias} is version {found or 'none'}; registration.json says {expected or 'none'}"
    return None
