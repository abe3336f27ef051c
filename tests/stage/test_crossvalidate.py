"""Stage crossvalidate, on documents that a bag of embeddings learns in seconds."""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline import crossvalidate
from tests.stage.stages import REPOSITORY, run_stages
from tests.tiny_model import write_tokens
from tests.tiny_run import migrated_database
from textmill.artifacts import DOCUMENTS, FOLDS, read_json, write_json, write_table
from textmill.config import load_params
from textmill.paths import Paths

NUM_TRAIN, NUM_FOLDS = 160, 4


def prepare(root, family="bag_of_embeddings", epochs=3, **changes):
    """Everything that the stage reads, as the stages before it write it."""
    root.mkdir(exist_ok=True)
    paths = Paths(root, root)
    yaml = YAML(typ="safe")
    values = yaml.load(REPOSITORY / "params.yaml")
    values["project"], values["model"]["family"] = "tiny", family
    values["model"]["bag_of_embeddings"] = {"embeddings": "own", "embedding_size": 16}
    values["training"]["precision"] = "32-true"
    values["crossvalidate"] = {"enabled": True, "epochs": epochs, **changes}
    yaml.dump(values, paths.params)
    write_tokens(paths.tokens, num_train=NUM_TRAIN)
    ids = [f"d{i:03}" for i in range(NUM_TRAIN)]
    rows = pd.DataFrame(dict.fromkeys(DOCUMENTS.names), index=range(NUM_TRAIN)).assign(id=ids)
    write_table(paths.split("train"), rows, DOCUMENTS)
    shuffled = np.random.default_rng(0).permutation(NUM_TRAIN)  # the order of the file is not that of the tokens
    folds = pd.DataFrame({"id": np.array(ids)[shuffled], "fold": (shuffled // 2 % NUM_FOLDS).astype(np.int32)})
    write_table(paths.folds, folds, FOLDS)
    write_json(paths.pretrained / "pretrained.json", {"objective": "none"})
    write_json(paths.best, {"learning_rate": 0.05, "weight_decay": 0.01, "warmup_fraction": 0.1, "dropout": 0.0})
    shutil.copy(migrated_database(), paths.mlflow_database)
    return paths


def test_a_score_for_each_fold(tmp_path, capsys):
    import mlflow

    paths = prepare(tmp_path)
    crossvalidate.run(load_params(paths.params), paths)
    report = read_json(paths.crossvalidation)
    assert report["enabled"]
    assert report["metric"] == "f1_macro"
    assert report["num_folds"] == len(report["scores"]) == NUM_FOLDS
    assert report["mean"] == pytest.approx(statistics.fmean(report["scores"]))
    assert report["mean"] > 0.6
    assert report["std"] == pytest.approx(statistics.stdev(report["scores"]))
    assert [fold["num_documents"] for fold in report["folds"]] == [NUM_TRAIN // NUM_FOLDS] * NUM_FOLDS
    assert report["seconds"] > 0
    assert f"macro-F1 {report['mean']:.4f}" in capsys.readouterr().out
    assert not list((tmp_path / ".textmill/checkpoints").iterdir()), "nothing is left behind"
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.data.tags["textmill.model"] == "crossvalidation"
    assert [run.data.metrics[f"fold_{i + 1}_score"] for i in range(NUM_FOLDS)] == report["scores"]
    assert run.data.metrics["mean_score"] == report["mean"]


def test_found_values_take_the_place_of_those_in_params(tmp_path, capsys):
    import mlflow

    paths = prepare(tmp_path, epochs=1)
    write_json(paths.best, {**read_json(paths.best), "training.batch_size": 8, "tokenize.max_length": 8})
    crossvalidate.run(load_params(paths.params), paths)
    printed = capsys.readouterr().out
    assert "crossvalidate: training.batch_size 8 instead of 32 (tune)\n" in printed
    assert "crossvalidate: tokenize.max_length 8 instead of 64 (tune)\n" in printed
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.data.params["batch_size"] == "8"
    assert run.data.params["overrides"] == "training.batch_size, tokenize.max_length"
    assert read_json(paths.crossvalidation)["num_folds"] == NUM_FOLDS


def test_what_is_not_asked_for_costs_nothing(tmp_path):
    prepare(tmp_path, enabled=False)
    code = (
        "import runpy, sys; runpy.run_module('pipeline.crossvalidate', run_name='__main__'); "
        "print({'torch', 'mlflow', 'pytorch_lightning'} & set(sys.modules))"
    )
    answer = run_stages(tmp_path, code=code)
    assert answer.stdout == "set()\n", answer.stderr
    assert read_json(tmp_path / "reports/crossvalidation.json") == {"enabled": False}


def test_the_baseline_has_folds_of_its_own(tmp_path, capsys):
    paths = prepare(tmp_path, family="baseline")
    crossvalidate.run(load_params(paths.params), paths)
    report = read_json(paths.crossvalidation)
    assert not report["enabled"]
    assert "data/audit/summary.json" in report["reason"]
    assert report["reason"] in capsys.readouterr().out


@pytest.mark.slow
def test_killed_and_started_again_it_keeps_the_finished_folds(tmp_path):
    whole = prepare(tmp_path / "whole", epochs=20)
    crossvalidate.run(load_params(whole.params), whole)
    paths = prepare(tmp_path / "killed", epochs=20)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])}
    stage = subprocess.Popen([sys.executable, "-m", "pipeline.crossvalidate"], cwd=paths.root, env=environment)
    while not (finished := list((paths.root / ".textmill/checkpoints").glob("*/fold-0.json"))):
        assert stage.poll() is None
        time.sleep(0.01)
    stage.send_signal(signal.SIGKILL)
    stage.wait()
    first = read_json(finished[0])
    assert not paths.crossvalidation.exists()
    crossvalidate.run(load_params(paths.params), paths)
    report, expected = read_json(paths.crossvalidation), read_json(whole.crossvalidation)
    assert report["folds"][0] == first, "not trained again: even its seconds are the same"
    assert report["scores"] == expected["scores"]
