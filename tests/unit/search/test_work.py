"""One worker and several of them, in processes of their own, on real storages."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from tests.search_worker import SPACE, Sleep, open_study
from textmill.errors import UserError
from textmill.search import work as working
from textmill.search.claims import FINISHED, SURPLUS, claim
from textmill.search.liveness import ATTEMPT, DIED, ERROR, MAX_ATTEMPTS, RETRY_OF, STOPPED, Watch
from textmill.search.space import Dimension, suggest
from textmill.search.work import COPY_OF, INTERRUPTED, OUT_OF_TIME, Limits, OutOfTime, TooManyFailures, work

SMALL = {"kind": Dimension("categorical", "a", choices=("a", "b"))}


@pytest.fixture(params=["sqlite", "journal"])
def url(request, tmp_path):
    return f"{request.param}:///{tmp_path}/study.db"


@pytest.fixture
def calls(tmp_path):
    return tmp_path / "calls"


def limits(num_trials, **changed):
    return Limits(**{"num_trials": num_trials, "max_failures": 3, "grace_s": 60.0, **changed})


def start(url, calls, num_trials, seconds=0.0, **order):
    told = json.dumps({"url": url, "calls": str(calls), "num_trials": num_trials, "seconds": seconds, **order})
    return subprocess.Popen([sys.executable, "-m", "tests.search_worker", told], stderr=subprocess.PIPE, text=True)


def finish(*workers):
    for worker in workers:
        _, told = worker.communicate(timeout=120)
        assert worker.returncode == 0, told


def kill(worker, sent=signal.SIGKILL):
    worker.send_signal(sent)
    worker.communicate(timeout=30)


def read_calls(calls):
    return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def wait_for_call(calls, number):
    wait_for(lambda: number in [line[0] for line in read_calls(calls)])


def states(study):
    return [trial.state.name for trial in study.trials]


def finished(study):
    return [trial for trial in study.trials if trial.state in FINISHED]


def test_exactly_what_is_missing_is_run(url, calls):
    study = open_study(url)
    work(study, Sleep(calls), SPACE, {}, limits(3))
    assert states(study) == ["COMPLETE"] * 3
    assert study.trials[0].params == {"x": 0.5, "kind": "plain"}, "the defaults come first, without what is not asked"
    work(open_study(url), Sleep(calls), SPACE, {}, limits(3))
    assert len(read_calls(calls)) == 3, "nothing is left to do"
    work(open_study(url), Sleep(calls), SPACE, {}, limits(5))
    assert states(study) == ["COMPLETE"] * 5, "a study is continued to more"
    assert len({trial.params["x"] for trial in study.trials}) == 5, "a new start repeats no suggestion"


def test_several_known_good_values_are_tried_in_their_order(url, calls):
    first = [{"x": 0.1, "kind": "plain"}, {"x": 0.2, "kind": "deep", "depth": 5}]
    work(open_study(url), Sleep(calls), SPACE, {}, limits(1), first=first)
    study = open_study(url)
    work(study, Sleep(calls), SPACE, {}, limits(4), first=first)
    assert [trial.params for trial in study.trials[:2]] == first, "a new start goes on with the second"
    assert all(trial.params not in first for trial in study.trials[2:])
    assert len(read_calls(calls)) == 4


@pytest.mark.parametrize("num_workers", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_number_is_exact_over_several_processes(url, calls, num_workers):
    finish(*[start(url, calls, 12, 0.02, num_together=num_workers) for _ in range(num_workers)])
    study = open_study(url)
    assert len(finished(study)) == 12
    surplus = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert all(trial.user_attrs[STOPPED] == SURPLUS for trial in surplus)
    numbers = [number for number, _, _ in read_calls(calls)]
    assert sorted(numbers) == [trial.number for trial in finished(study)], "none was run twice, no surplus one at all"
    assert len({pid for _, pid, _ in read_calls(calls)}) > 1, "they worked at the same time"
    assert Counter(trial.params == {"x": 0.5, "kind": "plain"} for trial in finished(study))[True] == 1


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(3))
def test_of_many_workers_at_the_last_trial_one_runs_it(url, calls, moment):
    work(open_study(url), Sleep(calls), SPACE, {}, limits(2))
    finish(*[start(url, calls, 3, 0.1 * moment, num_together=4) for _ in range(4)])
    assert len(finished(open_study(url))) == len(read_calls(calls)) == 3


def test_a_killed_trial_is_run_again_with_its_values(url, calls):
    worker = start(url, calls, 4, seconds=0.3)
    wait_for_call(calls, 2)
    kill(worker)
    study = open_study(url)
    work(study, Sleep(calls), SPACE, {}, limits(4))
    assert states(study) == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    dead, again = study.trials[2:4]
    assert dead.user_attrs[STOPPED] == DIED and ERROR not in dead.user_attrs
    assert again.params == dead.params
    assert (again.user_attrs[RETRY_OF], again.user_attrs[ATTEMPT]) == (2, 2)
    assert RETRY_OF not in study.trials[4].user_attrs


def test_a_worker_that_dies_is_replaced_by_one_that_still_runs(tmp_path, calls):
    url = f"sqlite:///{tmp_path}/study.db"
    first = start(url, calls, 4, seconds=1.0)
    wait_for_call(calls, 0)
    second = start(url, calls, 4, seconds=0.1)
    wait_for_call(calls, 1)
    kill(first)
    finish(second)
    study = open_study(url)
    assert len(finished(study)) == 4
    (dead,) = [trial for trial in study.trials if trial.user_attrs.get(STOPPED) == DIED]
    (again,) = [trial for trial in study.trials if trial.user_attrs.get(RETRY_OF) == dead.number]
    assert again.params == dead.params and again.state == TrialState.COMPLETE


@pytest.mark.parametrize(
    ("sampler", "num_kills"), [("random", 2), *(pytest.param(one, 6, marks=pytest.mark.slow) for one in ("tpe", "gp"))]
)
def test_killed_anywhere_it_ends_with_the_trials_of_an_undisturbed_run(tmp_path, calls, sampler, num_kills):
    url, moments = f"sqlite:///{tmp_path}/study.db", random.Random(1)
    for _ in range(num_kills):
        num_calls = len(read_calls(calls))
        worker = start(url, calls, 8, seconds=0.1, sampler=sampler)
        wait_for(lambda before=num_calls: len(read_calls(calls)) > before)
        time.sleep(moments.uniform(0, 0.3))
        kill(worker)
    disturbed, calm = open_study(url, sampler), open_study(f"sqlite:///{tmp_path}/calm.db", sampler)
    for study in (disturbed, calm):
        work(study, Sleep(calls), SPACE, {}, limits(8))
    assert [trial.params for trial in finished(disturbed)] == [trial.params for trial in finished(calm)]
    dead = [trial for trial in disturbed.trials if trial.user_attrs.get(STOPPED) == DIED]
    assert dead, "some of the kills hit a trial"
    assert {trial.user_attrs[RETRY_OF] for trial in disturbed.trials if RETRY_OF in trial.user_attrs} == {
        trial.number for trial in dead
    }


def test_a_trial_that_kills_its_process_is_given_up_in_the_end(tmp_path, calls):
    study = open_study(f"sqlite:///{tmp_path}/study.db")
    for _ in range(MAX_ATTEMPTS):
        trial = claim(study, SPACE, {}, 2)
        suggest(trial, SPACE, {})
        abandon(trial)
        Watch(study, 60.0).retire_dead()
    work(study, Sleep(calls), SPACE, {}, limits(2))
    assert states(study) == ["FAIL"] * MAX_ATTEMPTS + ["COMPLETE"] * 2
    assert [trial.user_attrs.get(ATTEMPT, 1) for trial in study.trials[:MAX_ATTEMPTS]] == [1, 2, 3]
    assert all(trial.params == study.trials[0].params for trial in study.trials[:MAX_ATTEMPTS])
    assert all(trial.params != study.trials[0].params for trial in study.trials[MAX_ATTEMPTS:])


def test_a_process_that_is_asked_to_end_gives_its_trial_back_at_once(tmp_path, calls):
    url = f"journal:///{tmp_path}/study.log"
    worker = start(url, calls, 2, seconds=60)
    wait_for_call(calls, 0)
    kill(worker, signal.SIGTERM)
    study = open_study(url)
    assert study.trials[0].user_attrs[STOPPED] == INTERRUPTED
    work(study, Sleep(calls), SPACE, {}, limits(2))
    assert study.trials[1].user_attrs[ATTEMPT] == 1, "an interrupt is no attempt"
    assert states(study) == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_kill_before_the_first_value_loses_no_trial(tmp_path, calls):
    study, other = (open_study(f"sqlite:///{tmp_path}/{name}.db", "tpe") for name in ("killed", "calm"))
    work(other, Sleep(calls), SPACE, {}, limits(3))
    work(study, Sleep(calls), SPACE, {}, limits(1))
    abandon(claim(study, SPACE, {}, 3))
    partial = claim(study, SPACE, {}, 3)
    partial.suggest_float("x", 0.0, 1.0)
    abandon(partial)
    work(study, Sleep(calls), SPACE, {}, limits(3))
    assert states(study) == ["COMPLETE", "FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert [trial.params for trial in finished(study)] == [trial.params for trial in finished(other)]


def test_a_kill_before_a_worker_sees_that_another_took_the_same_doubles_nothing(tmp_path, calls):
    study = open_study(f"sqlite:///{tmp_path}/study.db")
    for repeated in (None, 0):  # of the defaults, and of a retry
        first = claim(study, SPACE, {}, 3)
        assert first.user_attrs.get(RETRY_OF) == repeated
        suggest(first, SPACE, {})
        made = study.trials[first.number]
        attributes = {"user_attrs": made.user_attrs, "system_attrs": made.system_attrs}
        second = optuna.create_trial(state=TrialState.RUNNING, **attributes)
        abandon(optuna.Trial(study, study._storage.create_new_trial(study._study_id, second)))
        abandon(first)
        assert len(Watch(study, 60.0).retire_dead()) == 2
    work(study, Sleep(calls), SPACE, {}, limits(3))
    assert len({trial.params["x"] for trial in finished(study)}) == len(read_calls(calls)) == 3
    repeated = [trial.user_attrs[RETRY_OF] for trial in study.trials[4:] if RETRY_OF in trial.user_attrs]
    assert repeated == [2], "the younger of two that claim the same is not owed"


def abandon(trial):
    """As a process leaves its trial that is killed."""
    worker = {**trial.user_attrs["worker"], "pid": dead_pid()}
    trial.set_user_attr("worker", worker)


def dead_pid():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_an_error_is_recorded_and_does_not_stop_the_study(url, calls):
    def fail_second(trial, values):
        if trial.number == 1:
            raise ZeroDivisionError("a bad idea")
        if trial.number == 2:
            raise UserError("a mistake")
        if trial.number == 3:
            return [float("nan")]
        return [0.5]

    study = open_study(url)
    work(study, fail_second, SPACE, {}, limits(3, max_failures=4))
    assert states(study) == ["COMPLETE", "FAIL", "FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    _, crashed, mistaken, no_number, *_ = study.trials
    assert crashed.user_attrs[ERROR] == "a bad idea"
    assert "fail_second" in crashed.user_attrs["traceback"] and "traceback" not in mistaken.user_attrs
    assert "nan" in no_number.user_attrs[ERROR]
    assert not any(STOPPED in trial.user_attrs or RETRY_OF in trial.user_attrs for trial in study.trials)


def test_a_sampler_that_fails_is_an_error_of_the_trial(url, calls, monkeypatch):
    study = open_study(url)
    sample = study.sampler.sample_relative

    def fail_second(study, trial, search_space):
        if trial.number == 1:
            raise ZeroDivisionError("no such matrix")
        return sample(study, trial, search_space)

    monkeypatch.setattr(study.sampler, "sample_relative", fail_second)
    work(study, Sleep(calls), SPACE, {}, limits(2))
    assert states(study) == ["COMPLETE", "FAIL", "COMPLETE"]
    assert study.trials[1].user_attrs[ERROR] == "no such matrix"
    assert RETRY_OF not in study.trials[2].user_attrs


def test_the_study_stops_at_too_many_errors_and_goes_on_later(url, calls):
    def fail(trial, values):
        raise ZeroDivisionError

    study = open_study(url)
    work(study, Sleep(calls), SPACE, {}, limits(1))
    with pytest.raises(TooManyFailures, match=r"2 trials.*max_failures allows\. Trials 1, 2: ZeroDivisionError\. What"):
        work(study, fail, SPACE, {}, limits(3, max_failures=2))
    assert states(study) == ["COMPLETE", "FAIL", "FAIL"]
    work(study, Sleep(calls), SPACE, {}, limits(3, max_failures=2))
    assert len(finished(study)) == 3, "errors of an earlier start do not count"


def test_pruned_is_finished_and_is_no_failure(url):
    def prune_odd(trial, values):
        trial.report(0.25, 1)
        if trial.number % 2:
            raise optuna.TrialPruned
        return [0.5]

    study, told = open_study(url), []
    work(study, prune_odd, SPACE, {}, limits(4, max_failures=1), on_trial=told.append)
    assert states(study) == ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED"]
    assert study.trials[1].value == 0.25, "the last report"
    assert [(trial.number, trial.state) for trial in told] == [(t.number, t.state) for t in study.trials]


def test_the_same_values_are_not_run_twice(url):
    run = []

    def score(trial, values):
        run.append(values["kind"])
        trial.set_user_attr("epochs", 2.0)
        trial.set_user_attr("figures", {"size_mb": 6.5})
        trial.set_constraint("size_mb <= 5", 1.5)
        trial.report(0.3, 1)
        trial.report(0.4, 2)
        if values["kind"] == "b":
            raise optuna.TrialPruned
        return [0.7]

    study = open_study(url)
    work(study, score, SMALL, {}, limits(8))
    assert sorted(run) == ["a", "b"]
    first = {trial.params["kind"]: trial for trial in reversed(study.trials)}
    copies = [trial for trial in study.trials if COPY_OF in trial.user_attrs]
    assert len(copies) == 6
    for copy in copies:
        original = first[copy.params["kind"]]
        assert copy.user_attrs[COPY_OF] == original.number
        assert (copy.state, copy.values) == (original.state, original.values)
        assert copy.user_attrs["figures"] == {"size_mb": 6.5} and "epochs" not in copy.user_attrs, "it cost none"
        assert (copy.constraints, copy.intermediate_values) == (original.constraints, original.intermediate_values)
    assert {first["a"].state, first["b"].state} == {TrialState.COMPLETE, TrialState.PRUNED}


def test_copies_of_several_objectives(url):
    study = open_study(url, directions=("maximize", "minimize"))
    work(study, lambda trial, values: [0.7, 3.0], SMALL, {}, limits(6))
    assert all(trial.values == [0.7, 3.0] for trial in study.trials)
    assert sum(COPY_OF in trial.user_attrs for trial in study.trials) == 4


def test_a_running_twin_is_waited_for_and_replaced_when_it_dies(tmp_path, calls):
    url = f"sqlite:///{tmp_path}/study.db"
    other = start(url, calls, 4, seconds=1.5)
    wait_for_call(calls, 0)
    study = open_study(url)
    worker = working._Worker(study, Sleep(calls), SPACE, {}, limits(4))
    worker.run(make_twin(study, 0))
    assert study.trials[1].user_attrs[COPY_OF] == 0, "it had to wait for it"
    wait_for_call(calls, 2)
    twin = make_twin(study, 2)
    kill(other)
    worker.run(twin)
    assert study.trials[3].state == TrialState.COMPLETE and COPY_OF not in study.trials[3].user_attrs, "it ran itself"
    assert study.trials[3].params == study.trials[2].params
    assert study.trials[2].user_attrs[STOPPED] == DIED
    work(study, Sleep(calls), SPACE, {}, limits(4))
    assert study.trials[4].user_attrs[RETRY_OF] == 2 and study.trials[4].user_attrs[COPY_OF] == 3


def make_twin(study, number):
    """A running trial with the values of another."""
    values = {"fixed_params": study.trials[number].params}
    twin = optuna.create_trial(state=TrialState.RUNNING, system_attrs=values)
    return optuna.Trial(study, study._storage.create_new_trial(study._study_id, twin))


def test_the_deadline_puts_the_running_trial_back(url, calls):
    study, start_s = open_study(url), time.monotonic()
    deadline = start_s + 1.0
    work(study, Sleep(calls, 0.4, deadline), SPACE, {}, limits(20, deadline=deadline))
    assert 1.0 <= time.monotonic() - start_s < 2.0
    *done, stopped = study.trials
    assert done and all(trial.state == TrialState.COMPLETE for trial in done)
    assert stopped.state == TrialState.FAIL and stopped.user_attrs[STOPPED] == OUT_OF_TIME
    work(study, Sleep(calls), SPACE, {}, limits(len(done) + 1))
    again = study.trials[-1]
    assert again.params == stopped.params and again.user_attrs[ATTEMPT] == 1
    work(study, Sleep(calls), SPACE, {}, limits(20, deadline=time.monotonic() - 1))
    assert len(study.trials) == len(done) + 2, "no trial begins after the deadline"


def test_time_limits_may_put_a_trial_back_any_number_of_times(tmp_path):
    def never(trial, values):
        raise OutOfTime

    study = open_study(f"journal:///{tmp_path}/study.log")
    for _ in range(MAX_ATTEMPTS + 2):
        work(study, never, SPACE, {}, limits(1, deadline=time.monotonic() + 0.15))
    assert len(study.trials) > MAX_ATTEMPTS
    assert all(trial.params == study.trials[0].params for trial in study.trials)


def test_a_trial_that_was_given_up_meanwhile_is_left_alone(url):
    """As of a process that was paused for so long that others took it for dead."""
    study, told = open_study(url), open_study(url)

    def paused(trial, values):
        if trial.number < 3:
            storage, identity = told._storage, trial._trial_id
            storage.set_trial_user_attr(identity, STOPPED, DIED)
            storage.set_trial_state_values(identity, state=TrialState.FAIL)
        if trial.number == 0:
            trial.report(0.5, 1)
        if trial.number == 1:
            raise ZeroDivisionError
        return [0.5]

    work(study, paused, {"x": SPACE["x"]}, {}, limits(2))
    assert states(study) == ["FAIL", "FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert not any(ERROR in trial.user_attrs for trial in study.trials)


def test_ctrl_c_gives_the_trial_back(url, calls):
    def interrupt(trial, values):
        raise KeyboardInterrupt

    study = open_study(url)
    with pytest.raises(KeyboardInterrupt):
        work(study, interrupt, SPACE, {}, limits(2))
    assert study.trials[0].user_attrs[STOPPED] == INTERRUPTED
    work(study, Sleep(calls), SPACE, {}, limits(2))
    assert study.trials[1].params == study.trials[0].params and len(finished(study)) == 2


def test_an_interrupt_is_not_lost_while_the_storage_is_away(tmp_path, monkeypatch):
    study = open_study(f"sqlite:///{tmp_path}/study.db")

    def refuse(*arguments, **keywords):
        raise StorageInternalError("connection refused")

    def interrupt(trial, values):
        monkeypatch.setattr(study._storage, "set_trial_user_attr", refuse)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(study, interrupt, SPACE, {}, limits(2))


def test_a_storage_that_is_away_for_a_moment_costs_no_trial(url, calls, monkeypatch):
    study, away_until = open_study(url), [0.0]

    def interrupted(call):
        def try_call(*arguments, **keywords):
            if time.monotonic() < away_until[0]:
                raise StorageInternalError("connection refused")
            return call(*arguments, **keywords)

        return try_call

    for name in ("get_all_trials", "set_trial_state_values", "set_trial_user_attr", "create_new_trial"):
        monkeypatch.setattr(study._storage, name, interrupted(getattr(study._storage, name)))

    def lose(trial, values):
        if trial.number == 1:
            away_until[0] = time.monotonic() + 1.0
            trial.set_user_attr("note", 1)
        return [values["x"]]

    work(study, lose, SPACE, {}, limits(3))
    assert states(study) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[2].params == study.trials[1].params and study.trials[2].user_attrs[ATTEMPT] == 1

    away_until[0] = time.monotonic() + 3.0
    with pytest.raises(StorageInternalError):
        work(study, lose, SPACE, {}, limits(4, grace_s=0.4))


def test_a_pinned_value_is_not_searched(url, calls):
    study = open_study(url)
    work(study, Sleep(calls), SPACE, {"kind": "deep"}, limits(3))
    assert all("kind" not in trial.params and "depth" in trial.params for trial in study.trials)
    assert study.trials[0].params == {"x": 0.5, "depth": 2}
    assert all(values["kind"] == "deep" for _, _, values in read_calls(calls))


def test_the_loop_itself_is_quick(tmp_path, calls):
    study = open_study(f"sqlite:///{tmp_path}/study.db")
    work(study, Sleep(calls), SPACE, {}, limits(5))
    start_s = os.times().user + os.times().system
    work(study, Sleep(calls), SPACE, {}, limits(25))
    assert (os.times().user + os.times().system - start_s) / 20 < 0.1
