"""A study as plain JSON, and back."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from textmill.artifacts import read_json, write_json
from textmill.search.claims import SURPLUS
from textmill.search.describe import MIN_TRIALS, describe, describe_study, importances, space_of
from textmill.search.liveness import ERROR, STOPPED, WORKER
from textmill.search.rebuild import rebuild
from textmill.search.space import Dimension, suggest
from textmill.search.work import COPY_OF

SPACE = {
    "learning_rate": Dimension("float", 1e-3, 1e-4, 1e-2, True),
    "model.text_cnn.widths": Dimension("categorical", [2, 3], choices=([2, 3], [3, 4, 5])),
    "training.averaging": Dimension("categorical", "none", choices=("none", "ema")),
    "training.ema_decay": Dimension("float", 0.9, 0.8, 0.99, when={"training.averaging": ("ema",)}),
    "training.batch_size": Dimension("int", 16, 8, 64, step=8),
}
FIXED = {"dropout": 0.1}
LIMIT = "size_mb <= 5"


@pytest.fixture
def study() -> optuna.Study:
    """20 trials, whose score follows the batch size; some are pruned, one fails, one runs, one waits."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name="s", direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr(WORKER, {"host": "here", "pid": 7, "started": 0.0})
        values = suggest(trial, SPACE, FIXED)
        trial.set_constraint(LIMIT, values["training.batch_size"] / 8 - 5)
        trial.set_user_attr("epochs", 0.5)
        trial.report(0.25, 1)
        if trial.number in (4, 5):
            raise optuna.TrialPruned
        if trial.number == 6:
            trial.set_user_attr(ERROR, "it broke")
            raise ValueError
        return values["training.batch_size"] / 100

    study.optimize(objective, n_trials=20, catch=ValueError)
    study.ask()
    study.enqueue_trial({"learning_rate": 2e-3})
    return study


def test_a_trial_is_told_with_its_values_as_params_yaml_has_them(study: optuna.Study) -> None:
    told = describe(study.trials[0], SPACE, FIXED)
    assert told["values"] == {
        **FIXED,
        **study.trials[0].params,
        "model.text_cnn.widths": json.loads(study.trials[0].params["model.text_cnn.widths"]),
    }
    assert isinstance(told["values"]["model.text_cnn.widths"], list)
    assert (told["state"], told["score"], told["figures"]) == ("complete", told["score"], {"quality": told["score"]})
    assert (told["epochs"], told["worker"], told["reports"]) == (0.5, "here:7", [[1, 0.25]])
    assert told["seconds"] >= 0
    violation = study.trials[0].params["training.batch_size"] / 8 - 5
    assert told["constraints"] == {LIMIT: {"violation": violation, "kept": violation <= 0}}
    assert {told[key] for key in ("error", "stopped", "copy_of", "retry_of", "attempt")} == {None}


def test_pruned_failed_running_and_waiting_trials(study: optuna.Study) -> None:
    told = [describe(trial, SPACE, FIXED) for trial in study.trials]
    assert (told[4]["state"], told[4]["score"], told[4]["figures"]) == ("pruned", 0.25, {})
    assert (told[6]["state"], told[6]["score"], told[6]["error"]) == ("fail", None, "it broke")
    assert (told[20]["state"], told[20]["seconds"], told[20]["values"]) == ("running", None, {})
    assert (told[21]["state"], told[21]["started"]) == ("waiting", None)
    assert told[21]["values"] == {**FIXED, "learning_rate": 2e-3}, "what is queued is known"


def test_what_a_trial_took_from_another_and_what_was_given_back(study: optuna.Study) -> None:
    copy = study.ask()
    copy.set_user_attr(COPY_OF, 3)
    study.tell(copy, 0.5)
    study.enqueue_trial({"learning_rate": 2e-3})
    study.ask()
    surplus = study.ask()
    surplus.set_user_attr(STOPPED, SURPLUS)
    study.tell(surplus, state=TrialState.FAIL)
    told = describe_study(study, SPACE, FIXED)["trials"]
    assert told[copy.number]["copy_of"] == 3
    assert (told[surplus.number]["stopped"], told[surplus.number]["values"]) == (SURPLUS, {})


def test_a_study_survives_json(study: optuna.Study, tmp_path: Path) -> None:
    record = describe_study(study, SPACE, FIXED)
    write_json(tmp_path / "study.json", record)
    read = read_json(tmp_path / "study.json")
    assert read == record
    again = rebuild(read)
    assert [trial.number for trial in again.trials] == list(range(22))
    assert again.best_params == study.best_params
    for one, other in zip(study.trials[:20], again.trials, strict=False):
        assert (one.state, one.values, one.params) == (other.state, other.values, other.params)
        assert (one.distributions, one.constraints) == (other.distributions, other.constraints)
        assert one.intermediate_values == other.intermediate_values
        assert one.duration is not None and other.duration is not None
        assert abs((one.duration - other.duration).total_seconds()) < 0.01
    assert [trial.state for trial in again.trials[20:]] == [TrialState.WAITING] * 2
    assert describe_study(again, SPACE, FIXED)["importances"] == record["importances"]


def test_several_objectives() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: (trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True), 2.0), n_trials=3)
    record = describe_study(study, SPACE, FIXED, ["quality", "size_mb"])
    assert record["directions"] == ["maximize", "minimize"]
    first = record["trials"][0]
    assert first["figures"] == {"quality": study.trials[0].values[0], "size_mb": 2.0}
    assert first["score"] == first["figures"]["quality"]
    assert [trial.values for trial in rebuild(record).trials] == [trial.values for trial in study.trials]


def test_the_key_that_decides_is_the_important_one(study: optuna.Study) -> None:
    found = importances(study)
    assert next(iter(found["shares"])) == "training.batch_size"
    assert found["shares"]["training.batch_size"] > 0.8
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert "training.ema_decay" in found["note"], "not all trials have it"
    assert importances(study) == found, "the forest is seeded"


def run(number: int, objective: optuna.study.study.ObjectiveFuncType) -> dict:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=number)
    return importances(study)


def test_importances_that_cannot_be_told_say_why() -> None:
    few = run(MIN_TRIALS - 1, lambda trial: trial.suggest_float("x", 0, 1))
    assert few == {"shares": {}, "note": "Too few complete trials to tell (7); it takes 8."}
    assert run(MIN_TRIALS, lambda trial: trial.suggest_float("x", 0, 1))["shares"] == {"x": 1.0}
    same = run(MIN_TRIALS, lambda trial: 0 * trial.suggest_float("x", 0, 1))
    assert "same score" in same["note"]
    one = run(MIN_TRIALS, lambda trial: trial.number + trial.suggest_int("x", 1, 1))
    assert "No key has more than one value" in one["note"]


def test_a_study_that_params_yaml_does_not_ask_for_tells_its_values_alike(study: optuna.Study) -> None:
    own, other = describe_study(study, SPACE, {}), describe_study(study, space_of(study), {})
    assert [trial["values"] for trial in own["trials"]] == [trial["values"] for trial in other["trials"]]
