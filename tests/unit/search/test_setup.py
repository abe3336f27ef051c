"""From params.yaml to a study's name and to what each trial trains."""

import json

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from tests.stage.stages import REPOSITORY
from tests.tiny_model import META, write_tokens
from textmill.artifacts import FOLDS, write_json, write_table
from textmill.config import load_params
from textmill.config.searched import UnusableValues
from textmill.paths import Paths
from textmill.search.setup import Planner, build_objective, family_space, is_searched, lineage, study_settings
from textmill.search.space import defaults
from textmill.training.dataset import TrainingData

HYPER = {"learning_rate": 0.05, "weight_decay": 0.01, "warmup_fraction": 0.1, "dropout": 0.0}
LENGTH = {"type": "int", "low": 8, "high": 32, "step": 8}


@pytest.fixture
def prepare(tmp_path):
    """Params with other values (`__` for the dot) and the files that a search of a bag of embeddings reads."""
    paths = Paths(tmp_path, tmp_path)
    write_tokens(paths.tokens)
    write_json(paths.pretrained / "pretrained.json", {"objective": "none"})

    def change(space=None, **others):
        values = YAML(typ="safe").load(REPOSITORY / "params.yaml")
        values["project"], values["model"]["family"] = "tiny", "bag_of_embeddings"
        values["model"]["bag_of_embeddings"] = {"embeddings": "own", "embedding_size": 16}
        values["tokenize"]["max_length"] = META["max_length"]
        values["tune"]["space"]["bag_of_embeddings"] |= space or {}
        for name, value in others.items():
            *sections, key = name.split("__")
            node = values
            for section in sections:
                node = node[section]
            node[key] = value
        (tmp_path / "params.yaml").write_text(json.dumps(values))
        return load_params(tmp_path / "params.yaml"), paths

    return change


def test_defaults_are_those_of_params(prepare):
    space = {
        "tokenize.max_length": LENGTH,
        "training": {
            "gradient_clip": {"type": "categorical", "choices": [5, 1]},
            "averaging": {"type": "categorical", "choices": ["none", "ema"]},
            "ema_decay": {"type": "float", "low": 0.99, "high": 0.9999, "when": {"training.averaging": "ema"}},
        },
        "model.bag_of_embeddings.embedding_size": {"type": "int", "low": 8, "high": 64, "log": True},
    }
    params, _ = prepare(space)
    found, fixed = family_space(params)
    given = params.tune.space.bag_of_embeddings
    assert defaults(found, fixed) == {
        **{name: given[name].default for name in HYPER},
        "tokenize.max_length": 32,
        "training.gradient_clip": 1,
        "training.averaging": "none",
        "model.bag_of_embeddings.embedding_size": 16,
    }
    assert type(defaults(found, fixed)["training.gradient_clip"]) is int, "one of the choices, though 1.0 is written"
    assert found["training.ema_decay"].when == {"training.averaging": ("ema",)}
    assert found["training.ema_decay"].default == 0.999


def test_only_the_active_familys_keys_are_pinned(prepare):
    fixed = {"dropout": 0.3, "model": {"lstm": {"num_layers": 2}, "bag_of_embeddings": {"embedding_size": 8}}}
    params, _ = prepare(tune__fixed=fixed)
    assert family_space(params)[1] == {"dropout": 0.3, "model.bag_of_embeddings.embedding_size": 8}
    assert family_space(prepare(model__family="baseline", tune__fixed=fixed)[0]) == ({}, {})


def test_there_may_be_nothing_to_search(prepare):
    assert is_searched(prepare()[0])
    assert not is_searched(prepare(tune__num_trials=0)[0])
    assert not is_searched(prepare(tune__fixed=HYPER)[0])
    assert not is_searched(prepare(model__family="baseline")[0])


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"tune__num_trials": 50}, True),
        ({"tune__workers": 2}, True),
        ({"tune__timeout_minutes": 3}, True),
        ({"tune__max_failures": 1}, True),
        ({"tune__grace_seconds": 5}, True),
        ({"tune__storage": "sqlite:///elsewhere.db"}, True),
        ({"tune__choice": {"prefer": "size_mb", "tolerance": 0.1}}, True),
        ({"train__epochs": 9}, True),
        ({"model__lstm__num_layers": 3}, True),
        ({"tune__fixed": {"model.lstm.num_layers": 3}}, True),
        ({"tune__space__lstm__dropout__high": 0.5}, True),
        ({"seed": 1}, False),
        ({"training__batch_size": 8}, False),
        ({"model__bag_of_embeddings__embedding_size": 8}, False),
        ({"tune__fixed": {"dropout": 0.2}}, False),
        ({"tune__space__bag_of_embeddings__dropout__high": 0.5}, False),
        ({"tune__objectives": ["loss"]}, False),
        ({"tune__constraints": ["size_mb <= 5"]}, False),
        ({"tune__sampler": "random"}, False),
        ({"tune__pruner": "none"}, False),
        ({"tune__epochs": 2}, False),
        ({"tune__train_fraction": 0.5}, False),
        ({"tune__reports_per_epoch": 3}, False),
    ],
)
def test_what_decides_results_names_the_study(prepare, changes, same):
    before = study_settings(*prepare()).name
    assert (study_settings(*prepare(**changes)).name == before) == same
    assert before == study_settings(*prepare()).name


