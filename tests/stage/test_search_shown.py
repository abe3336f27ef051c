"""A real search, as people see it: on the terminal, on the page and in optuna-dashboard, both in Chromium."""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import mlflow
import optuna
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from pipeline import tune
from tests.stage.stages import REPOSITORY
from tests.tiny_model import META, write_tokens
from tests.tiny_run import migrated_database
from textmill import tracking
from textmill.artifacts import read_json, write_json
from textmill.cli import app
from textmill.config import load_params
from textmill.paths import Paths
from textmill.reporting.search_page import render_search_page
from textmill.search.liveness import WORKER

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed, which draws the page")
NUM_TRIALS = 12
RATE = {"type": "float", "low": 1e-4, "high": 0.2, "log": True, "default": 0.05}
SPACE = {
    "learning_rate": RATE,
    "weight_decay": {"type": "float", "low": 0.0, "high": 0.1, "default": 0.01},
    "warmup_fraction": {"type": "float", "low": 0.0, "high": 0.2, "default": 0.1},
    "dropout": {"type": "float", "low": 0.0, "high": 0.6, "default": 0.1},
    "training": {"batch_size": {"type": "categorical", "choices": [8, 16, 32]}},
}
# The study in the folder that the test has as its own; a trial that breaks the limit ends before it trains.
CHANGES = {"num_trials": NUM_TRIALS, "epochs": 2, "train_fraction": 1.0, "fixed": {"dropout": 0.1}}


def write_params(paths: Paths, **changes: Any) -> None:
    yaml = YAML(typ="safe")
    values = yaml.load(REPOSITORY / "params.yaml")
    values["project"], values["model"]["family"] = "tiny", "bag_of_embeddings"
    values["model"]["bag_of_embeddings"] = {"embeddings": "own", "embedding_size": 16}
    values["training"] |= {"precision": "32-true", "batch_size": 16}
    values["tokenize"]["max_length"] = META["max_length"]
    values["tune"]["space"]["bag_of_embeddings"] = SPACE
    values["tune"] |= {**CHANGES, **changes}
    yaml.dump(values, paths.params)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A folder in which the stage tune has run."""
    folder = tmp_path_factory.mktemp("search")
    paths = Paths(folder, folder)
    write_params(paths)
    write_tokens(paths.tokens, num_train=120, num_validation=60)
    write_json(paths.pretrained / "pretrained.json", {"objective": "none"})
    shutil.copy(migrated_database(), paths.mlflow_database)
    tune.run(load_params(paths.params), paths)
    return paths


@pytest.fixture
def call(searched: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Calls `textmill study` in the folder, whose params.yaml is afterwards as it was."""
    before = searched.params.read_bytes()
    monkeypatch.chdir(searched.root)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["study", *arguments])

    yield call
    searched.params.write_bytes(before)


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_record_holds_all_that_is_shown(searched: Paths) -> None:
    record = read_json(searched.study)
    states = [trial["state"] for trial in record["trials"]]
    assert states.count("complete") + states.count("pruned") == NUM_TRIALS
    assert "pruned" in states, "the search is one that shows pruned curves"
    assert record["values"]["dropout"] == 0.1
    best = record["trials"][record["trial"]]
    assert (best["score"], best["values"]) == (record["score"], record["values"])
    assert record["outlook"]["verdict"] in ("likely", "unlikely")
    assert set(record["distributions"]) == {"learning_rate", "weight_decay", "warmup_fraction", "training.batch_size"}
    pruned = record["trials"][states.index("pruned")]
    assert pruned["epochs"] < 2
    assert len(pruned["reports"]) < len(best["reports"])


def test_mlflow_has_a_run_of_each_trial(searched: Paths) -> None:
    record = read_json(searched.study)
    client = mlflow.MlflowClient(f"sqlite:///{searched.mlflow_database}")
    found = client.search_runs([tracking.connect(searched, "tiny")], "tags.`textmill.trial` LIKE '%'")
    by_number = {int(run.data.tags["textmill.trial"]): run for run in found}
    assert len(by_number) == len(found) == len(record["trials"])
    for trial in record["trials"]:
        run = by_number[trial["number"]]
        assert run.data.tags["textmill.state"] == trial["state"]
        assert run.data.params == {name: str(value) for name, value in trial["values"].items()}
        history = client.get_metric_history(run.info.run_id, "validation_score")
        assert sorted([metric.step, metric.value] for metric in history) == trial["reports"]


