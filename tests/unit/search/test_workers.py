"""The workers of a study on one machine, this process or several; what kills them, and what becomes of their trials."""

import os
import signal
import subprocess
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from tests.search_servers import TEXTMILL, wait_until
from tests.tiny_search import write_checkout
from textmill.search import setup, workers
from textmill.search.claims import FINISHED
from textmill.search.liveness import RETRY_OF, STOPPED, WORKER
from textmill.search.storage_errors import StorageUnusable
from textmill.search.study import IncompatibleStudy, open_study
from textmill.search.work import INTERRUPTED, TooManyFailures


class Search:
    """A study in a working directory of its own, and what its supervisor tells."""

    def __init__(self, root, **tune):
        self.params, self.paths = write_checkout(root, **tune)
        self.settings = setup.study_settings(self.params, self.paths)
        self.ended, self.shown, self.said = [], [], []

    @property
    def study(self):
        return open_study(self.settings)

    def run(self, num_workers=1, **watching):
        told = {"on_ended": self.ended.extend, "show": self.shown.append, "say": self.said.append, **watching}
        workers.run(self.params, self.paths, self.settings, self.study, num_workers, workers.Watching(**told))

    def numbers_ended(self):
        return [trial.number for trial in self.ended]

    def finished(self):
        return [trial for trial in self.study.trials if trial.state in FINISHED]

    def start(self, *arguments):
        """`textmill tune` in a process group of its own, as in a terminal."""
        return subprocess.Popen(
            [*TEXTMILL, "tune", *arguments],
            cwd=self.paths.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def workers_of(process):
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            found += [child] if "spawn_main" in " ".join(child.cmdline()) else []
    return found


def test_one_worker_is_this_process(tmp_path):
    search = Search(tmp_path)
    for _ in range(2):  # the second time there is nothing left to do
        search.ended.clear()
        search.run()
        assert search.numbers_ended() == [0, 1, 2]
    assert {trial.user_attrs[WORKER]["pid"] for trial in search.finished()} == {os.getpid()}
    assert [len(trials) for trials in search.shown] == [0, 1, 2, 3, 3, 3, 3]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_gives_the_trial_back(tmp_path, sent):
    search = Search(tmp_path, num_trials=2, epochs=20, reports_per_epoch=1, pruner="none")
    own_handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def interrupt_soon(trial):
        if trial.number == 1:
            threading.Timer(0.1, os.kill, [os.getpid(), sent]).start()

    with pytest.raises(workers.Interrupted, match=r"Interrupted\. 1 of 2 trials of study tiny-\w+ are finished"):
        search.run(name=interrupt_soon)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == own_handlers
    assert search.study.trials[1].user_attrs[STOPPED] == INTERRUPTED
    search.run()
    assert len(search.finished()) == 2
    (again,) = [trial for trial in search.study.trials if trial.user_attrs.get(RETRY_OF) == 1]
    assert again.params == search.study.trials[1].params


def test_an_error_of_the_storage_is_told(tmp_path):
    search = Search(tmp_path, grace_seconds=1.0)

    def spoil(trials):
        if len(trials) == 1:
            search.paths.study_database.write_bytes(b"number,score\n" * 5000)

    with pytest.raises(StorageUnusable, match=r"optuna\.db cannot be used: .*(malformed|not a database)"):
        search.run(show=spoil)


@pytest.mark.slow
def test_several_workers_share_trials_and_processors(tmp_path):
    search = Search(tmp_path, num_trials=8, epochs=20)
    threads = {}

    def look(trials):
        for child in workers_of(psutil.Process()):
            with suppress(psutil.Error):  # it may have just ended
                threads.setdefault(child.pid, child.environ().get("OMP_NUM_THREADS"))

    search.run(2, show=look)
    finished = search.finished()
    assert len(finished) == 8
    assert sorted(search.numbers_ended()) == [trial.number for trial in search.study.trials]
    assert os.getpid() not in {trial.user_attrs[WORKER]["pid"] for trial in finished}
    cores = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert [threads[trial.user_attrs[WORKER]["pid"]] for trial in finished] == [cores] * 8


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_trial_run_again(tmp_path):
    search = Search(tmp_path, num_trials=4, epochs=30, reports_per_epoch=1, pruner="none")
    killed = []

    def kill_one(trials):
        running = [trial for trial in trials if not trial.state.is_finished() and trial.intermediate_values]
        if running and not killed:
            killed.append(running[0])
            os.kill(running[0].user_attrs[WORKER]["pid"], signal.SIGKILL)

    search.run(2, show=kill_one)
    assert len(search.finished()) == 4
    (line,) = search.said
    assert f"worker {killed[0].user_attrs[WORKER]['pid']} died (SIGKILL, as where memory runs out)" in line
    (again,) = [trial for trial in search.study.trials if RETRY_OF in trial.user_attrs]
    assert again.user_attrs[RETRY_OF] == killed[0].number
    assert again.params == killed[0].params
    assert again.state in FINISHED


@pytest.mark.slow
def test_workers_that_are_always_killed_are_not_replaced_for_ever(tmp_path):
    search = Search(tmp_path, num_trials=4, epochs=5000, pruner="none", max_failures=2)  # none ends before its kill

    def kill_all(trials):
        for trial in trials:
            if not trial.state.is_finished():
                with suppress(ProcessLookupError):
                    os.kill(trial.user_attrs[WORKER]["pid"], signal.SIGKILL)

    with pytest.raises(workers.WorkersDied, match=r"2 workers were killed \(SIGKILL"):
        search.run(2, show=kill_all)
    assert not workers_of(psutil.Process())


@pytest.mark.slow
def test_an_error_of_a_worker_is_passed_on(tmp_path):
    search = Search(tmp_path, max_failures=2)
    for file in search.paths.tokens.glob("train*"):
        file.unlink()  # after the study has its name
    search.settings = setup.study_settings(search.params, search.paths)
    with pytest.raises((TooManyFailures, workers.UserError, workers.WorkerFailed)) as caught:
        search.run(2)
    assert "train" in str(caught.value)
    assert not workers_of(psutil.Process())


def num_training(study):
    return sum(bool(trial.intermediate_values) for trial in study.trials if not trial.state.is_finished())


@pytest.mark.slow
def test_the_words_of_a_worker_are_no_longer_than_what_a_pipe_holds(tmp_path):
    """They are read when it has ended; it would wait for ever to get rid of more."""
    search = Search(tmp_path)
    wrong = replace(search.settings, declared={**search.settings.declared, "inputs": {"x" * 100_000: "1"}})
    assert search.study.user_attrs
    with pytest.raises(IncompatibleStudy, match="searches something else"):
        workers.run(search.params, search.paths, wrong, search.study, 2, workers.Watching())


@pytest.mark.slow
def test_workers_end_with_what_started_them(tmp_path):
    search = Search(tmp_path, num_trials=6, epochs=60, reports_per_epoch=1, pruner="none")
    endings = [(os.kill, signal.SIGKILL), (os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)]
    for end, sent in endings:
        process = search.start("--workers", "2")
        wait_until(lambda: num_training(search.study) == 2, "no trials start", 120)
        crew = workers_of(process)
        assert len(crew) == 2
        end(process.pid, sent)
        told, _ = process.communicate(timeout=60)
        psutil.wait_procs(crew, timeout=40)
        assert not any(member.is_running() for member in crew), sent
        if sent != signal.SIGKILL:
            assert process.returncode == 1
            assert "Interrupted." in told
            assert "Traceback" not in told
        assert not [trial for trial in search.study.trials if not trial.state.is_finished()], sent
    assert subprocess.run([*TEXTMILL, "tune", "--join"], cwd=tmp_path, check=False).returncode == 0
    assert len(search.finished()) == 6
    repeated = Counter(trial.user_attrs.get(RETRY_OF, trial.number) for trial in search.finished())
    assert set(repeated.values()) == {1}
