"""`textmill report` as a user types it, on two registered runs in a real MLflow store."""

import re
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from typer.testing import CliRunner, Result

from pipeline import evaluate, register
from tests.tiny_run import PROJECT, tiny_run
from textmill import tracking
from textmill.artifacts import read_json, write_json
from textmill.cli import app
from textmill.config import load_params
from textmill.evaluation import examination
from textmill.paths import Paths

OLD = "reports of the run before"


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Version 2 is a noisy int8, the champion; version 3 a good one, the challenger. Version 1 is full, of both.

    The stage test has run of int8 only, so the run of full holds no figures.
    """
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_EXP_BASELINE_REV", "MLFLOW_TRACKING_URI", "DVC_ROOT"):
            patch.delenv(name, raising=False)
        patch.setattr(examination, "PARTS", {})  # they are slow, and nothing to this command
        for noise in (0.6, 0.0):
            paths = tiny_run(root, noise=noise, gate__min_quality=0.0)
            params = load_params(paths.params)
            evaluate.run(params, paths, "int8", "test")
            register.run(params, paths)
            if noise:
                shutil.copytree(paths.evaluation("test", "int8"), root / OLD)
    return paths


@pytest.fixture
def run(two_runs: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(two_runs.root)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return two_runs


def call(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["report", *arguments])


def run_of(paths: Paths, version: str) -> str:
    client = mlflow.MlflowClient(f"sqlite:///{paths.mlflow_database}")
    return str(client.get_model_version(PROJECT, version).run_id)


@pytest.mark.parametrize("old", ["2", "@champion", f"{PROJECT}@2", f"{PROJECT}@champion", "the run", OLD])
def test_two_versions_however_they_are_called(run: Paths, old: str) -> None:
    shown = call("--compare", run_of(run, "2") if old == "the run" else old, "@challenger")
    assert shown.exit_code == 0, shown.output
    scores = {}
    for name, folder in (("A", run.root / OLD), ("B", run.evaluation("test", "int8"))):
        table = pd.read_parquet(folder / "predictions.parquet")
        scores[name] = f1_score(table["label"], table["predicted"], average="macro")
    gain = 100 * (scores["B"] - scores["A"])
    assert f"B is better than A: {gain:+.1f} points of macro-F1 [" in shown.stdout
    figures = rf"f1_macro +{scores['A']:.4f} \[.*\] +{scores['B']:.4f} \[.*\] +\+{scores['B'] - scores['A']:.4f}"
    assert re.search(figures, shown.stdout)
    assert f"B  {PROJECT}@3 (challenger)" in shown.stdout
    assert re.search(r"^size_mb +0\.\d+ MB +0\.\d+ MB +1\.00x$", shown.stdout, re.MULTILINE)
    assert "Timed on " in shown.stdout
    assert re.search(r"^positive +599 ", shown.stdout, re.MULTILINE)


def test_flips_are_the_documents_whose_answer_changed(run: Paths) -> None:
    shown = call("--compare", OLD, "int8")
    a, b = (
        pd.read_parquet(folder / "predictions.parquet") for folder in (run.root / OLD, run.evaluation("test", "int8"))
    )
    right_a, right_b = a["predicted"] == a["label"], b["predicted"] == b["label"]
    assert f"{(right_b & ~right_a).sum()} mended, {(right_a & ~right_b).sum()} broken" in shown.stdout
    assert f"How this was made is unknown: {OLD}" in shown.stdout


def test_what_runs_were_given_is_told_where_it_differs(run: Paths) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{run.mlflow_database}")
    for version, rate in (("2", 3e-5), ("3", 5e-5)):
        client.log_param(run_of(run, version), "learning_rate", rate)
    shown = call("--compare", "2", "3")
    assert re.search(r"^int8\.learning_rate +3e-05 +5e-05$", shown.stdout, re.MULTILINE)
    assert "int8.task" not in shown.stdout  # the same
    assert re.search(r"^int8\.learning_rate +3e-05 +5e-05$", call("--compare", "2", "int8").stdout, re.MULTILINE)


def test_the_page_tells_the_same_and_no_texts(run: Paths, tmp_path: Path) -> None:
    page = tmp_path / "two-versions.html"
    shown = call("--compare", "2", "3", "--output", str(page))
    assert shown.stdout.splitlines()[-1] == str(page)
    html = page.read_text(encoding="utf-8")
    sentence = next(line for line in shown.stdout.splitlines() if line.startswith("B is better"))
    assert sentence.split(", on")[0] in html
    assert run_of(run, "2") in html and run_of(run, "3") in html
    texts = pd.read_parquet(run.split("test"))["text"]
    assert not any(text[:40] in html for text in texts)
    assert "http" not in html and "<script" not in html


def test_a_version_that_is_not_there(run: Paths) -> None:
    shown = call("--compare", "2", "7")
    assert shown.exit_code == 1
    assert f"{PROJECT}@7 is not in the registry" in shown.stderr
    assert "versions: 1, 2, 3; aliases: challenger, champion" in shown.stderr


def test_a_run_without_figures(run: Paths) -> None:
    shown = call("--compare", "1", "2")
    assert shown.exit_code == 1
    assert f"{PROJECT}@1: its MLflow run {run_of(run, '1')} has no figures on the test split" in shown.stderr


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nothing", "'nothing' is no model that could be compared. Name a registered version (tiny@3, @champion or 3)"),
        ("f" * 32, f"the store has no run {'f' * 32}"),
        ("reports", "reports has no figures on a test split: metrics.json, report.json, predictions.parquet is not in"),
        ("other@champion", "other@champion is not in the registry"),
    ],
)
def test_what_names_no_model(run: Paths, reference: str, words: str) -> None:
    shown = call("--compare", reference, "3")
    assert shown.exit_code == 1
    assert words in shown.stderr


def test_a_recipe_that_was_skipped(run: Paths, tmp_path: Path) -> None:
    shutil.copytree(run.root / OLD, tmp_path / "trimmed")
    write_json(tmp_path / "trimmed/metrics.json", {"skipped": "no vocabulary to trim"})
    shown = call("--compare", str(tmp_path / "trimmed"), "3")
    assert shown.exit_code == 1
    assert "was skipped, so there is nothing to compare: no vocabulary to trim" in shown.stderr


def test_figures_of_another_bundle_are_not_taken_for_a_versions(run: Paths, tmp_path: Path) -> None:
    """A model that is trained again from the same inputs has the same run, and other bytes."""
    again = tmp_path / "again"
    shutil.copytree(run.root / OLD, again)
    write_json(again / "report.json", {**read_json(again / "report.json"), "bundle_sha256": "f" * 64})
    client = mlflow.MlflowClient(f"sqlite:///{run.mlflow_database}")
    key = client.get_run(run_of(run, "2")).data.tags["textmill.lineage_key"]
    before = {path: path.read_bytes() for path in artifact_files(run, "2")}
    try:
        with tracking.model_run(run, PROJECT, "int8", key):
            tracking.log(artifacts=again, folder="test")
        shown = call("--compare", "2", "3")
    finally:
        for path, content in before.items():
            path.write_bytes(content)
    assert shown.exit_code == 1
    assert "holds the figures of another bundle, ffffffffffff" in shown.stderr
    assert call("--compare", "2", "3").exit_code == 0


def artifact_files(paths: Paths, version: str) -> list[Path]:
    folder = next(paths.mlflow_artifacts.glob(f"**/{run_of(paths, version)}/artifacts/test"))
    return [path for path in folder.iterdir() if path.is_file()]


def test_without_a_registry_models_of_the_working_copy_are_still_compared(
    run: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run.root / "reports", tmp_path / "reports")
    shutil.copytree(run.root / "models", tmp_path / "models")
    shutil.copy(run.params, tmp_path)
    monkeypatch.chdir(tmp_path)
    shown = call("--compare", "full", "baseline")
    assert shown.exit_code == 0, shown.output
    assert "B is worse than A" in shown.stdout
    assert not (tmp_path / "mlflow.db").exists()
    missing = call("--compare", "full", "@champion")
    assert missing.exit_code == 1
    assert "mlflow.db, the registry's database, is not in" in missing.stderr


def test_where_the_report_is(run: Paths) -> None:
    run.page.unlink(missing_ok=True)
    missing = call()
    assert missing.exit_code == 1
    assert "reports/page/index.html is not there yet. `dvc repro` makes it" in missing.stderr
    run.page.parent.mkdir(parents=True, exist_ok=True)
    run.page.write_text("<!doctype html>", encoding="utf-8")
    assert call().stdout == "reports/page/index.html\n"
    run.page.unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--output", "page.html"), "--output is the page of --compare A B"),
        (("--compare", "2", "3", "--output", "page.pdf"), "the name ends with .html"),
        (("--compare", "2", "3", "--open"), "--open needs a page: name it with --output FILE.html"),
    ],
)
def test_options_that_do_not_go_together(run: Paths, arguments: tuple[str, ...], words: str) -> None:
    shown = call(*arguments)
    assert shown.exit_code == 1
    assert words in shown.stderr


def test_numbers_and_sets_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "PARTS", {})
    monkeypatch.chdir(tmp_path)
    for task, line in (("multi_label", r"^story +\d+ "), ("regression", r"^Nearer: B [\d,]+ times, A [\d,]+ times")):
        paths = tiny_run(tmp_path, task=task)
        shown = call("--compare", "baseline", "int8", "--output", "page.html")
        assert shown.exit_code == 0, shown.output
        assert re.search(line, shown.stdout, re.MULTILINE)
        scores = [read_json(paths.evaluation("test", name) / "metrics.json")["score"] for name in ("baseline", "int8")]
        assert f"B is better than A: {100 * np.diff(scores)[0]:+.1f} points of" in shown.stdout
        assert (tmp_path / "page.html").stat().st_size > 10_000
