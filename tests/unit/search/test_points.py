from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from textmill.search.liveness import ATTEMPT, DIED, ERROR, MAX_ATTEMPTS, STOPPED
from textmill.search.points import num_points, num_untried
from textmill.search.samplers import build_sampler, tell_exhausted
from textmill.search.space import Dimension, suggest
from textmill.search.work import COPY_OF, Limits, work

FINITE = {
    "kind": Dimension("categorical", "x", choices=("x", "y", [1, 2])),
    "size": Dimension("int", 4, low=2, high=6, step=2),
    "rate": Dimension("float", 0.5, low=0.1, high=0.4, step=0.1, when={"kind": ("y",), "size": (2, 4)}),
    "only": Dimension("int", 3, low=3, high=3),
}
NUMBERS = {"a": Dimension("float", 0.5, low=0.0, high=1.0), "c": Dimension("int", 2, low=1, high=9)}


def test_points_of_a_space_are_counted():
    assert num_points(FINITE, {}) == 3 + (4 + 4 + 1) + 3  # of the kinds x, y and [1, 2]
    assert num_points(FINITE, {"kind": "y"}) == 9
    assert num_points(FINITE, {"kind": "x"}) == 3
    assert num_points(NUMBERS, {}) is None
    assert num_points(NUMBERS, {"a": 0.5}) == 9
    assert num_points({}, {}) == 1
    assert tell_exhausted(optuna.create_study(sampler=build_sampler("brute_force", 3)), FINITE, {}) is None
    assert tell_exhausted(optuna.create_study(sampler=build_sampler("random", 3)), {}, {}) is None
    many = {f"k{i}": Dimension("int", 0, low=0, high=99) for i in range(20)}
    assert num_points(many, {}) == 100**20


def test_what_is_tried_is_not_left():
    study = optuna.create_study()
    space = {"kind": FINITE["kind"]}

    def trial_of(kind, state, **attributes):
        study.enqueue_trial({"kind": kind}, user_attrs=attributes)
        trial = study.ask()
        suggest(trial, space, {})
        if state:
            study.tell(trial, 1.0 if state == TrialState.COMPLETE else None, state=state)

    assert num_untried(study.trials, 3) == 3
    study.tell(study.ask(), state=TrialState.FAIL)  # had no values yet
    trial_of("x", TrialState.FAIL)  # died: it will be run again
    assert num_untried(study.trials, 3) == 3
    trial_of("x", TrialState.FAIL, **{ERROR: "it does not train"})
    assert num_untried(study.trials, 3) == 2
    trial_of("x", TrialState.COMPLETE)
    trial_of("y", None)  # runs
    assert num_untried(study.trials, 3) == 1
    trial_of("[1, 2]", TrialState.FAIL, **{ATTEMPT: MAX_ATTEMPTS, STOPPED: DIED})
    assert num_untried(study.trials, 3) == 0


@pytest.mark.parametrize("num_threads", [1, 3])
def test_a_search_by_brute_force_ends_when_every_point_was_tried(num_threads, tmp_path):
    """Fewer trials than were asked for, one of them with an error; each point once, by however many workers."""
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))

    def objective(trial, values):
        if values["kind"] == "y" and values["size"] == 6:
            raise ValueError("it does not train")
        return [float(values["size"])]

    def one_worker(_):
        study = optuna.create_study(
            storage=storage, study_name="study", load_if_exists=True, sampler=build_sampler("brute_force", 3)
        )
        work(study, objective, FINITE, {}, Limits(40, 3, 60.0))
        return study

    with ThreadPoolExecutor(num_threads) as pool:
        study = list(pool.map(one_worker, range(num_threads)))[-1]
    trained = [trial for trial in study.trials if trial.params and COPY_OF not in trial.user_attrs]
    complete = [repr(sorted(trial.params.items())) for trial in trained if trial.state == TrialState.COMPLETE]
    assert len(complete) == len(set(complete)) == 14, "no point is trained twice, whoever draws it"
    assert {trial.params["size"] for trial in trained if trial.state == TrialState.FAIL} == {6}
    assert num_untried(study.trials, 15) == 0
    assert "all 15 points" in str(tell_exhausted(study, FINITE, {}))
    assert sum(trial.state == TrialState.COMPLETE for trial in study.trials) < 40
