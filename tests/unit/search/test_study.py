"""Studies by their name: made, joined, continued, and what differs from what is asked for."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import optuna
import pytest

from tests.search_servers import PASSWORD, postgres
from textmill.search.study import DECLARED, IncompatibleStudy, NoStudy, StudySettings, differences, open_study

RECORD = {
    "key": "1a2b3c4d5e6f",
    "stage": "tune",
    "params": {"seed": 1, "tune": {"epochs": 1, "space": {"dropout": {"low": 0.0, "choices": ()}}}},
    "code": {"training": "aaa", "models": "bbb"},
    "inputs": {"data/tokens": "ccc"},
}


def other_record(**params):
    return {**RECORD, "key": "ffffffffffff", "params": {**RECORD["params"], **params}}


@pytest.fixture
def settings(tmp_path):
    return StudySettings(
        name="reviews-1a2b3c4d5e6f",
        storage=f"sqlite:///{tmp_path}/optuna.db",
        sampler="random",
        pruner="none",
        seed=7,
        num_reports=2,
        objectives=["quality"],
        declared=RECORD,
    )


@pytest.fixture(params=["sqlite", "journal"])
def storage(request, tmp_path):
    return f"{request.param}:///{tmp_path}/studies"


def test_a_study_is_made_and_then_continued(settings, storage):
    settings = replace(settings, storage=storage)
    study = open_study(settings)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE"]
    assert study.metric_names == ["quality"]
    study.add_trial(optuna.trial.create_trial(value=0.5))
    for create in (True, False):
        assert [trial.value for trial in open_study(settings, create=create).trials] == [0.5]


def test_several_objectives(settings):
    study = open_study(replace(settings, objectives=["quality", "latency_ms"]))
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["quality", "latency_ms"]


def open_at_once(settings, num_workers=4):
    """The ids of the studies that several get who open one at a time, and how many there are then."""
    with ThreadPoolExecutor(num_workers) as pool:
        studies = list(pool.map(open_study, [settings] * num_workers))
    return {study._study_id for study in studies}, len(optuna.get_all_study_names(studies[0]._storage))


def test_several_that_make_it_at_once_are_in_one_study(settings, storage):
    ids, num_studies = open_at_once(replace(settings, storage=storage))
    assert len(ids) == num_studies == 1


def test_several_that_make_it_at_once_in_postgres_are_in_one_study(settings):
    with postgres() as server:
        url = server.url().replace("postgresql", "postgresql+psycopg")
        ids, num_studies = open_at_once(replace(settings, storage=url))
    assert len(ids) == num_studies == 1


def test_a_study_of_this_name_with_other_directions(settings):
    open_study(settings).add_trial(optuna.trial.create_trial(value=0.5))
    with pytest.raises(IncompatibleStudy, match=r"has the directions maximize; .*loss.* needs minimize"):
        open_study(replace(settings, objectives=["loss"]))
    assert len(open_study(settings).trials) == 1


def test_a_study_of_this_name_that_searches_something_else(settings):
    open_study(settings)
    with pytest.raises(IncompatibleStudy, match=r"something else: seed 1 -> 2 \(there -> here\)"):
        open_study(replace(settings, declared=other_record(seed=2)))
    assert open_study(settings).user_attrs[DECLARED]["params"]["seed"] == 1


def test_a_study_of_this_name_that_another_program_made(settings):
    study = optuna.create_study(storage=settings.storage, study_name=settings.name, direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=0.5))
    with pytest.raises(IncompatibleStudy, match="not made by textmill"):
        open_study(settings)


def test_joining_without_any_study(settings):
    with pytest.raises(NoStudy, match="none of the project reviews"):
        open_study(settings, create=False)


def test_joining_tells_how_the_nearest_study_differs(settings):
    near, far = replace(settings, name="reviews-bbbbbbbbbbbb"), replace(settings, name="reviews-cccccccccccc")
    open_study(replace(near, declared={**other_record(seed=2), "inputs": {"data/tokens": "ddd"}}))
    open_study(replace(far, declared=other_record(seed=3, task="multi_label", tune={"epochs": 9})))
    open_study(replace(settings, name="news-dddddddddddd"))
    with pytest.raises(NoStudy) as caught:
        open_study(settings, create=False)
    told = str(caught.value)
    assert "is reviews-bbbbbbbbbbbb, from which this checkout differs in data/tokens differs; seed 2 -> 1" in told
    assert "Others: reviews-cccccccccccc." in told
    assert "news" not in told
    assert len(optuna.get_all_study_names(settings.storage)) == 3


def test_joining_hides_the_password(settings):
    with postgres() as server:
        url = server.url().replace("postgresql", "postgresql+psycopg")
        with pytest.raises(NoStudy) as caught:
            open_study(replace(settings, storage=url), create=False)
    assert PASSWORD not in str(caught.value)


def test_differences():
    assert differences(RECORD, RECORD) == []
    assert differences(RECORD, {**RECORD, "params": {"seed": 1}}) == [
        "tune.epochs 1 -> nothing",
        "tune.space.dropout.choices [] -> nothing",
        "tune.space.dropout.low 0.0 -> nothing",
    ]
    assert differences(RECORD, {**RECORD, "code": {"training": "zzz", "models": "bbb"}}) == ["training differs"]
