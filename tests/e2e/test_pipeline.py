"""`dvc repro` for real, on 400 of the movie reviews: what runs, what is skipped, and that the registry stays right.

The tests share one checkout and follow each other, as a user's days do.
"""

import json
import os
import signal
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from ruamel.yaml import YAML

from tests.checkout import Checkout
from textmill.runtime import Classifier

DATA_STAGES = ["ingest", "clean", "split", "validate", "tokenize", "baseline", "audit"]
ALL_VARIANTS = ["full", "int8", "pruned-int8", "distilled-int8"]
AFTER_MODELS = ["select", "compare", "register", "diagnose", "report"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    quick = {"epochs": 1, "learning_rate": 3e-4}
    recipes = {
        "full": {"from": "trained", "steps": []},
        "int8": {"from": "full", "steps": [{"method": "quantize", "per_channel": True}]},
        "pruned-int8": {
            "from": "full",
            "steps": [
                {"method": "prune", "importance": "taylor", "heads": 0.5, "feed_forward": 0.5, **quick},
                {"method": "quantize", "per_channel": True},
            ],
        },
        "distilled-int8": {
            "from": "full",
            "steps": [
                {
                    "method": "distill",
                    "student": {"family": "transformer", "num_layers": 3},
                    "temperature": 2.0,
                    "soft_weight": 0.7,
                    **quick,
                },
                {"method": "quantize", "per_channel": True},
            ],
        },
    }
    checkout.take_reviews(
        split__num_folds=2,
        tune__num_trials=2,
        tune__train_fraction=0.5,
        train__epochs=1,
        compress__recipes=recipes,
        select__budget__max_drop=None,
        evaluate__num_resamples=200,
        evaluate__latency_documents=20,
        gate__min_quality=0.3,
        gate__num_resamples=500,
    )
    checkout.run("dvc", "add", "data/inputs/reviews.csv")  # else `dvc exp run --temp` would not have it
    checkout.commit("A small slice")
    return checkout


@pytest.fixture(scope="module")
def first_run(checkout):
    return checkout.run("dvc", "repro").stdout


def read(checkout, name):
    return json.loads((checkout.folder / name).read_text())


def registry(checkout):
    """Every version of the model with its aliases, as MLflow has it."""
    code = (
        "import json, mlflow; mlflow.set_tracking_uri('sqlite:///mlflow.db'); c = mlflow.MlflowClient();"
        "m = c.get_registered_model('movie-reviews');"
        "print(json.dumps({'aliases': {k: int(v) for k, v in m.aliases.items()}, 'versions':"
        " sorted(int(v.version) for v in c.search_model_versions(\"name='movie-reviews'\"))}))"
    )
    return json.loads(checkout.run("python", "-c", code).stdout.splitlines()[-1])


def test_every_stage_does_its_job(checkout, first_run):
    variants = [f"{stage}@{name}" for stage in ("compress", "evaluate", "test") for name in ALL_VARIANTS]
    models = ["pretrain", "tune", "train", "crossvalidate", "evaluate-baseline", "test-baseline"]
    expected = {*DATA_STAGES, *models, *variants, *AFTER_MODELS}
    assert set(checkout.stages_run(first_run)) == expected
    summary = read(checkout, "data/clean/summary.json")
    assert summary["ingested"] == summary["kept"] + summary["quarantined"] == 400
    assert len(read(checkout, "models/search/study.json")["trials"]) == 2
    sizes = {name: read(checkout, f"reports/test/{name}/metrics.json")["size_mb"] for name in ALL_VARIANTS}
    assert sizes["distilled-int8"] < sizes["int8"] < 0.3 * sizes["full"]
    assert sizes["pruned-int8"] < sizes["int8"]
    page = (checkout.folder / "reports/page/index.html").read_text()
    assert "distilled-int8" in page
    assert "baseline" in page.lower()


def test_the_first_version_is_champion_and_linked_to_full(checkout, first_run):
    registration = read(checkout, "reports/registration.json")
    assert registration["versions"]["full"]["version"] == 1
    assert registration["versions"]["chosen"]["version"] == 2
    assert registry(checkout) == {"aliases": {"champion": 2}, "versions": [1, 2]}
    checkout.run("textmill", "verify")
    assert read(checkout, "reports/selection.json")["chosen"] in checkout.run("textmill", "summary").stdout


def test_a_second_repro_runs_nothing(checkout, first_run):
    output = checkout.run("dvc", "repro").stdout
    assert checkout.stages_run(output) == []
    assert "up to date" in output


def test_the_command_line_predicts_like_the_evaluation(checkout, first_run):
    test = pd.read_parquet(checkout.folder / "data/splits/test.parquet").head(5)
    checkout.folder.joinpath("texts.csv").write_text(test[["id", "text"]].to_csv(index=False))
    checkout.run("textmill", "predict", "--input", "texts.csv", "--output", "answers.parquet")
    answers = pd.read_parquet(checkout.folder / "answers.parquet")
    chosen = read(checkout, "reports/selection.json")["chosen"]
    evaluated = pd.read_parquet(checkout.folder / f"reports/test/{chosen}/predictions.parquet").set_index("id")
    assert answers["predicted"].tolist() == evaluated.loc[test["id"], "predicted"].tolist()
    probabilities = [f"p{i}" for i in range(2)]
    alone = evaluated.loc[test["id"], probabilities].to_numpy()
    np.testing.assert_array_equal(answers[["probability_negative", "probability_positive"]], alone)
    one = checkout.run("textmill", "predict", test["text"].iloc[0]).stdout
    assert answers["predicted"].iloc[0] in one


@pytest.mark.parametrize(("name", "tolerance"), [("full", 1e-4), ("int8", 0.2), ("pruned-int8", 0.2)])
def test_company_in_a_batch_moves_probabilities_within_the_stated_tolerance(checkout, first_run, name, tolerance):
    classifier = Classifier.load(checkout.folder / f"models/{name}/bundle")
    texts = pd.read_parquet(checkout.folder / "data/splits/test.parquet")["text"].tolist()
    alone, together = classifier.predict_proba(texts, 1), classifier.predict_proba(texts, 32)
    assert np.abs(alone - together).max() <= tolerance


def test_dvc_shows_metrics_plots_and_params(checkout, first_run):
    shown = json.loads(checkout.run("dvc", "metrics", "show", "--json").stdout)
    metrics = shown[""]["data"]["reports/test/full/metrics.json"]["data"]
    assert metrics == read(checkout, "reports/test/full/metrics.json")
    checkout.run("dvc", "plots", "show", "--out", "plots")
    page = (checkout.folder / "plots/index.html").read_text()
    titles = [title for plot in YAML(typ="safe").load(checkout.folder / "dvc.yaml")["plots"] for title in plot]
    for title in titles[1:]:  # the first is a file, with a title of its own
        assert title in page, title
    assert "Loss by epoch" in page
    checkout.set_params(train__patience=3)
    difference = json.loads(checkout.run("dvc", "params", "diff", "--json").stdout)
    checkout.set_params(train__patience=2)
    assert list(difference["params.yaml"]) == ["train.patience"]
    assert difference["params.yaml"]["train.patience"].items() >= {"old": 2, "new": 3}.items()


@pytest.mark.slow
def test_two_repros_at_once_leave_one_registry(checkout, first_run):
    before = registry(checkout)
    (checkout.folder / "reports/registration.json").unlink()
    both = [checkout.start("dvc", "repro", "register") for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert 0 in [process.returncode for process in both], outputs
    assert registry(checkout) == before
    checkout.run("dvc", "repro")
    checkout.run("textmill", "verify")


@pytest.mark.slow
def test_only_what_follows_a_change_runs(checkout, first_run):
    checkout.set_params(train__epochs=2)
    output = checkout.run("dvc", "repro").stdout
    ran = set(checkout.stages_run(output))
    variants = {f"{stage}@{name}" for stage in ("compress", "evaluate", "test") for name in ALL_VARIANTS}
    assert ran == {"train", *variants, *AFTER_MODELS}
    # The second version waits for a person.
    state = registry(checkout)
    assert state["aliases"]["champion"] == 2
    assert len(state["versions"]) == 4

    # Changed back: DVC restores the old bytes, and the registry finds the old versions again.
    checkout.set_params(train__epochs=1)
    checkout.run("dvc", "repro")
    assert registry(checkout)["versions"] == state["versions"]
    assert read(checkout, "reports/registration.json")["versions"]["chosen"]["version"] == 2
    assert registry(checkout)["aliases"]["champion"] == 2


@pytest.mark.slow
def test_a_changed_recipe_runs_itself_and_what_follows(checkout, first_run):
    checkout.set_params(**{"compress__recipes__pruned-int8__steps": [{"method": "quantize", "per_channel": False}]})
    output = checkout.run("dvc", "repro").stdout
    ran = set(checkout.stages_run(output))
    own = {f"{stage}@pruned-int8" for stage in ("compress", "evaluate", "test")}
    assert own <= ran <= own | set(AFTER_MODELS)


@pytest.mark.slow
def test_a_removed_recipe_cannot_be_chosen(checkout, first_run):
    params = checkout.folder / "params.yaml"
    before = params.read_text()
    chosen = read(checkout, "reports/selection.json")["chosen"]
    checkout.remove_param(f"compress__recipes__{chosen}")
    checkout.run("dvc", "repro")
    selection = read(checkout, "reports/selection.json")
    assert (checkout.folder / f"models/{chosen}").exists(), "DVC leaves the folder behind"
    assert chosen not in [candidate["name"] for candidate in selection["candidates"]]
    assert selection["chosen"] != chosen
    params.write_text(before)
    checkout.run("dvc", "repro")


def test_a_deleted_registry_is_made_again(checkout, first_run):
    registration = read(checkout, "reports/registration.json")
    for file in checkout.folder.glob("mlflow.db*"):
        file.unlink()
    missing = checkout.run("textmill", "verify", check=False)
    assert missing.returncode == 1
    checkout.run("dvc", "repro", "--single-item", "--force", "register")
    checkout.run("textmill", "verify")
    assert registry(checkout)["aliases"] == {"champion": 2}
    again = read(checkout, "reports/registration.json")
    assert [v["bundle_sha256"] for v in again["versions"].values()] == [
        v["bundle_sha256"] for v in registration["versions"].values()
    ]
    output = checkout.run("dvc", "repro").stdout
    assert set(checkout.stages_run(output)) <= {"report"}, "no model is made again for want of its run"


@pytest.mark.slow
def test_an_experiment_leaves_the_champion_alone(checkout, first_run):
    checkout.commit("Before the experiment")
    before = registry(checkout)
    checkout.run("dvc", "exp", "run", "--temp", "-S", "train.epochs=2", "-S", "training.batch_size=16")
    after = registry(checkout)
    assert after["aliases"] == before["aliases"]
    assert len(after["versions"]) > len(before["versions"]), "the experiment's versions are in the user's registry"
    checkout.run("textmill", "verify")
    checkout.run("dvc", "exp", "show")


@pytest.mark.slow
def test_killed_with_dvc_and_continued(checkout, first_run):
    """SIGKILL of dvc: the stage dies with it, and the next repro takes up its checkpoint."""
    checkout.set_params(train__epochs=4, train__patience=4, training__batch_size=8)
    checkout.run("dvc", "repro", "tune")
    dvc = checkout.start("dvc", "repro", "--single-item", "train")
    folder = checkout.folder / ".textmill/checkpoints"
    wait_for(lambda: list(folder.rglob("last.ckpt")))
    os.kill(dvc.pid, signal.SIGKILL)
    dvc.wait()
    wait_for(lambda: not stage_processes(checkout, "pipeline.train"))
    assert list(folder.rglob("last.ckpt"))

    output = checkout.run("dvc", "repro", "--single-item", "train").stdout
    assert "epoch 1/4" not in output
    assert "epoch 4/4" in output
    curves = pd.read_csv(checkout.folder / "models/trained/curves.csv")
    assert curves["epoch"].tolist() == [1, 2, 3, 4]
    assert not list(folder.rglob("last.ckpt")), "checkpoints go when the stage succeeds"


def wait_for(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def stage_processes(checkout, module):
    """Processes that run this stage in this checkout."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if module in (process.info["cmdline"] or []) and process.info["cwd"] == str(checkout.folder):
            found.append(process.pid)
    return found
