"""A finished pipeline run in a folder, with everything that register and report read, in a second.

The models are tiny, but nothing is pretended: real documents, real bundles, and the real evaluation.
"""

import shutil
import tempfile
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from textmill.artifacts import DOCUMENTS, write_json, write_table
from textmill.config import Params, load_params
from textmill.evaluation.case import Settings
from textmill.evaluation.primary import name_primary
from textmill.evaluation.report import evaluate, skip
from textmill.evaluation.selection import Budget, Candidate, select
from textmill.paths import Paths

REPOSITORY = Path(__file__).parents[1]
PROJECT = "tiny"
MODELS = ("full", "int8", "baseline")


def tiny_run(
    root: Path,
    *,
    state: Path | None = None,
    task: str = "single_label",
    noise: float = 0.0,
    seed: int = 0,
    skipped: dict[str, str] | None = None,
    splits: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    examined: bool = False,
    **changes: Any,
) -> Paths:
    """Write params.yaml, splits, bundles and reports into `root`; an earlier run there is replaced.

    Args:
        state: where the registry lies; `root` itself by default.
        noise: makes the chosen model, `int8`, worse; `full` has always noise 0.3 and `baseline` 1.
        skipped: further recipes that made nothing, with their reasons.
        splits: train and test (which is validation as well), instead of those of the task.
        examined: with spoilt texts, shift and a search for weak slices, which take time.
        changes: params by dotted name with `__` for the dot, such as `gate__min_quality=0.9`.
    """
    paths = Paths(root=root, state=state or root)
    for folder in ("data", "models", "reports"):
        shutil.rmtree(root / folder, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    paths.state.mkdir(parents=True, exist_ok=True)
    if not paths.mlflow_database.exists():
        shutil.copy(migrated_database(), paths.mlflow_database)
    params = write_params(paths, examined=examined, task=task, **changes)
    documents = documents_of(task)
    train, test = splits or (documents[:5000], documents[5000:6200])
    for name, split in (("train", train), ("validation", test), ("test", test)):
        write_table(paths.split(name), split, DOCUMENTS)
    for name, level in zip(MODELS, (0.3, noise, 1.0), strict=True):
        tiny_bundle(paths.bundle(name), train, task=task, noise=level, seed=seed, recipe=name)
    write_reports(paths, params, test, skipped or {})
    return paths


def write_params(paths: Paths, *, examined: bool = False, **changes: Any) -> Params:
    """The repository's params.yaml with two recipes, a floor of 0.6 and few resamples."""
    values = deepcopy(repository_params())
    values["project"] = PROJECT
    values["compress"]["recipes"] = {name: values["compress"]["recipes"][name] for name in ("full", "int8")}
    values["gate"] |= {"min_quality": 0.6, "num_resamples": 500}
    values["evaluate"] |= {"num_resamples": 200, "latency_documents": 20, "startup_processes": 0, "batch_sizes": [1, 8]}
    values["evaluate"]["robustness"]["documents"] = values["evaluate"]["shift"]["documents"] = 20 if examined else 0
    values["evaluate"]["slices"]["most_weak"] = 10 if examined else 0
    for name, value in changes.items():
        section, separator, key = name.partition("__")
        if separator:
            values[section][key] = value
        else:
            values[section] = value
    if values["task"] != "single_label":
        values["clean"]["labels"] = None
    YAML(typ="safe").dump(values, paths.params)
    return load_params(paths.params)


def write_reports(paths: Paths, params: Params, test: pd.DataFrame, skipped: dict[str, str]) -> None:
    """Evaluation of every model on test, and a selection that chooses `int8`."""
    settings = Settings(**params.evaluate.model_dump(), seed=params.seed)
    candidates = []
    for name in MODELS:
        fitted = evaluate(paths.bundle(name), test, settings, split="validation")
        fitted.write(paths.evaluation("validation", name))
        evaluation = evaluate(paths.bundle(name), test, settings, split="test", fitted=fitted.report)
        evaluation.write(paths.evaluation("test", name))
        figures = {key: evaluation.metrics[key] for key in ("size_mb", "latency_p50_ms", "throughput_per_s")}
        score = {"full": 0.8, "int8": 0.8, "baseline": 0.7}[name]
        candidates.append(Candidate(name=name, score=score, is_baseline=name == "baseline", **figures))
    for name, reason in skipped.items():
        for split in ("validation", "test"):
            skip(reason).write(paths.evaluation(split, name))
    selection = select(candidates, Budget(), "quality", allow_baseline=False, figure=name_primary(params.task))
    write_json(paths.selection, {**selection, "chosen": "int8", "skipped": skipped})


@cache
def repository_params() -> dict[str, Any]:
    values: dict[str, Any] = YAML(typ="safe").load(REPOSITORY / "params.yaml")
    return values


@cache
def migrated_database() -> Path:
    """An MLflow database with its tables, which take seconds to make."""
    import mlflow

    path = Path(tempfile.mkdtemp(prefix="textmill-test-")) / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path
