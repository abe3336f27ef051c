"""Values that a search found become those of params.yaml, and nothing else of it changes."""

import difflib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from textmill.config import InvalidParams, load_params
from textmill.config.searched import UnusableValues, override, overrides
from textmill.search.adopt import Change, NothingToAdopt, adopt
from textmill.search.setup import family_space
from textmill.search.space import defaults

ROOT = Path(__file__).resolve().parents[3]
PLACE = "tune.space.transformer"
VALUES = {"learning_rate": 0.00012345678901234567, "weight_decay": 0.01, "warmup_fraction": 0.15, "dropout": 2e-05}


@pytest.fixture
def params(tmp_path):
    copy = tmp_path / "params.yaml"
    copy.write_bytes((ROOT / "params.yaml").read_bytes())
    return copy


def edit(params, change):
    yaml = YAML()
    yaml.width = 4096
    document = yaml.load(params)
    change(document)
    yaml.dump(document, params)


def changed_lines(before, after):
    return [line[2:] for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith("+ ")]


def test_hyperparameters_become_defaults(params):
    before = params.read_text(encoding="utf-8")
    changes = adopt(VALUES, params)
    assert changes == [
        Change(f"{PLACE}.learning_rate.default", 1e-4, VALUES["learning_rate"]),
        Change(f"{PLACE}.warmup_fraction.default", 0.1, 0.15),
        Change(f"{PLACE}.dropout.default", 0.1, 2e-05),
        Change("tune.num_trials", 6, 0),
    ]
    assert all(type(change.before) in (int, float) for change in changes)
    after = params.read_text(encoding="utf-8")
    assert changed_lines(before, after) == [
        "  num_trials: 0",
        "      learning_rate: {type: float, low: 2.0e-5, high: 4.0e-4, log: true, default: 0.00012345678901234567}",
        "      warmup_fraction: {type: float, low: 0.0, high: 0.2, default: 0.15}",
        "      dropout: {type: float, low: 0.0, high: 0.3, default: 2e-05}",
    ]
    assert defaults(*family_space(load_params(params))) == VALUES


def test_twice_is_once(params):
    assert adopt(VALUES, params)
    written = params.read_bytes()
    assert adopt(VALUES, params) == []
    assert params.read_bytes() == written


def test_the_search_can_go_on(params):
    assert "tune.num_trials" not in [change.key for change in adopt(VALUES, params, keep_searching=True)]
    assert load_params(params).tune.num_trials == 6


def test_other_keys_get_their_values_in_their_own_places(params):
    before = params.read_text(encoding="utf-8")
    lora = {"rank": 8, "alpha": 16.0, "dropout": 0.0}
    values = {
        **VALUES,
        "training.batch_size": 64,
        "training.loss.focal_gamma": 0.5,
        "training.gradient_clip": 1,
        "training.lora": lora,
        "model.transformer.pooling": "cls",
    }
    given = load_params(params)
    changes = adopt(values, params)
    assert changes[3:-1] == [
        Change("training.batch_size", 32, 64),
        Change("training.loss.focal_gamma", 0.0, 0.5),
        Change("training.lora", None, lora),
        Change("model.transformer.pooling", "mean", "cls"),
    ]
    after = params.read_text(encoding="utf-8")
    lines = changed_lines(before, after)
    assert "  batch_size: 64" in lines
    assert "  loss: {class_weights: none, label_smoothing: 0.0, focal_gamma: 0.5}" in lines
    assert "  lora: {rank: 8, alpha: 16.0, dropout: 0.0} # for example {rank: 8, alpha: 16.0, dropout: 0.0}" in [
        line.replace("  #", " #") for line in lines
    ]
    assert len(lines) == 8
    taken = load_params(params)
    assert override(given, values).training == taken.training
    assert override(given, values).model == taken.model
    assert overrides(taken, values) == []


def test_lists_stay_in_one_line(params):
    edit(params, lambda document: document["model"].update(family="text_cnn"))
    adopt({**VALUES, "learning_rate": 0.001, "model.text_cnn.widths": [2, 3]}, params)
    assert "widths: [2, 3]," in params.read_text(encoding="utf-8")


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(
    ("dimension", "key", "before", "after"),
    [
        ({"type": "int", "low": 16, "high": 64, "step": 16}, "high", 64, 32),
        ({"type": "categorical", "choices": [16, 64, 32]}, "choices", [16, 64, 32], [16, 32]),
    ],
)
def test_a_shorter_length_is_the_longest_from_now_on(params, nested, dimension, key, before, after):
    space = {"tokenize": {"max_length": dimension}} if nested else {"tokenize.max_length": dimension}
    edit(params, lambda document: document["tune"]["space"]["transformer"].update(space))
    values = {**VALUES, "tokenize.max_length": 32}
    changes = adopt(values, params)
    assert changes[3:5] == [
        Change("tokenize.max_length", 64, 32),
        Change(f"{PLACE}.tokenize.max_length.{key}", before, after),
    ]
    assert load_params(params).tokenize.max_length == 32
    assert adopt(values, params) == []


def test_what_is_pinned_stays(params):
    fixed = {"training": {"batch_size": 128}, "dropout": 0.2}
    edit(params, lambda document: document["tune"].update(fixed=fixed))
    changes = adopt({**VALUES, "dropout": 0.2, "training.batch_size": 128}, params)
    assert {change.key for change in changes} & {f"{PLACE}.dropout.default", "training.batch_size"} == set()
    assert load_params(params).tune.fixed == {"training.batch_size": 128, "dropout": 0.2}


@pytest.mark.parametrize(
    ("values", "error", "told"),
    [
        ({}, NothingToAdopt, "nothing that is searched"),
        (
            {**VALUES, "dropout": 0.7},
            InvalidParams,
            r"/params\.yaml has 1 (?s:.)*dropout: default \(0\.7\) must be",
        ),
        ({**VALUES, "training.batch_size": 0}, UnusableValues, r"training\.batch_size: 0 is not allowed"),
        ({**VALUES, "model.lstm.num_layers": 2}, UnusableValues, r"model\.lstm\.num_layers: no such key to search"),
        ({**VALUES, "tokenize.max_length": 128}, UnusableValues, r"max_length: 128 is not allowed: .* from 8 to 64"),
    ],
)
def test_what_would_be_invalid_is_refused(params, values, error, told):
    before = params.read_bytes()
    with pytest.raises(error, match=told):
        adopt(values, params)
    assert params.read_bytes() == before
    assert list(params.parent.iterdir()) == [params]


def test_a_value_out_of_the_range_that_is_searched_is_refused(params):
    dimension = {"type": "int", "low": 16, "high": 64}
    edit(params, lambda document: document["tune"]["space"]["transformer"].update({"training.batch_size": dimension}))
    with pytest.raises(InvalidParams, match=r"training\.batch_size is 128 in params\.yaml, .* between low \(16\)"):
        adopt({**VALUES, "training.batch_size": 128}, params)
