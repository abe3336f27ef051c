"""Storages of studies: their urls, and that each way of being unusable is told and harms nothing."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal._base import BaseJournalSnapshot
from optuna.trial import TrialState

from tests.search_servers import PASSWORD, free_port, postgres
from textmill.paths import Paths
from textmill.search import storage
from textmill.search.storage import StorageUnusable, open_storage, storage_url
from textmill.search.storage_errors import hide_password, telling

PATIENCE_S = 6.0  # a third of it for servers


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.delenv(storage.VARIABLE, raising=False)
    return Paths(tmp_path / "clone", tmp_path)


def complaint(url):
    with pytest.raises(StorageUnusable) as caught:
        open_storage(url, PATIENCE_S)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        (None, "sqlite:///{}/optuna.db"),
        ("sqlite:///studies/a.db", "sqlite:///{}/studies/a.db"),
        ("sqlite:////elsewhere/a.db", "sqlite:////elsewhere/a.db"),
        ("journal:///a.log", "journal:///{}/a.log"),
        ("postgresql://me@host/studies", "postgresql+psycopg://me@host/studies"),
        ("postgresql+psycopg2://me@host/studies", "postgresql+psycopg2://me@host/studies"),
        ("postgresql://me@/studies?host=/run/postgresql", "postgresql+psycopg://me@/studies?host=/run/postgresql"),
        ("mysql://me@host:3306/studies", "mysql+pymysql://me@host:3306/studies"),
        ("grpc://head-node:13000", "grpc://head-node:13000"),
    ],
)
def test_urls(paths, written, url):
    assert storage_url(written, paths) == url.format(paths.state)


def test_the_variable_goes_before_params(paths, monkeypatch):
    monkeypatch.setenv(storage.VARIABLE, "grpc://head-node:13000")
    assert storage_url("journal:///a.log", paths) == "grpc://head-node:13000"


@pytest.mark.parametrize(
    "written",
    [
        "redis://host/0",
        "postgres://me:hemmelig@host/studies",
        "optuna.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        "journal://a.log",
        "grpc://",
        "grpc://host:port",
        "postgresql://me:hemmelig@host:0/studies",
    ],
)
def test_urls_of_no_known_form(paths, written):
    with pytest.raises(StorageUnusable, match=r"tune\.storage is .*(sqlite|journal):///FILE") as caught:
        storage_url(written, paths)
    assert "hemmelig" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:a:b/c@d@host/x", "postgresql://me:***@host/x"),
        (
            "postgresql://me@host/x?password=secret&sslmode=require",
            "postgresql://me@host/x?password=***&sslmode=require",
        ),
        ("postgresql://me@host/x", "postgresql://me@host/x"),
        ("grpc://host:13000", "grpc://host:13000"),
        ("postgresql:/me:secret@host/x", "postgresql:***@host/x"),
        ("me:secret@host/x", "me:***@host/x"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_passwords_are_hidden(url, shown):
    assert hide_password(url) == shown


@pytest.mark.parametrize("form", ["sqlite:///{}/a.db", "journal:///{}/a.log"])
def test_files_are_made_and_opened_again(tmp_path, form):
    url = form.format(tmp_path)
    study = optuna.create_study(study_name="one", storage=open_storage(url))
    study.add_trial(optuna.trial.create_trial(value=0.5))
    (found,) = optuna.load_study(study_name="one", storage=open_storage(url)).trials
    assert found.value == 0.5


def test_the_journal_reads_no_pickle(tmp_path):
    backend = open_storage(f"journal:///{tmp_path}/a.log")._backend
    assert not isinstance(backend, BaseJournalSnapshot)  # the one that Optuna's storage unpickles


def test_a_journal_that_is_spoilt_while_it_is_open_is_told(tmp_path):
    url, file = f"journal:///{tmp_path}/a.log", tmp_path / "a.log"
    study = optuna.create_study(storage=open_storage(url))
    with file.open("ab") as lines:
        lines.write(b"oops\noops\n")
    with pytest.raises(StorageUnusable, match=r"the file is corrupt: .* Put a backup"), telling(url):
        study.get_trials()
    file.unlink()
    file.mkdir()
    for change in (study.ask, study.get_trials):
        with pytest.raises(StorageUnusable, match="Is a directory"), telling(url):
            change()


@pytest.mark.parametrize("form", ["sqlite:///{}/a.db", "journal:///{}/a.log"])
def test_a_change_is_one_workers_only(tmp_path, form):
    """Of several that end a trial, or take one from the queue, one is told that it did."""
    url, num_trials, num_workers = form.format(tmp_path), 25, 4
    study = optuna.create_study(study_name="one", storage=open_storage(url))
    for number in range(num_trials):
        study.enqueue_trial({"x": number})
    ids = [trial._trial_id for trial in study.trials]
    start = threading.Barrier(num_workers)

    def change_all(state):
        mine, done = open_storage(url), 0
        start.wait()
        for number in ids:
            with suppress(optuna.exceptions.UpdateFinishedTrialError):
                done += mine.set_trial_state_values(number, state=state)
        return done

    with ThreadPoolExecutor(num_workers) as pool:
        assert sum(pool.map(change_all, [TrialState.RUNNING] * num_workers)) == num_trials
        assert sum(pool.map(change_all, [TrialState.FAIL] * num_workers)) == num_trials


def make_at_once(url, num_workers=4):
    """The ids of the studies that several get who open a new storage at one time."""
    start = threading.Barrier(num_workers)

    def open_at_once(_):
        start.wait()
        return optuna.create_study(study_name="one", storage=open_storage(url), load_if_exists=True)._study_id

    with ThreadPoolExecutor(num_workers) as pool:
        return set(pool.map(open_at_once, range(num_workers)))


def test_several_make_the_tables_at_once(tmp_path):
    assert len(make_at_once(f"sqlite:///{tmp_path}/a.db")) == 1


def damage_middle(file):
    content = bytearray(file.read_bytes())
    content[4096 : 4096 * 6] = os.urandom(4096 * 5)
    file.write_bytes(content)


def cut_in_half(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def write_text(file):
    file.write_text("number,score\n0,0.5\n" * 500)


def make_other_database(file):
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE runs (id INTEGER)")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage_middle, "malformed|corrupt"),
        (cut_in_half, "malformed|corrupt"),
        (write_text, "not a database"),
        (make_other_database, "another program, with tables runs"),
    ],
)
def test_a_sqlite_file_that_is_none_of_ours_is_left_as_it_is(tmp_path, spoil, reason):
    file = tmp_path / "a.db"
    study = optuna.create_study(storage=open_storage(f"sqlite:///{file}"))
    for _ in range(20):
        study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={"told": "x" * 500}))
    spoil(file)
    before = file.read_bytes()
    assert_matches(complaint(f"sqlite:///{file}"), rf"{file} cannot be used: .*({reason})")
    assert file.read_bytes() == before


def assert_matches(told, pattern):
    assert re.search(pattern, told), told


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda lines: [*lines[:1], b"oops\n", *lines[1:]], "line 2 is no record"),
        (lambda lines: [*lines, lines[0][:20]], "which was written in part"),
        (lambda lines: [b"\x00" * 200], "line 1 is no record"),
    ],
)
def test_a_damaged_journal_is_left_as_it_is(tmp_path, spoil, reason):
    file = tmp_path / "a.log"
    optuna.create_study(storage=open_storage(f"journal:///{file}")).enqueue_trial({})
    file.write_bytes(b"".join(spoil(file.read_bytes().splitlines(keepends=True))))
    before = file.read_bytes()
    assert_matches(complaint(f"journal:///{file}"), reason)
    assert file.read_bytes() == before


@pytest.mark.parametrize(("version", "advice"), [("v3.0.0.a", "optuna storage upgrade"), ("v9.0.0.a", "newer Optuna")])
def test_a_database_of_another_optuna(tmp_path, version, advice):
    url = f"sqlite:///{tmp_path}/a.db"
    open_storage(url)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
    connection.close()
    told = complaint(url)
    assert advice in told
    assert "$STORAGE_URL" not in told
    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(version,)]
    connection.close()


_HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("seconds", [60, 1])
def test_a_locked_sqlite_file_is_waited_for(tmp_path, seconds):
    file = tmp_path / "a.db"
    open_storage(f"sqlite:///{file}")
    with subprocess.Popen([sys.executable, "-c", _HOLD, file, str(seconds)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        if seconds == 1:
            open_storage(f"sqlite:///{file}")
        else:
            with pytest.raises(StorageUnusable, match=rf"locked for 1 s; \S+ \(process {holder.pid}\) has it open"):
                open_storage(f"sqlite:///{file}", 1.0)
        holder.kill()


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_places_where_no_file_can_be(tmp_path, scheme):
    (tmp_path / "folder").mkdir()
    assert f"there is no folder {tmp_path}/none" in complaint(f"{scheme}:///{tmp_path}/none/a.db")
    assert "it is a folder" in complaint(f"{scheme}:///{tmp_path}/folder")


_OPEN_AS_NOBODY = """
import os, sys
from textmill.search.storage import open_storage
os.setuid(65534)
open_storage(sys.argv[1])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, and root may write everywhere")
@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_a_folder_that_others_own(scheme):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _OPEN_AS_NOBODY, f"{scheme}:////etc/textmill-studies"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "permission denied: /etc and the file must be writable" in answer.stderr
    assert not Path("/etc/textmill-studies").exists()