def test_the_command_shows_the_study(searched: Paths, call: Any) -> None:
    record = read_json(searched.study)
    shown = call("--all")
    assert shown.exit_code == 0, shown.output
    text = words(shown.stdout)
    assert text.startswith(f"{record['study']}: {NUM_TRIALS} of {NUM_TRIALS} trials finished")
    assert f"Best: trial {record['trial']}, macro-F1 {record['score']:.4g}" in text
    assert "dropout: 0.1 (pinned by tune.fixed)" in text
    assert words(record["outlook"]["sentence"]) in text
    assert "Importance: share of the score's variance" in text or "Too few complete trials" in text
    assert f"optuna-dashboard sqlite:///{searched.study_database}" in text
    rows = re.findall(r"^ *(\d+)  (complete|pruned)", shown.stdout, re.MULTILINE)
    assert [(int(number), state) for number, state in rows] == [
        (trial["number"], trial["state"]) for trial in record["trials"]
    ]


def test_the_best_trials_come_first_with_top(searched: Paths, call: Any) -> None:
    shown = call("--top", "2").stdout
    rows = re.findall(r"^ *(\d+)  complete +([\d.]+)", shown, re.MULTILINE)
    scores = sorted((t["score"] for t in read_json(searched.study)["trials"] if t["state"] == "complete"), reverse=True)
    assert [score for _, score in rows] == [f"{score:.4f}" for score in scores[:2]]
    assert "--top shows the best" in call("--top", "2", "--all").output


def test_studies_are_listed_and_named(searched: Paths, call: Any) -> None:
    record = read_json(searched.study)
    listed = words(call("list").stdout)
    assert f"{record['study']} {len(record['trials'])} {NUM_TRIALS}" in listed
    write_params(searched, epochs=3)  # another study, which does not exist
    missing = call()
    assert missing.exit_code == 1
    assert "There is no study" in missing.output
    named = call("--name", record["study"])
    assert f"Best: trial {record['trial']}, macro-F1 {record['score']:.4g}" in words(named.stdout)
    unknown = call("--name", "nothing")
    assert unknown.exit_code == 1
    assert f"There is no study nothing in the storage; there are: {record['study']}" in words(unknown.output)


def test_running_trials_are_told_with_their_worker(searched: Paths, call: Any) -> None:
    record = read_json(searched.study)
    study = optuna.load_study(study_name=record["study"], storage=f"sqlite:///{searched.study_database}")
    trial = study.ask()
    try:
        trial.set_user_attr(WORKER, {"host": "far [bold]away[/bold]", "pid": 41, "started": 0.0})
        trial.report(0.5, 1)
        text = words(call().stdout)
    finally:
        study._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
    assert "1 running" in text
    assert f"Trial {trial.number} runs in far [bold]away[/bold]:41 since" in text, "words of others are no markup"
    assert "last report 0.5000 (number 1)" in text


