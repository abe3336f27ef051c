from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from tests.tiny_model import SETTINGS, tiny_transformer, write_tokens
from textmill.training import search
from textmill.training.dataset import TrainingData
from textmill.training.search import Dimension, SearchSettings

SPACE = {
    "learning_rate": Dimension(1e-4, 1e-2, True, 1e-3),
    "weight_decay": Dimension(0.0, 0.1, False, 0.01),
    "warmup_fraction": Dimension(0.0, 0.2, False, 0.1),
    "dropout": Dimension(0.0, 0.3, False, 0.1),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens"), num_train=64, num_validation=32))


def run(data, folder, num_trials, **keywords):
    return search.search(
        tiny_transformer(),
        data,
        replace(SETTINGS, epochs=1),
        keywords.pop("space", SPACE),
        keywords.pop("fixed", {}),
        SearchSettings(num_trials, 2, True),
        storage=f"sqlite:///{folder}/optuna.db",
        name="study",
        progress=False,
        **keywords,
    )


def test_a_killed_search_finishes_exactly_what_is_missing(data, tmp_path):
    seen = []

    def kill(trial):
        seen.append(trial.number)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path, 7, on_trial=kill)
    storage = f"sqlite:///{tmp_path}/optuna.db"
    dead = optuna.load_study(study_name="study", storage=storage).ask()  # as SIGKILL leaves it: RUNNING

    study = run(data, tmp_path, 7)
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.COMPLETE) + states.count(TrialState.PRUNED) == 7
    assert study.trials[dead.number].state == TrialState.FAIL
    values = [tuple(trial.params.values()) for trial in study.trials if trial.params]
    assert len(set(values)) == len(values), "a restart repeats no suggestion"
    assert len(run(data, tmp_path, 7).trials) == len(study.trials), "nothing is left to do"


def test_a_kill_in_the_first_trial_does_not_lose_the_defaults(data, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(search, "fit", killed)
        run(data, tmp_path, 2)
    study = run(data, tmp_path, 2)
    default = {key: dimension.default for key, dimension in SPACE.items()}
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert study.trials[1].params == default


def test_defaults_come_first_and_fixed_keys_stay(data, tmp_path):
    study = run(data, tmp_path, 3, fixed={"dropout": 0.25})
    assert study.trials[0].params == {"learning_rate": 1e-3, "weight_decay": 0.01, "warmup_fraction": 0.1}
    assert all("dropout" not in trial.params for trial in study.trials)
    assert search.best(study, {"dropout": 0.25})["values"]["dropout"] == 0.25
    assert set(study.trials[0].intermediate_values) == {2, 4}, "scored twice an epoch of four steps"


def test_a_trial_that_diverges_is_pruned_with_its_reason(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tests.tiny_model.Transformer.forward",
        lambda self, ids, mask: self.head.weight.new_full((len(ids), 2), float("nan"), requires_grad=True),
    )
    study = run(data, tmp_path, 1)
    assert study.trials[0].state == TrialState.PRUNED
    assert "learning rate" in study.trials[0].user_attrs["error"]
    assert search.describe(study.trials[0])["state"] == "pruned"
    with pytest.raises(search.NothingLearned, match=r"tune\.space\.learning_rate"):
        search.best(study, {})