@pytest.mark.parametrize("form", ["postgresql+psycopg://me:hemmelig@127.0.0.1:{}/x", "grpc://127.0.0.1:{}"])
def test_a_server_that_is_not_there_or_says_nothing(form):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for port in (free_port(), silent.getsockname()[1]):
            start = time.monotonic()
            told = complaint(form.format(port))
            assert time.monotonic() - start < PATIENCE_S
            assert "can this machine reach it" in told
            assert "hemmelig" not in told


def test_a_missing_driver_is_named(paths, monkeypatch):
    assert "pip install pymysql" in complaint(storage_url("mysql://me@127.0.0.1/studies", paths))
    monkeypatch.setattr(storage.importlib.util, "find_spec", lambda name: None)
    for url in ("postgresql://me@127.0.0.1/studies", "grpc://127.0.0.1"):
        assert "pip install 'textmill[workers]'" in complaint(storage_url(url, paths))


def test_postgres_makes_its_tables_for_several_at_once(server, paths):
    assert len(make_at_once(storage_url(server.make_database("fresh"), paths))) == 1


def test_what_postgres_refuses_is_told_without_the_password(server, paths):
    wrong = [
        (server.url(password="wr0ng-one"), "Correct the user or the password"),
        (server.url().replace("superuser", "somebody"), "Correct the user or the password"),
        (server.url(database="none"), "createdb"),
    ]
    for url, advice in wrong:
        told = complaint(storage_url(url, paths))
        assert advice in told
        assert PASSWORD not in told
        assert "wr0ng-one" not in told
