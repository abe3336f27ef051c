"""Suggestions follow the space, and come back from a study as they were."""

import warnings

import optuna
import pytest

from textmill.search.space import Dimension, decode, defaults, encode, from_params, is_active, suggest, to_params

SPACE = {
    "learning_rate": Dimension("float", 1e-4, low=1e-5, high=1e-3, log=True),
    "dropout": Dimension("float", 0.1, low=0.0, high=0.3, step=0.1),
    "training.batch_size": Dimension("int", 32, low=8, high=64, log=True),
    "tokenize.max_length": Dimension("int", 64, low=16, high=64, step=16),
    "training.averaging": Dimension("categorical", "none", choices=("none", "ema", "swa")),
    "training.ema_decay": Dimension(
        "float", 0.999, low=0.9, high=0.999, when={"training.averaging": ("ema", "swa"), "training.compile": (True,)}
    ),
    "model.text_cnn.widths": Dimension("categorical", [3, 4, 5], choices=([3, 4, 5], [2, 3])),
    "training.lora": Dimension("categorical", None, choices=(None, {"rank": 8, "alpha": 16.0, "dropout": 0.0})),
}
COMPILE = {"training.compile": Dimension("categorical", False, choices=(False, True))}
WHOLE = {**COMPILE, **SPACE}


@pytest.fixture(scope="module")
def suggested():
    """Sixty trials of a random search in an SQLite database, each with the values that it was given."""
    study = optuna.create_study(
        storage="sqlite:///:memory:", sampler=optuna.samplers.RandomSampler(seed=1), direction="maximize"
    )
    values = []
    for _ in range(60):
        trial = study.ask()
        values.append(suggest(trial, WHOLE, {}))
        study.tell(trial, 0.0)
    return study, values


def test_values_keep_to_their_dimensions(suggested):
    _, values = suggested
    for given in values:
        assert 1e-5 <= given["learning_rate"] <= 1e-3
        assert round(10 * given["dropout"]) / 10 == pytest.approx(given["dropout"])
        assert type(given["training.batch_size"]) is int
        assert given["tokenize.max_length"] in (16, 32, 48, 64)
        assert given["model.text_cnn.widths"] in ([3, 4, 5], [2, 3])
        assert list(given) == [name for name in WHOLE if name in given], "in the order of the space"
    for name in ("training.averaging", "training.lora", "model.text_cnn.widths"):
        assert {repr(given[name]) for given in values} == {repr(choice) for choice in WHOLE[name].choices}


def test_conditions_decide_what_is_suggested(suggested):
    study, values = suggested
    held = [given["training.averaging"] != "none" and given["training.compile"] is True for given in values]
    assert ["training.ema_decay" in given for given in values] == held
    assert ["training.ema_decay" in trial.params for trial in study.trials] == held
    assert 3 < sum(held) < 57


def test_a_study_gives_back_what_was_suggested(suggested):
    """Of a database nothing but numbers, texts, truth values and null comes back."""
    study, values = suggested
    for trial, given in zip(study.get_trials(), values, strict=True):
        again = from_params(trial.params, WHOLE, {})
        assert again == given
        assert [type(value) for value in again.values()] == [type(value) for value in given.values()]
        assert to_params(given, WHOLE, {}) == trial.params


def test_defaults_can_be_enqueued():
    """What the study's first trial suggests is the defaults, whatever their type."""
    study = optuna.create_study(storage="sqlite:///:memory:")
    fixed = {"dropout": 0.25, "training.schedule": "cosine"}
    first = defaults(WHOLE, fixed)
    assert "training.ema_decay" not in first, "its condition does not hold"
    study.enqueue_trial(to_params(first, WHOLE, fixed))
    trial = study.ask()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna's, of values out of range
        assert suggest(trial, WHOLE, fixed) == first
    assert from_params(trial.params, WHOLE, fixed) == first
    assert trial.params.keys() & fixed.keys() == set()


def test_pinned_keys_are_not_searched_but_decide_conditions():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    fixed = {"training.averaging": "ema", "training.compile": True, "learning_rate": 0.5}
    trial = study.ask()
    values = suggest(trial, WHOLE, fixed)
    assert {name: values[name] for name in fixed} == fixed
    assert "training.ema_decay" in values
    assert trial.params.keys() == WHOLE.keys() - fixed.keys()
    assert defaults(WHOLE, fixed)["training.ema_decay"] == 0.999
    assert "training.ema_decay" not in defaults(WHOLE, {**fixed, "training.averaging": "none"})


@pytest.mark.parametrize(("value", "active"), [(True, True), (1, False), (False, False), (None, False)])
def test_one_is_not_true(value, active):
    dimension = Dimension("float", 0.5, low=0, high=1, when={"training.compile": (True,)})
    assert is_active(dimension, {"training.compile": value}) == active


@pytest.mark.parametrize("choice", [None, True, 1, 1.5, "a", [1, 2], {"rank": 8}])
def test_a_choice_is_found_again(choice):
    dimension = Dimension("categorical", choice, choices=(False, 0, "b", [2], choice))
    found = decode(encode(choice), dimension)
    assert found == choice
    assert type(found) is type(choice)
