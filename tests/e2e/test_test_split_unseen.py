"""The test split decides nothing before the gate: without its documents, all that leads to the choice is the same.

The stages from tokenize to select run twice in one checkout, the second time without data/splits/test.parquet and
without the tables that it was made from. What they write must be equal, byte by byte where nothing in it is measured
by a clock.
"""

import json
import shutil

import pandas as pd
import pytest

from tests.checkout import Checkout

MODELS = ("full", "int8", "baseline")
STAGES = [
    ["tokenize"],
    ["baseline"],
    ["audit"],
    ["pretrain"],
    ["tune"],
    ["train"],
    ["crossvalidate"],
    ["compress", "full"],
    ["compress", "int8"],
    *(["evaluate", name, "validation"] for name in MODELS),
    ["select"],
]
MADE = ("data/tokens", "data/audit", "data/out_of_fold.parquet", "models", "reports")
STATE = (".textmill", "mlflow.db", "mlruns", "optuna.db")
TEST_DOCUMENTS = ("data/splits/test.parquet", "data/clean", "data/raw")
TIMED = ("latency", "throughput")  # metrics that begin so
SHAPE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The checkout after the run without the test split, and the folder of what the run with it has made."""
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    checkout.take_reviews(
        split__num_folds=2,
        model__transformer__config={"model_type": "bert", **SHAPE},
        training__batch_size=8,
        tune__num_trials=2,
        tune__train_fraction=0.5,
        train__epochs=2,
        crossvalidate={"enabled": True, "epochs": 1},
        compress__recipes={
            "full": {"from": "trained", "steps": []},
            "int8": {"from": "full", "steps": [{"method": "quantize", "per_channel": True}]},
        },
        evaluate__num_resamples=200,
        evaluate__latency_documents=20,
        select__prefer="size_mb",  # of which no clock decides
        select__budget={"max_size_mb": None, "max_latency_ms": None, "max_drop": None},
    )
    checkout.run("dvc", "repro", "validate")
    run_stages(checkout)
    beside = tmp_path_factory.mktemp("with-test")
    for name in (*MADE, *STATE):
        if (checkout.folder / name).exists():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(checkout.folder / name, beside / name)
    for name in TEST_DOCUMENTS:
        gone = checkout.folder / name
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    run_stages(checkout)
    return checkout.folder, beside


def run_stages(checkout):
    """In one process, so that the heavy libraries are imported once."""
    code = (
        "import runpy, sys\n"
        f"for stage, *arguments in {STAGES}:\n"
        "    sys.argv = [stage, *arguments]\n"
        "    runpy.run_module(f'pipeline.{stage}', run_name='__main__')"
    )
    checkout.run("python", "-c", code)


def files(folder, *names):
    """What lies in these folders of a run, by path in it."""
    return {
        str(path.relative_to(folder)): path
        for name in names
        for path in ([folder / name] if (folder / name).is_file() else (folder / name).rglob("*"))
        if path.is_file()
    }


def assert_equal_bytes(twice, *names, but=()):
    without, with_test = (files(folder, *names) for folder in twice)
    assert set(without) == set(with_test)
    compared = [name for name in without if not name.endswith(tuple(but))]
    assert compared
    differing = [name for name in compared if without[name].read_bytes() != with_test[name].read_bytes()]
    assert not differing


def read(folder, name):
    return json.loads((folder / name).read_text())


@pytest.mark.slow
def test_tokens_models_and_bundles_are_equal(twice):
    assert not (twice[0] / "data/splits/test.parquet").exists()
    assert_equal_bytes(twice, "data/tokens", "data/audit", "data/out_of_fold.parquet", "models/pretrained")
    assert_equal_bytes(twice, *(f"models/{name}" for name in ("baseline", "full", "int8")))
    assert_equal_bytes(twice, "models/trained", but=("run.json", "throughput.json"))


@pytest.mark.slow
def test_the_search_finds_the_same(twice):
    assert_equal_bytes(twice, "models/search/best.json")
    found = [read(folder, "models/search/study.json") for folder in twice]
    for name in ("values", "trial", "score", "study", "lineage"):
        assert found[0][name] == found[1][name], name
    kept = ("number", "state", "score", "values", "reports", "figures")
    trials = [[{key: trial[key] for key in kept} for trial in study["trials"]] for study in found]
    assert len(trials[0]) == 2
    assert trials[0] == trials[1]
    folds = [read(folder, "reports/crossvalidation.json") for folder in twice]
    assert len(folds[0]["scores"]) == 2
    assert folds[0]["scores"] == folds[1]["scores"]


@pytest.mark.slow
def test_figures_on_validation_and_the_choice_are_equal(twice):
    for name in MODELS:
        folder = f"reports/validation/{name}"
        assert_equal_bytes(twice, folder, but=("metrics.json", "report.json"))
        metrics = [
            {key: value for key, value in read(run, f"{folder}/metrics.json").items() if not key.startswith(TIMED)}
            for run in twice
        ]
        assert "score" in metrics[0]
        assert metrics[0] == metrics[1]
        assert read(twice[0], f"{folder}/report.json") == read(twice[1], f"{folder}/report.json")
    chosen = [read(run, "reports/selection.json") for run in twice]
    assert chosen[0]["chosen"] == chosen[1]["chosen"] == "int8"
    rows = [
        [{key: row[key] for key in ("name", "score", "drop", "size_mb")} for row in of["candidates"]] for of in chosen
    ]
    assert rows[0] == rows[1]
    tables = [pd.read_csv(run / "reports/pareto.csv")[["name", "size_mb", "score", "chosen"]] for run in twice]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.slow
def test_the_test_split_is_missed_where_it_is_due(twice):
    """The proof proves something: what does read it says that it is gone."""
    checkout = Checkout.__new__(Checkout)
    checkout.folder = twice[0]
    answer = checkout.run("python", "-m", "pipeline.evaluate", "full", "test", check=False)
    assert answer.returncode == 1
    assert "test.parquet is missing" in answer.stderr
