"""The commands `textmill tune` and `textmill proxy`, on a search whose trials take a second."""

import shutil
import socket

import pytest
from typer.testing import CliRunner

from tests.tiny_search import write_checkout
from textmill.cli import app, tuning
from textmill.search import setup
from textmill.search.storage import VARIABLE
from textmill.search.study import open_study


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A function that writes the working directory with keys of `tune` changed, and goes there."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def write(**changed):
        params, paths = write_checkout(tmp_path, **changed)
        monkeypatch.chdir(tmp_path)
        return params, paths

    return write


def run(*arguments):
    answer = CliRunner().invoke(app, list(arguments))
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer.exit_code, answer.output


def test_trials_are_run_and_no_output_is_written(checkout):
    _, paths = checkout(num_trials=2)
    status, told = run("tune")
    assert status == 0, told
    assert "is new: 0 of 2 trials finished, 2 missing." in told
    assert "2 of 2 trials are finished. `dvc repro tune` writes models/search/best.json." in told
    assert not paths.best.exists()
    checkout(num_trials=3)
    status, told = run("tune", "--join")
    assert status == 0, told
    assert "is continued: 2 of 3 trials finished, 1 missing." in told


def test_a_storage_that_is_lost_after_the_trials_is_told(checkout, monkeypatch):
    _, paths = checkout()
    monkeypatch.setattr(tuning, "_work", lambda *_: paths.study_database.write_bytes(b"number,score\n" * 5000))
    status, told = run("tune")
    assert status == 1
    assert "optuna.db cannot be used: " in told


def test_joining_what_is_not_there_makes_no_study(checkout):
    params, paths = checkout()
    status, told = run("tune", "--join")
    assert status == 1
    assert "There is no study tiny-" in told
    assert len(open_study(setup.study_settings(params, paths)).trials) == 0


@pytest.mark.parametrize("folder", ["data/tokens", "models/pretrained"])
def test_what_trials_learn_from_is_missing(checkout, folder):
    _, paths = checkout()
    shutil.rmtree(paths.root / folder)
    status, told = run("tune")
    assert status == 1
    assert f"{folder} is missing, which trials learn from. `dvc repro pretrain` makes it" in told
    assert not paths.study_database.exists()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"num_trials": 0}, "tune.num_trials is 0"),
        ({"family": "baseline"}, "model.family is baseline"),
        (
            {"fixed": {"learning_rate": 0.01, "weight_decay": 0.0, "warmup_fraction": 0.1, "dropout": 0.1}},
            "every key of tune.space.bag_of_embeddings is in tune.fixed",
        ),
    ],
)
def test_there_is_nothing_to_search(checkout, changed, reason):
    checkout(**changed)
    status, told = run("tune")
    assert status == 1
    assert f"There is nothing to search: {reason}" in told


def test_the_proxy_lends_no_journal_and_takes_no_port_twice(checkout, monkeypatch):
    checkout(storage="journal:///a.log")
    status, told = run("proxy")
    assert status == 1
    assert "a proxy cannot lend a journal file" in told
    monkeypatch.setenv(VARIABLE, "sqlite:///a.db")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, told = run("proxy", "--host", "127.0.0.1", "--port", str(taken.getsockname()[1]))
    assert status == 1
    assert "the port is taken" in told