def test_nothing_is_made_by_looking(searched: Paths, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTMILL_STUDY_STORAGE", "sqlite:///nowhere.db")
    for arguments in ([], ["list"], ["--name", "x"]):
        answer = call(*arguments)
        assert answer.exit_code == 1
        assert "There is no study yet" in words(answer.output)
    assert not (searched.state / "nowhere.db").exists()


def test_no_search_is_told(searched: Paths, call: Any) -> None:
    write_params(searched, num_trials=0)
    answer = call()
    assert answer.exit_code == 1
    assert "There is nothing to search: tune.num_trials is 0." in words(answer.output)


def test_the_best_values_are_adopted(searched: Paths, call: Any) -> None:
    best = read_json(searched.best)
    answer = call("adopt", "--keep-searching")
    assert answer.exit_code == 0, answer.output
    params = load_params(searched.params)
    assert params.tune.space.bag_of_embeddings["learning_rate"].default == pytest.approx(best["learning_rate"])
    assert params.training.batch_size == best["training.batch_size"]
    assert params.tune.num_trials == NUM_TRIALS
    if best["training.batch_size"] != 16:
        assert f"training.batch_size: 16 -> {best['training.batch_size']}" in answer.stdout


def test_values_of_another_search_are_not_adopted(searched: Paths, call: Any) -> None:
    write_params(searched, epochs=3)
    answer = call("adopt")
    assert answer.exit_code == 1
    assert "was found with other params: tune.epochs 2 -> 3 (then -> now)" in words(answer.output)
    kept = searched.study.read_bytes()
    try:
        write_json(searched.study, {**read_json(searched.study), "trial": None})
        assert "no trial was run" in words(call("adopt").output)
        searched.study.unlink()
        assert "is missing" in words(call("adopt").output)
    finally:
        searched.study.write_bytes(kept)


def browse(url: str, *options: str, profile: Path) -> str:
    """Chromium's output for a page, after its scripts; WebGL draws the parallel coordinates."""
    assert CHROMIUM is not None
    drawn = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars", "--window-size=1200,900")
    drawn += ("--disable-background-networking", "--disable-component-update", "--no-first-run")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", f"--user-data-dir={profile}", *drawn, *options, url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@needs_chromium
@pytest.mark.slow
def test_chromium_draws_every_figure_without_a_network(searched: Paths, tmp_path: Path) -> None:
    record, page = read_json(searched.study), tmp_path / "search.html"
    evil = "<script>document.title='evil'</script>"
    record["trials"][0]["error"] = evil
    overrides = [{"key": "training.batch_size", "used": 8, "written": evil}]
    page.write_text(render_search_page(evil, record, "macro-F1", overrides), encoding="utf-8")
    # What a page asks for is in Chromium's log of the net, whether or not it is answered.
    log = tmp_path / "net.json"
    options = ("--virtual-time-budget=8000", f"--log-net-log={log}", "--dump-dom")
    dom = browse(page.as_uri(), *options, profile=tmp_path / "profile")
    drawn = set(re.findall(r'data-figure="(\w+)-data"[^>]*class="[^"]*js-plotly-plot', dom))
    expected = {"history", "reports", "coordinates", "slices", "timeline"}
    assert drawn == expected | ({"importance"} if record["importances"]["shares"] else set())
    assert dom.count('class="main-svg"') >= len(expected)
    assert "WebGL is not supported" not in re.sub(r"<script.*?</script>", "", dom, flags=re.DOTALL)
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None and title[1].startswith("&lt;script&gt;"), "nothing of others' texts has run"
    asked = set(re.findall(r'"url":"((?:https?|wss?)://[^"]+)"', log.read_text(encoding="utf-8")))
    chromiums_own = re.compile(r"https?://([\w-]+\.)*(google|googleapis|gvt1)\.com/")
    assert {url for url in asked if not chromiums_own.match(url)} == set()


@needs_chromium
@pytest.mark.slow
def test_optuna_dashboard_shows_the_study(searched: Paths, tmp_path: Path) -> None:
    record = read_json(searched.study)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    dashboard = Path(sys.executable).with_name("optuna-dashboard")
    command = [dashboard, f"sqlite:///{searched.study_database}", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--server", "wsgiref"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as it:
        try:
            url = f"http://127.0.0.1:{port}/dashboard/"
            wait_for(url)
            listed = browse(url, "--virtual-time-budget=10000", "--dump-dom", profile=tmp_path / "one")
            trials = browse(
                f"{url}studies/1/trials", "--virtual-time-budget=10000", "--dump-dom", profile=tmp_path / "two"
            )
        finally:
            it.terminate()
    assert record["study"] in listed
    assert record["study"] in trials
    text = words(re.sub(r"<[^>]+>", " ", trials))
    study = optuna.load_study(study_name=record["study"], storage=f"sqlite:///{searched.study_database}")
    assert f"{len(study.trials)} Trials" in text
    for number in range(NUM_TRIALS):
        assert f"Trial {number} " in text
    assert {"learning_rate", "training.batch_size"} <= set(text.split())


def wait_for(url: str) -> None:
    for _ in range(100):
        try:
            urlopen(url, timeout=1).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(url)
