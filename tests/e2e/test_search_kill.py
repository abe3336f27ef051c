"""SIGKILL at ten random moments of a search with real training: the trials of an undisturbed one, no more, no fewer."""

import json
import random
import signal
import sqlite3
import time

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from tests.checkout import small_bert
from textmill.search.claims import DRAW, FINISHED
from textmill.search.liveness import ATTEMPT, DIED, MAX_ATTEMPTS, RETRY_OF, STOPPED
from textmill.search.work import COPY_OF

NUM_TRIALS = 12
NUM_KILLS = 10


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    checkout = small_bert(tmp_path_factory.mktemp("checkout"), tune__epochs=4, tune__train_fraction=1.0)
    checkout.set_params(tune__num_trials=NUM_TRIALS)
    return checkout


@pytest.mark.slow
def test_killed_ten_times_it_ends_with_exactly_the_trials_that_were_asked_for(checkout, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the same sums in the same order
    moments = random.Random(5)
    for kill in range(NUM_KILLS):
        kill_in_search(checkout, kill, moments)
    checkout.run("python", "-m", "pipeline.tune")
    disturbed = read_study(checkout)
    finished = [trial for trial in disturbed if trial.state in FINISHED]
    assert len(finished) == NUM_TRIALS, "none lost"
    assert len({json.dumps(trial.params) for trial in finished}) == NUM_TRIALS, "none doubled"
    assert not any(COPY_OF in trial.user_attrs for trial in disturbed)

    dead = [trial for trial in disturbed if trial.state not in FINISHED]
    assert all(trial.state == TrialState.FAIL and trial.user_attrs[STOPPED] == DIED for trial in dead)
    assert len(dead) >= NUM_KILLS // 2, "most kills hit a trial"
    repeated = sorted(trial.user_attrs[RETRY_OF] for trial in disturbed if RETRY_OF in trial.user_attrs)
    given_up = [trial for trial in dead if trial.user_attrs.get(ATTEMPT, 1) == MAX_ATTEMPTS]
    assert repeated == [trial.number for trial in dead if trial not in given_up], "each was run again, once"
    record = json.loads((checkout.folder / "models/search/study.json").read_text())
    assert [trial["number"] for trial in record["trials"]] == list(range(len(disturbed)))

    checkout.run("python", "-m", "pipeline.tune")
    assert len(read_study(checkout)) == len(disturbed), "nothing is left to do"

    (checkout.folder / "optuna.db").rename(checkout.folder / "disturbed.db")
    checkout.run("python", "-m", "pipeline.tune")
    undisturbed = read_study(checkout)
    assert [trial.state in FINISHED for trial in undisturbed] == [True] * NUM_TRIALS
    by_draw = {trial.user_attrs[DRAW]: trial for trial in finished}
    num_alike = next(draw for draw in range(NUM_TRIALS + 1) if draw not in by_draw)  # until a trial was given up
    assert num_alike > 3, "so many trials can be compared"
    for expected in undisturbed[:num_alike]:
        actual = by_draw[expected.number]
        assert (actual.params, actual.state) == (expected.params, expected.state)
        assert actual.intermediate_values == pytest.approx(expected.intermediate_values)

    checkout.set_params(tune__num_trials=NUM_TRIALS + 1)
    checkout.run("python", "-m", "pipeline.tune")
    assert len(read_study(checkout)) == NUM_TRIALS + 1, "the study is continued to more"


def kill_in_search(checkout, kill, moments):
    """Kill the stage: in turn soon after a trial has begun, after one has finished, and at any time from its start."""
    begun, finished = count_trials(checkout), count_trials(checkout, "COMPLETE", "PRUNED")
    stage = checkout.start("python", "-m", "pipeline.tune")
    try:
        if kill % 5 == 4:
            time.sleep(moments.uniform(0, 10))
        else:
            deadline = time.monotonic() + 180
            while not (
                count_trials(checkout, "COMPLETE", "PRUNED") > finished if kill % 2 else count_trials(checkout) > begun
            ):
                assert stage.poll() is None, stage.stdout.read()
                assert time.monotonic() < deadline, "no trial came"
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 1))
        assert stage.poll() is None, "the search is too quick to be killed"
    finally:
        for process in [*psutil.Process(stage.pid).children(recursive=True), psutil.Process(stage.pid)]:
            process.send_signal(signal.SIGKILL)
        stage.wait()


def count_trials(checkout, *states):
    """As another program sees them; without states, those of any."""
    file = checkout.folder / "optuna.db"
    if not file.exists():
        return 0
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
    try:
        rows = connection.execute("SELECT state FROM trials").fetchall()
    except sqlite3.OperationalError:  # no table yet
        return 0
    finally:
        connection.close()
    return sum(not states or state in states for (state,) in rows)


def read_study(checkout):
    storage = f"sqlite:///{checkout.folder}/optuna.db"
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).trials
