"""Search spaces: what can be written, and every mistake in them told by key, value and what is allowed."""

import json
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from textmill.config import InvalidParams, load_params
from textmill.config.searched import UnusableValues, override, overrides, searchable

ROOT = Path(__file__).resolve().parents[2]
BATCH = {"type": "int", "low": 8, "high": 64, "log": True}
AVERAGING = {"type": "categorical", "choices": ["none", "ema"]}
EMA = {"type": "categorical", "choices": [0.99, 0.999]}
LOSS = {"class_weights": "none", "label_smoothing": 0.0, "focal_gamma": 0.0}
LENGTH = {"type": "int", "low": 16, "high": 64, "step": 16}


@pytest.fixture
def load(tmp_path):
    """Reads the repository's params.yaml with keys added to the space of the transformer, or changed elsewhere."""

    def change(space=None, family="transformer", **others):
        yaml = YAML()
        document = yaml.load(ROOT / "params.yaml")
        document["tune"]["space"][family] |= space or {}
        for name, value in others.items():
            *parents, last = name.split("__")
            node = document
            for parent in parents:
                node = node[parent]
            node[last] = value
        yaml.dump(document, tmp_path / "params.yaml")
        return load_params(tmp_path / "params.yaml")

    return change


def test_keys_are_nested_or_dotted(load):
    dotted = {"training.batch_size": BATCH, "training.loss.focal_gamma": {"type": "float", "low": 0, "high": 2}}
    nested = {"training": {"batch_size": BATCH, "loss": {"focal_gamma": {"type": "float", "low": 0, "high": 2}}}}
    space = load(nested).tune.space.transformer
    assert space == load(dotted).tune.space.transformer
    assert list(space)[-2:] == ["training.batch_size", "training.loss.focal_gamma"]
    fixed = load(tune__fixed={"training": {"batch_size": 8}, "dropout": 0.1}).tune.fixed
    assert fixed == {"training.batch_size": 8, "dropout": 0.1}


