"""The stage report on a finished, registered run with a real MLflow store."""

from pathlib import Path

import mlflow
import pytest

from pipeline import register, report
from tests.page_text import reported_run
from tests.tiny_run import PROJECT
from textmill import tracking
from textmill.artifacts import read_json, write_json
from textmill.config import load_params
from textmill.paths import Paths


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    paths = reported_run(tmp_path_factory.mktemp("report"))
    register.run(load_params(paths.params), paths)
    return paths


def artifacts(paths: Paths, name: str, folder: str) -> set[str]:
    """Files of the runs of this name."""
    client = mlflow.MlflowClient(f"sqlite:///{paths.mlflow_database}")
    runs = client.search_runs([tracking.connect(paths, PROJECT)], f"tags.`textmill.model` = '{name}'")
    return {Path(file.path).name for run in runs for file in client.list_artifacts(run.info.run_id, folder)}


def test_a_search_has_its_page_beside_the_report_and_in_both_runs(
    run: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    report.run(load_params(run.params), run)
    assert "report: reports/page/index.html, model_card.md and search.html beside it" in capsys.readouterr().out
    assert 'href="search.html"' in run.page.read_text(encoding="utf-8")
    assert "Plotly" in run.search_page.read_text(encoding="utf-8")
    assert artifacts(run, "int8", "report") == {"index.html", "model_card.md", "search.html"}
    assert artifacts(run, "search", "search") == {"search.html"}


def test_without_a_search_there_is_no_such_page(run: Paths) -> None:
    run.search_page.unlink(missing_ok=True)  # DVC removes a stage's outputs before it runs
    write_json(run.study, {**read_json(run.study), "trials": [], "trial": None, "score": None})
    report.run(load_params(run.params), run)
    assert not run.search_page.exists()
    assert "search.html" not in run.page.read_text(encoding="utf-8")