def test_other_data_are_another_study(prepare):
    params, paths = prepare()
    before = lineage(params, paths)
    write_tokens(paths.tokens, num_train=150)
    after = lineage(params, paths)
    assert before["key"] != after["key"]
    assert before["params"] == after["params"]


def planner(params, paths):
    return Planner(params, paths, TrainingData.open(paths.tokens))


def test_values_reach_the_training(prepare):
    params, paths = prepare()
    values = {
        **HYPER,
        "training.batch_size": 8,
        "training.loss.label_smoothing": 0.1,
        "tokenize.max_length": 8,
        "model.bag_of_embeddings.embedding_size": 24,
    }
    plan = planner(params, paths)(values, 0)
    assert (plan.settings.batch_size, plan.settings.loss.label_smoothing, plan.settings.epochs) == (8, 0.1, 1)
    assert plan.data.max_length == max(plan.data.train.lengths) == max(plan.data.validation.lengths) == 8
    assert vars(plan.hyper) == HYPER
    assert plan.model.architecture()["embedding_size"] == 24
    with pytest.raises(UnusableValues, match=r"training\.batch_size: 0 is not allowed"):
        planner(params, paths)({**HYPER, "training.batch_size": 0}, 0)


def test_models_and_arrays_are_made_once(prepare):
    params, paths = prepare(tune__repeats={"over": "seeds", "number": 2}, tune__pruner="none")
    plan = planner(params, paths)
    first, second = plan(HYPER, 0), plan(HYPER, 1)
    assert (first.settings.seed, second.settings.seed) == (params.seed, params.seed + 1)
    assert any((a != b).any() for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))
    other = plan({**HYPER, "model.bag_of_embeddings.embedding_size": 8, "tokenize.max_length": 8}, 0)
    again = plan({**HYPER, "dropout": 0.3, "training.batch_size": 8, "tokenize.max_length": 8}, 0)
    assert again.model is first.model
    assert plan(HYPER, 1).model is second.model
    assert other.model is not first.model
    assert again.data is other.data
    assert plan(HYPER, 0).data is first.data


def test_only_so_many_models_are_held(prepare, monkeypatch):
    plan = planner(*prepare())
    size = sum(parameter.nbytes for parameter in plan(HYPER, 0).model.parameters())
    monkeypatch.setattr(Planner, "HELD_BYTES", size * 1.2)
    first = plan(HYPER, 0).model
    small = plan({**HYPER, "model.bag_of_embeddings.embedding_size": 8}, 0).model
    assert plan(HYPER, 0).model is not first, "both together were too large"
    assert plan({**HYPER, "model.bag_of_embeddings.embedding_size": 8}, 0).model is not small
    torch.testing.assert_close(dict(plan(HYPER, 0).model.named_parameters()), dict(first.named_parameters()))


def test_folds_are_those_of_the_split(prepare):
    import pandas as pd

    from textmill.artifacts import DOCUMENTS

    repeats = {"over": "folds", "number": 2}
    params, paths = prepare(tune__repeats=repeats, tune__pruner="none")
    ids = [f"d{i:03}" for i in range(160)]
    rows = pd.DataFrame(dict.fromkeys(DOCUMENTS.names), index=range(160)).assign(id=ids)
    write_table(paths.split("train"), rows, DOCUMENTS)
    order = np.random.default_rng(0).permutation(160)
    folds = pd.DataFrame({"id": np.array(ids)[order], "fold": (order % 5).astype(np.int32)})
    write_table(paths.folds, folds, FOLDS)
    objective = build_objective(params, paths, None, lambda trial: None)
    assert objective.measuring.fold_N.tolist() == [i % 5 for i in range(160)]
    assert objective.measuring.num_repeats == 2
    before = lineage(params, paths)["key"]
    write_table(paths.folds, folds.assign(fold=folds["fold"].iloc[::-1].to_numpy()), FOLDS)
    assert lineage(params, paths)["key"] != before