def test_everything_that_can_be_searched(load):
    """All types and conditions, in the spaces of several families, whether active or not."""
    config = {"model_type": "gpt2", "n_embd": 128, "n_layer": 4, "n_head": 4}
    common = {
        "tokenize": {"max_length": LENGTH},
        "training": {
            "batch_size": {"type": "categorical", "choices": [16, 32]},
            "compile": {"type": "categorical", "choices": [True, False]},
            "batch_tokens": {"type": "categorical", "choices": [None, 16384]},
            "gradient_clip": {"type": "categorical", "choices": [1, 5]},
            "averaging": AVERAGING,
            "ema_decay": {**EMA, "when": {"training": {"averaging": "ema"}}},
            "swa_start": {
                "type": "float",
                "low": 0.5,
                "high": 0.75,
                "step": 0.25,
                "when": {"training.batch_size": [16]},
            },
            "loss": {"label_smoothing": {"type": "float", "low": 0.0, "high": 0.2}},
        },
    }
    lora = {"type": "categorical", "choices": [None, {"rank": 8, "alpha": 16.0, "dropout": 0.0}]}
    shapes = {"type": "categorical", "choices": [None, config]}
    whole = {**common, "training": {**common["training"], "lora": lora}, "model": {"transformer": {"config": shapes}}}
    found = load(whole).tune.space.transformer
    assert set(found) == {
        *("learning_rate", "weight_decay", "warmup_fraction", "dropout", "tokenize.max_length", "training.lora"),
        *(f"training.{key}" for key in common["training"] if key != "loss"),
        *("training.loss.label_smoothing", "model.transformer.config"),
    }
    assert found["training.ema_decay"].when == {"training.averaging": "ema"}
    assert found["model.transformer.config"].choices == [None, config]
    widths = {"type": "categorical", "choices": [[3, 4, 5], [2, 3]]}
    filters = {"type": "int", "low": 50, "high": 200, "when": {"model.text_cnn.widths": [[3, 4, 5]]}}
    cnn = load({**common, "model": {"text_cnn": {"widths": widths, "num_filters": filters}}}, "text_cnn")
    assert cnn.tune.space.text_cnn["model.text_cnn.num_filters"].when == {"model.text_cnn.widths": [[3, 4, 5]]}
    lstm = load({**common, "model": {"lstm": {"num_layers": {"type": "int", "low": 1, "high": 3}}}}, "lstm")
    assert lstm.tune.space.lstm["model.lstm.num_layers"].high == 3
    depth = {"model.transformer.config.n_layer": {"type": "int", "low": 2, "high": 6}}
    assert "model.transformer.config.n_layer" in load(depth, model__transformer__config=config).tune.space.transformer


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"learning_rat": BATCH}, r"transformer\.learning_rat: no such key to search; there are learning_rate, .*, to"),
        ({"training.batchsize": BATCH}, r"transformer\.training\.batchsize: no such key .* training\.batch_size, "),
        ({"model.lstm.hidden_size": BATCH}, r"transformer\.model\.lstm\.hidden_size: no such key to search"),
        ({"train.epochs": BATCH}, r"transformer\.train\.epochs: no such key to search"),
        ({"training": {}}, r"space\.transformer\.training: type must be float, int or categorical, and is missing"),
        ({"dropout": {"low": 0, "high": 1}}, r"transformer\.dropout: type must be .* categorical, and is missing"),
        ({"dropout": {"type": "real"}}, r"transformer\.dropout: type must be .* categorical, found 'real'"),
        ({"dropout": 0.1}, r"transformer\.dropout: a searched key is a mapping such as .*, found 0\.1"),
        ({"dropout": {"type": "float", "low": 0}}, r"transformer\.dropout\.high: this key is missing"),
        (
            {"training.batch_size": {**BATCH, "lo": 3}},
            r"transformer\.training\.batch_size\.lo: no such key; allowed here: default, high, log, low, step, t",
        ),
        ({"training.batch_size": {**BATCH, "low": 8.5}}, r"training\.batch_size\.low: .*valid integer.*found 8\.5"),
        ({"training.batch_size": BATCH, "training": {"batch_size": BATCH}}, r"training\.batch_size is written twice"),
        ({"training.batch_size": {**BATCH, "low": 80}}, r"batch_size: low \(80\) must not be above high \(64\)"),
        ({"training.batch_size": {**BATCH, "low": 0}}, r"batch_size: low \(0\) must be above 0 on a logarithmic scale"),
        ({"training.batch_size": {**BATCH, "step": 8}}, r"batch_size: step \(8\) must be null on a logarithmic scale"),
        (
            {"tokenize.max_length": {**LENGTH, "step": 20}},
            r"max_length: steps of 20 from low \(16\) do not lead to high \(64\)",
        ),
        (
            {"training.gradient_clip": {"type": "float", "low": 0.5, "high": 2.0, "step": 0.4}},
            r"gradient_clip: steps of 0\.4 from low \(0\.5\) do not lead to high \(2\)",
        ),
        (
            {"dropout": {"type": "float", "low": 0, "high": 0.2, "default": 0.9}},
            r"transformer\.dropout: default \(0\.9\) must be between low \(0\) and high \(0\.2\)",
        ),
        ({"dropout": {"type": "float", "low": 0, "high": 0.2}}, r"transformer\.dropout: default is missing"),
        (
            {"dropout": {"type": "float", "low": 0, "high": 2.0, "default": 0.1}},
            r"transformer\.dropout\.high: 2\.0 is not allowed: must be a number in \[0, 0\.9\]",
        ),
        (
            {"dropout": {"type": "categorical", "choices": [0.1, "much"], "default": 0.1}},
            r"transformer\.dropout\.choices: much is not allowed: must be a number",
        ),
        (
            {"dropout": {"type": "categorical", "choices": [0.1, 0.2], "default": 0.3}},
            r"transformer\.dropout: default \(0\.3\) must be one of choices \(0\.1, 0\.2\)",
        ),
        ({"training.averaging": {**AVERAGING, "choices": []}}, r"training\.averaging\.choices: .*at least 1 item"),
        ({"training.averaging": {**AVERAGING, "choices": ["none", "none"]}}, r"averaging: choices has 'none' twice"),
        (
            {"training.averaging": {**AVERAGING, "choices": ["none", "mean"]}},
            r"training\.averaging\.choices: mean is not allowed: Input should be 'none', 'ema' or 'swa'",
        ),
        (
            {"training.averaging": {**AVERAGING, "choices": ["ema", "swa"]}},
            r"averaging: training\.averaging is none in params\.yaml, which is tried first, and so must be one of",
        ),
        ({"training.averaging": {**AVERAGING, "default": "ema"}}, r"averaging\.default must go: it is the value of"),
        (
            {"training.batch_size": {**BATCH, "low": 40}},
            r"training\.batch_size is 32 in params\.yaml, .* between low \(40\) and high \(64\)",
        ),
        (
            {"training.batch_size": {"type": "int", "low": 8, "high": 64, "step": 14}},
            r"training\.batch_size is 32 in params\.yaml, .* high \(64\) in steps of 14",
        ),
        (
            {"training.batch_size": {"type": "float", "low": 16.0, "high": 64.0}},
            r"training\.batch_size\.low: 16\.0 is not allowed: its values are of type int",
        ),
        (
            {"training.batch_size": {"type": "categorical", "choices": [32, None]}},
            r"training\.batch_size\.choices: null is not allowed: .*valid integer",
        ),
        (
            {"training.compile": {"type": "int", "low": 0, "high": 1}},
            r"training\.compile\.low: 0 is not allowed: its values are of type bool",
        ),
        (
            {"training.lora": {"type": "categorical", "choices": [None, {"rank": 0, "alpha": 8.0, "dropout": 0.0}]}},
            r'training\.lora\.choices: \{"rank": 0, .*\} is not allowed: .*greater than or equal to 1',
        ),
        (
            {"training.augmentation.replace": {"type": "float", "low": 0.0, "high": 0.1}},
            r"augmentation\.replace\.high: .*set pretrain\.objective to mlm",
        ),
        (
            {"tokenize.max_length": {**LENGTH, "high": 128}},
            r"max_length\.high: 128 is not .* from 8 to 64, which is",
        ),
        ({"tokenize.max_length": {**LENGTH, "low": 0}}, r"max_length\.low: 0 is not allowed: .* from 8 to 64"),
        (
            {"tokenize.max_length": {"type": "int", "low": 16, "high": 48}},
            r"tokenize\.max_length is 64 in params\.yaml, which is tried first, and so must be between low \(16\)",
        ),
        (
            {"training.ema_decay": {**EMA, "when": {"training.averaging": "ema"}}, "training.averaging": AVERAGING},
            r"ema_decay\.when: training\.averaging must be a key searched here and written before training\.ema_decay; "
            r"there are learning_rate, ",
        ),
        (
            {"training.ema_decay": {**EMA, "when": {"training.ema_decay": 0.99}}},
            r"ema_decay\.when: training\.ema_decay must be a key searched here and written before",
        ),
        (
            {"training.ema_decay": {**EMA, "when": {"training.averages": "ema"}}},
            r"ema_decay\.when: training\.averages must be a key searched here",
        ),
        (
            {"training.averaging": AVERAGING, "training.ema_decay": {**EMA, "when": {"training.averaging": "swa"}}},
            r"ema_decay\.when\.training\.averaging: swa must be one of choices \(none, ema\)",
        ),
        (
            {
                "training.batch_size": BATCH,
                "training.averaging": {**AVERAGING, "when": {"training.batch_size": [8, 99]}},
            },
            r"averaging\.when\.training\.batch_size: 99 must be between low \(8\) and high \(64\)",
        ),
        (
            {"dropout": {"type": "float", "low": 0, "high": 0.2, "when": {"learning_rate": 1e-4}, "default": 0.1}},
            r"transformer\.dropout\.when must go: dropout is always needed",
        ),
        (
            {
                "training.loss.focal_gamma": {"type": "float", "low": 0.0, "high": 2.0},
                "training.loss": {"type": "categorical", "choices": [LOSS]},
            },
            r"transformer\.training\.loss: training\.loss\.focal_gamma is a part of it: search the whole, or its parts",
        ),
        ({"training.averaging": {**AVERAGING, "when": 3}}, r"training\.averaging\.when: .*valid dictionary, found 3"),
    ],
)
def test_a_mistake_in_a_space_is_told(load, space, told):
    with pytest.raises(InvalidParams, match=told) as error:
        load(space)
    assert "params.yaml has 1 mistake" in str(error.value)


