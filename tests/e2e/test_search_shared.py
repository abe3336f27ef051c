"""A study that several workers share through real servers: PostgreSQL, and Optuna's gRPC proxy between two hosts."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.search_servers import TEXTMILL, postgres, proxy, two_hosts, wait_until
from tests.search_worker import open_study as open_sleeping
from tests.tiny_search import write_checkout
from textmill.artifacts import read_json
from textmill.search import setup
from textmill.search.claims import FINISHED
from textmill.search.liveness import DIED, RETRY_OF, STOPPED, WORKER
from textmill.search.storage import VARIABLE
from textmill.search.study import open_study

TUNE = [*TEXTMILL, "tune"]


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


def start(command, folder, url):
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, VARIABLE: url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return told


def finished(study):
    return [trial for trial in study.trials if trial.state in FINISHED]


def hosts_of(trials):
    return {trial.user_attrs[WORKER]["host"] for trial in trials}


def assert_nothing_twice(trials):
    values = [tuple(sorted(trial.params.items())) for trial in trials]
    assert len(set(values)) == len(values)


def test_two_workers_and_postgres_run_exactly_the_trials_that_were_asked_for(server, tmp_path):
    url = server.make_database("many").replace("postgresql", "postgresql+psycopg")
    calls, num_trials = tmp_path / "calls", 40
    order = {"url": url, "calls": str(calls), "num_trials": num_trials, "seconds": 0.02}
    crew = [start([sys.executable, "-m", "tests.search_worker", json.dumps(order)], ".", url) for _ in range(2)]
    for worker in crew:
        finish(worker)
    study = open_sleeping(url)
    assert len(finished(study)) == num_trials
    assert_nothing_twice(finished(study))
    ran = [json.loads(line) for line in calls.read_text().splitlines()]
    assert sorted(number for number, _, _ in ran) == sorted(trial.number for trial in finished(study))
    assert {pid for _, pid, _ in ran} == {worker.pid for worker in crew}, "both had their share"


@pytest.mark.slow
def test_two_checkouts_train_on_one_study_in_postgres(server, tmp_path, monkeypatch):
    url = server.make_database("trained")
    checkouts = [write_checkout(tmp_path / name, num_trials=8, epochs=40, pruner="none") for name in ("one", "two")]
    monkeypatch.setenv(VARIABLE, url)
    settings = [setup.study_settings(*checkout) for checkout in checkouts]
    assert settings[0] == settings[1], "the same data, params.yaml and code"
    study = open_study(settings[0])
    crew = [start([*TUNE, "--join"], paths.root, url) for _, paths in checkouts]
    told = [finish(worker) for worker in crew]
    assert all("8 of 8 trials are finished" in words and "pa55" not in words for words in told)
    assert len(finished(study)) == 8
    assert_nothing_twice(finished(study))
    assert {trial.user_attrs[WORKER]["pid"] for trial in finished(study)} == {worker.pid for worker in crew}
    root = checkouts[1][1].root
    stage = [sys.executable, "-m", "pipeline.tune"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    subprocess.run(stage, cwd=root, env=environment, check=True, capture_output=True)
    assert len(study.trials) == 8, "the stage found the study finished, and wrote its outputs"
    assert read_json(root / "models/search/best.json") == study.best_params


@pytest.mark.slow
def test_two_hosts_share_a_study_through_the_proxy_and_one_dies(tmp_path):
    grace_s, num_trials = 4.0, 8
    changes = {"num_trials": num_trials, "epochs": 30, "pruner": "none", "grace_seconds": grace_s}
    roots = {name: write_checkout(tmp_path / name, **changes) for name in ("alpha", "beta")}
    database = f"sqlite:///{tmp_path}/studies.db"
    study = open_study(replace(setup.study_settings(*roots["alpha"]), storage=database))
    with two_hosts() as hosts, proxy(database, tmp_path / "alpha", hosts[0].prefix, hosts[0].address) as url:
        crew = {host.name: start([*host.prefix, *TUNE, "--join"], tmp_path / host.name, url) for host in hosts}

        def are_at_it():
            assert all(worker.poll() is None for worker in crew.values()), [finish(worker) for worker in crew.values()]
            return hosts_of(finished(study)) == {"alpha", "beta"} and running_at(study, "beta")

        wait_until(are_at_it, "both should finish trials", 240)
        crew["beta"].send_signal(signal.SIGKILL)
        crew["beta"].communicate()
        (lost,) = running_at(study, "beta")
        finish(crew["alpha"])
    trials = study.trials
    assert len(finished(study)) == num_trials
    assert_nothing_twice(finished(study))
    assert trials[lost.number].user_attrs[STOPPED] == DIED
    (again,) = [trial for trial in trials if trial.user_attrs.get(RETRY_OF) == lost.number]
    assert again.params == trials[lost.number].params
    assert again.user_attrs[WORKER]["host"] == "alpha"
    silence = again.datetime_start - trials[lost.number].datetime_start
    assert silence.total_seconds() > grace_s


def running_at(study, host):
    return [trial for trial in study.trials if not trial.state.is_finished() and hosts_of([trial]) == {host}]
