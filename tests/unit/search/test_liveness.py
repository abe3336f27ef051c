"""Who is dead, by the process table here and by silence elsewhere."""

import subprocess
import sys
import threading
import time

import psutil
import pytest
from optuna.trial import TrialState

from tests.search_worker import SPACE, open_study
from textmill.search.claims import claim
from textmill.search.liveness import BEAT, DIED, LEFT, STOPPED, WORKER, Watch, beating, identity, retire

GRACE_S = 0.8  # beats are a fourth of it apart: time enough on a machine that is busy


@pytest.fixture(params=["sqlite", "journal"])
def study(request, tmp_path):
    return open_study(f"{request.param}:///{tmp_path}/study.db")


@pytest.fixture
def other_process():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def running(study, **changed):
    """A trial of another worker."""
    trial = claim(study, SPACE, {}, 100)
    trial.set_user_attr(WORKER, {**identity(), "thread": 1, **changed})
    return trial


def state(study, trial):
    return study.trials[trial.number].state


def test_a_process_of_this_machine_is_dead_at_once(study, other_process):
    started = {**identity(), "pid": other_process.pid, "started": start_of(other_process.pid)}
    trial, watch = running(study, **started), Watch(study, grace_s=600)
    assert watch.retire_dead() == [] and state(study, trial) == TrialState.RUNNING
    other_process.send_signal(9)
    deadline = time.monotonic() + 10
    while psutil.Process(other_process.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
    assert watch.retire_dead() == [trial.number], "dead, though its parent has not asked for it"
    assert state(study, trial) == TrialState.FAIL
    assert study.trials[trial.number].user_attrs[STOPPED] == DIED
    assert watch.retire_dead() == []


def start_of(pid):
    """From the table itself, in seconds since the machine's start."""
    with open(f"/proc/{pid}/stat") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    return ticks / 100


def test_it_is_known_by_more_than_its_id(study, other_process):
    trial = running(study, pid=other_process.pid, started=start_of(other_process.pid) - 5)
    assert Watch(study, grace_s=600).retire_dead() == [trial.number], "another process has its id now"


def test_a_change_of_the_clock_kills_nobody(monkeypatch):
    before, now = identity()["started"], psutil.boot_time()
    # What Linux tells as the time of the start is the clock less the time since.
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: now + 3600)
    monkeypatch.setattr("psutil.boot_time", lambda: now + 3600)
    assert psutil.Process().create_time() - now > 3500
    assert identity()["started"] == pytest.approx(before, abs=0.02)


def test_elsewhere_only_silence_counts(study):
    trial, watch = running(study, machine="far", pid=1), Watch(study, GRACE_S)
    assert watch.retire_dead() == []
    time.sleep(GRACE_S / 2)
    assert watch.retire_dead() == [], "it was not watched for long enough"
    time.sleep(GRACE_S)
    assert Watch(study, GRACE_S).retire_dead() == [], "nor by another watch"
    assert watch.retire_dead() == [trial.number]


def test_a_worker_that_beats_is_left_alone(study):
    trial, watch = running(study, machine="far", pid=1), Watch(study, GRACE_S)
    with beating(trial, GRACE_S):
        until = time.monotonic() + 2 * GRACE_S
        while time.monotonic() < until:
            assert watch.retire_dead() == []
            time.sleep(0.05)
    beats = study.trials[trial.number].user_attrs[BEAT]
    assert 3 <= beats <= 8, "four in the time of grace, or fewer when it is busy here"
    watch.retire_dead()
    time.sleep(1.5 * GRACE_S)
    watch.retire_dead()
    assert state(study, trial) == TrialState.FAIL, "it has fallen silent"


def test_a_beat_that_is_not_heard_harms_nobody(study, monkeypatch):
    trial = running(study)
    monkeypatch.setattr(trial.storage, "set_trial_user_attr", None)
    with beating(trial, GRACE_S):
        time.sleep(GRACE_S)
    monkeypatch.undo()
    retire(study, trial, DIED)
    with beating(trial, GRACE_S):
        time.sleep(GRACE_S)
    assert BEAT not in study.trials[trial.number].user_attrs


def test_a_trial_that_nobody_has_signed_is_dead_after_the_grace(study):
    trial, watch = study.ask(), Watch(study, GRACE_S)
    assert watch.retire_dead() == []
    time.sleep(1.5 * GRACE_S)
    assert watch.retire_dead() == [trial.number]


def test_what_this_thread_has_lost_is_given_up_but_not_what_it_runs(study):
    lost, mine, watch = claim(study, SPACE, {}, 10), claim(study, SPACE, {}, 10), Watch(study, grace_s=600)
    watch.current = mine.number
    assert watch.retire_dead() == [lost.number]
    assert study.trials[lost.number].user_attrs[STOPPED] == LEFT
    thread = threading.Thread(target=lambda: Watch(study, grace_s=600).retire_dead())
    thread.start()
    thread.join()
    assert state(study, mine) == TrialState.RUNNING, "another thread may not"


def test_of_two_that_give_up_a_trial_one_does(study):
    trial = running(study)
    assert retire(study, trial, DIED)
    assert not retire(study, trial, "another reason")
    assert study.trials[trial.number].user_attrs[STOPPED] == DIED


def test_the_first_reason_stays(study):
    """As of a worker that was killed while it gave its trial back."""
    trial = running(study)
    trial.set_user_attr(STOPPED, "interrupted")
    retire(study, study.trials[trial.number], DIED)
    assert study.trials[trial.number].user_attrs[STOPPED] == "interrupted"


def test_what_has_ended_stays_as_it_is(study):
    trial = running(study)
    study.tell(trial, 0.5)
    assert not retire(study, trial, DIED)
    assert state(study, trial) == TrialState.COMPLETE