def test_spaces_of_families_that_are_not_active_are_checked(load):
    with pytest.raises(InvalidParams, match=r"tune\.space\.lstm\.model\.lstm\.num_layers\.low: 0 is not allowed"):
        load({"model.lstm.num_layers": {"type": "int", "low": 0, "high": 3}}, "lstm")
    with pytest.raises(InvalidParams, match=r"tune\.space\.baseline: .*at most 0 items"):
        load({"model.baseline.max_ngram": {"type": "int", "low": 1, "high": 3}}, "baseline")
    # What does not go with the family now may go with it when it is active.
    lora = {"training.lora": {"type": "categorical", "choices": [None, {"rank": 8, "alpha": 16.0, "dropout": 0.0}]}}
    load(lora, model__family="lstm")
    with pytest.raises(InvalidParams, match=r"tune\.space\.lstm\.training\.lora\.choices: training\.lora is on, and"):
        load(lora, "lstm", model__family="lstm")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tune__space__lstm": {}}, r"tune\.space\.lstm lacks learning_rate, weight_decay, warmup_fraction, dropout"),
        ({"tune__space__lstm": 3}, r"tune\.space\.lstm: .*valid dictionary, found 3"),
        ({"tune__fixed": {"momentum": 0.9}}, r"tune\.fixed\.momentum: no such key to search; there are learning_rate"),
        ({"tune__fixed": {"learning_rate": -1}}, r"tune\.fixed\.learning_rate: -1 is not allowed: .*\[0, 1\]"),
        ({"tune__fixed": {"dropout": 5}}, r"tune\.fixed\.dropout: 5 is not allowed: must be a number in \[0, 0\.9\]"),
        ({"tune__fixed": {"dropout": float("nan")}}, r"tune\.fixed\.dropout: nan is not allowed"),
        ({"tune__fixed": {"dropout": None}}, r"tune\.fixed\.dropout: null is not allowed"),
        ({"tune__fixed": {"training": {"batch_size": 0}}}, r"tune\.fixed\.training\.batch_size: 0 is not allowed: .*1"),
        ({"tune__fixed": {"model.lstm.num_layers": 0}}, r"tune\.fixed\.model\.lstm\.num_layers: 0 is not allowed"),
        ({"tune__fixed": {"tokenize.max_length": 65}}, r"tune\.fixed\.tokenize\.max_length: 65 is not .* from 8 to 64"),
        ({"tune__fixed": {"training.lora": True}}, r"tune\.fixed\.training\.lora: true is not allowed"),
        ({"tune__sampler": "bayes"}, r"tune\.sampler: .*'tpe', 'gp', .*found 'bayes'"),
        (
            {"tune__sampler": "brute_force"},
            r"tune\.sampler brute_force tries every value: tune\.space\.transformer\.learning_rate needs a step",
        ),
        ({"tune__pruner": "wilcoxon"}, r"tune: pruner wilcoxon compares the trainings of a trial: set repeats"),
        (
            {"tune__repeats": {"over": "seeds", "number": 2}, "tune__pruner": "wilcoxon"},
            r"tune: pruner wilcoxon cannot stop a trial of 2 trainings, .*: set repeats\.number to 3 or more",
        ),
        ({"tune__repeats": {"over": "seeds", "number": 3}}, r"tune: pruner median is for one training a trial"),
        ({"tune__repeats": {"over": "seeds", "number": 1}}, r"repeats: over: seeds does not go with number: 1"),
        (
            {"tune__repeats": {"over": "folds", "number": 6}, "tune__pruner": "wilcoxon"},
            r"tune\.repeats\.number is 6, but there are 5 folds \(split\.num_folds\)",
        ),
        (
            {"tune__objectives": ["quality", "latency_ms"]},
            r"tune: pruner is median, but with several objectives \(quality, latency_ms\) no trial can be pruned",
        ),
        (
            {"tune__objectives": ["quality", "latency_ms"], "tune__pruner": "none", "tune__sampler": "cmaes"},
            r"tune: sampler cmaes is for one objective",
        ),
        (
            {"tune__objectives": ["latency_ms"]},
            r"tune: pruner is median, but latency_ms does not change while a trial trains, .*: set it to none",
        ),
        (
            {"tune__constraints": ["size_mb <= 5"], "tune__sampler": "cmaes"},
            r"tune: sampler cmaes does not see constraints \(size_mb <= 5\), .*: set another sampler, such as tpe",
        ),
        (
            {"tune__objectives": ["quality", "size_mb"], "tune__pruner": "none"},
            r"tune: choice\.prefer \(latency_ms\) must be one of objectives",
        ),
        ({"tune__objectives": ["quality", "quality"], "tune__pruner": "none"}, r"\(quality, quality\) names one twice"),
        ({"tune__objectives": []}, r"tune\.objectives: .*at least 1 item"),
        ({"tune__objectives": ["accuracy"]}, r"tune\.objectives\.0: .*'quality', 'loss', .*found 'accuracy'"),
        (
            {"tune__constraints": ["latency < 5"]},
            r"tune\.constraints\.0: a constraint is METRIC <= NUMBER .* quality, loss, latency_ms, size_mb, found",
        ),
        ({"tune__constraints": ["latency_ms <= fast"]}, r"tune\.constraints\.0: a constraint is METRIC <= NUMBER"),
        ({"tune__constraints": ["latency_ms <= 5 ms"]}, r"tune\.constraints\.0: a constraint is METRIC <= NUMBER"),
    ],
)
def test_a_mistake_elsewhere_in_tune_is_told(load, changes, told):
    with pytest.raises(InvalidParams, match=told) as error:
        load(**changes)
    assert "params.yaml has 1 mistake" in str(error.value)


def test_lengths_can_be_searched_only_where_the_beginning_is_read(load):
    long_documents = {"strategy": "head_tail", "head_share": 0.25, "overlap": 16, "max_windows": 8}
    with pytest.raises(InvalidParams, match=r"max_length\.low: 16 is not allowed: with .*strategy head_tail"):
        load({"tokenize.max_length": LENGTH}, tokenize__long_documents=long_documents)
    load({"tokenize.max_length": LENGTH})


def test_a_pretrained_encoder_has_its_shape(load):
    config = {"model_type": "gpt2", "n_embd": 128, "n_layer": 4, "n_head": 4}
    depth = {"model.transformer.config.n_layer": {"type": "int", "low": 2, "high": 6}}
    with pytest.raises(InvalidParams, match=r"n_layer\.low: cannot be searched with pretrain\.objective clm"):
        load(depth, model__transformer__config=config, pretrain__objective="clm")


def test_brute_force_takes_a_finite_space(load):
    numbers = ("learning_rate", "weight_decay", "warmup_fraction")
    params = load(
        {
            "dropout": {"type": "float", "low": 0.0, "high": 0.3, "step": 0.1, "default": 0.1},
            "training.batch_size": BATCH,
        },
        tune__sampler="brute_force",
        tune__fixed=dict.fromkeys(numbers, 0.01),
    )
    assert params.tune.sampler == "brute_force"


def test_a_space_survives_being_written_as_json(load, tmp_path):
    params = load({"training": {"averaging": AVERAGING, "ema_decay": {**EMA, "when": {"training.averaging": "ema"}}}})
    (tmp_path / "again.yaml").write_text(json.dumps(params.model_dump(by_alias=True)))
    assert load_params(tmp_path / "again.yaml") == params


def test_values_override_params(load):
    params = load({"tokenize.max_length": LENGTH}, tune__fixed={"training.batch_size": 128})
    values = {
        "learning_rate": 1e-3,
        "training.batch_size": 128,
        "training.loss.label_smoothing": 0.1,
        "training.gradient_clip": 1,
        "training.lora": {"rank": 8, "alpha": 16.0, "dropout": 0.0},
        "tokenize.max_length": 16,
        "model.transformer.pooling": "cls",
    }
    changed = override(params, values)
    assert (changed.training.batch_size, changed.training.loss.label_smoothing) == (128, 0.1)
    assert (changed.tokenize.max_length, changed.family_settings.pooling) == (16, "cls")
    assert changed.training.lora.rank == 8
    assert params.training.batch_size == 32, "the original stays"
    assert changed.training.gradient_clip == params.training.gradient_clip == 1.0
    written = searchable(params, "transformer")
    assert overrides(params, values) == [
        {"key": name, "used": values[name], "written": written[name]}
        for name in values
        if name not in ("learning_rate", "training.gradient_clip")
    ]
    assert override(params, {"dropout": 0.1}) == params


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"training.batch_size": 0}, r"training\.batch_size: 0 is not allowed: .*greater than or equal to 1"),
        ({"training.batchsize": 8}, r"training\.batchsize: no such key to search"),
        ({"tokenize.max_length": 65}, r"tokenize\.max_length: 65 is not allowed: .* from 8 to 64"),
        ({"training.augmentation.replace": 0.1}, r"training\.augmentation\.replace needs a masked language model"),
    ],
)
def test_values_that_do_not_fit_are_told(load, values, told):
    with pytest.raises(UnusableValues, match=rf"The values of the search do not fit params\.yaml: {told}.*dvc repro"):
        override(load(), values)


def test_a_large_space_is_checked_quickly(load, tmp_path):
    """Each value of a dimension is tried in its section: this must not be felt at the start of each command."""
    training = {
        "batch_size": BATCH,
        "averaging": {"type": "categorical", "choices": ["none", "ema", "swa"]},
        "gradient_clip": {"type": "float", "low": 0.5, "high": 5.0},
        "schedule": {"type": "categorical", "choices": ["linear", "cosine", "constant"]},
        "accumulate": {"type": "int", "low": 1, "high": 8},
        "loss": {"label_smoothing": {"type": "float", "low": 0.0, "high": 0.2}},
    }
    params = load({"training": training, "tokenize.max_length": LENGTH})
    document = params.model_dump(by_alias=True)
    start = time.perf_counter()
    for _ in range(10):
        assert type(params).model_validate(document) == params
    assert (time.perf_counter() - start) / 10 < 0.02  # 2 ms on the machine where this was written
