"""baseline, evaluate and select on a small slice of real reviews, with a real MLflow store."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from pipeline import baseline, evaluate, select
from tests.corpora import movie_reviews
from textmill.artifacts import DOCUMENTS, FOLDS, MissingArtifact, read_json, write_table
from textmill.bundle import InvalidBundle
from textmill.config import Params, load_params
from textmill.data.splitting import assign_folds
from textmill.evaluation.answers import UnknownLabels
from textmill.evaluation.selection import NoVariantInBudget
from textmill.paths import Paths
from textmill.runtime import Classifier

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def params() -> Params:
    params = load_params(ROOT / "params.yaml")
    changed = params.evaluate.model_copy(update={"num_resamples": 200, "latency_documents": 20})
    return params.model_copy(update={"evaluate": changed})


@pytest.fixture(scope="module")
def paths(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A folder where baseline has run, and evaluate on validation."""
    root = tmp_path_factory.mktemp("run")
    paths = Paths(root=root, state=root)
    documents = movie_reviews()
    for name, rows in {"train": slice(0, 600), "validation": slice(600, 800), "test": slice(800, 900)}.items():
        write_table(paths.split(name), documents[rows], DOCUMENTS)
    train = documents[:600]
    write_table(paths.folds, pd.DataFrame({"id": train["id"], "fold": assign_folds(train, 5, 42)}), FOLDS)
    baseline.run(params, paths)
    evaluate.run(params, paths, "baseline", "validation")
    return paths


def test_baseline_makes_a_bundle_and_out_of_fold_probabilities(paths, params):
    classifier = Classifier.load(paths.bundle("baseline"))
    assert classifier.labels == ["negative", "positive"]
    manifest = classifier.manifest
    assert (manifest["family"], manifest["parent"], manifest["recipe"]) == ("tfidf", None, [])
    assert len(manifest["lineage"]["key"]) == 64
    assert manifest["temperature"] != 1.0
    table = pd.read_parquet(paths.out_of_fold)
    train = pd.read_parquet(paths.split("train"))
    assert list(table.columns) == ["id", "label", "p0", "p1"]
    assert table["id"].tolist() == train["id"].tolist()
    np.testing.assert_allclose(table["p0"] + table["p1"], 1, atol=1e-6)
    right = (table["p1"] > 0.5) == (table["label"] == "positive")
    assert 0.55 < right.mean() < 0.85  # better than chance, far from the 1.0 of documents it has seen


def test_the_bundle_has_the_same_bytes_when_made_again(paths, params, tmp_path):
    again = Paths(root=tmp_path, state=paths.state)
    for name in ("train", "validation"):
        paths.split(name).parent.mkdir(exist_ok=True)
        again.split(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.split(name), again.split(name))
    shutil.copy(paths.folds, again.folds)
    baseline.run(params, again)
    for file in ("model.onnx", "tokenizer.json", "bundle.json"):
        assert (again.bundle("baseline") / file).read_bytes() == (paths.bundle("baseline") / file).read_bytes()


def test_evaluate_writes_what_the_predictions_say(paths):
    folder = paths.evaluation("validation", "baseline")
    names = {"metrics.json", "report.json", "predictions.parquet", "confusion.csv", "calibration.csv", "plots"}
    assert {path.name for path in folder.iterdir()} == names
    metrics, report = read_json(folder / "metrics.json"), read_json(folder / "report.json")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    validation = pd.read_parquet(paths.split("validation"))
    assert list(predictions.columns) == ["id", "cluster", "label", "predicted", "p0", "p1"]
    assert predictions["id"].tolist() == validation["id"].tolist()
    served = Classifier.load(paths.bundle("baseline")).predict([validation["text"][7]])[0]
    assert predictions["predicted"][7] == served.label
    assert predictions["p1"][7] == pytest.approx(served.probabilities["positive"], abs=1e-6)
    expected = f1_score(predictions["label"], predictions["predicted"], average="macro")
    assert metrics["f1_macro"] == pytest.approx(expected)
    assert metrics["score"] == metrics["f1_macro"]
    assert metrics["f1_macro_low"] < metrics["f1_macro"] < metrics["f1_macro_high"]
    assert metrics["num_documents"] == 200
    assert all(isinstance(value, int | float) for value in metrics.values())
    assert (
        np.sum(report["confusion"])
        == report["per_class"]["negative"]["support"] + (report["per_class"]["positive"]["support"])
    )
    assert report["labels"] == ["negative", "positive"]
    assert report["confidence"] == 0.95
    assert report["hardware"]["cpu"]
    confusion = pd.read_csv(folder / "confusion.csv")
    assert confusion["actual"].tolist() == predictions["label"].tolist()
    assert pd.read_csv(folder / "calibration.csv")["count"].sum() == 200


def test_figures_and_files_are_in_the_models_mlflow_run(paths, params):
    client = mlflow.MlflowClient(f"sqlite:///{paths.mlflow_database}")
    experiment = client.get_experiment_by_name(params.project)
    (run,) = client.search_runs([experiment.experiment_id], "tags.`textmill.model` = 'baseline'")
    metrics = read_json(paths.evaluation("validation", "baseline") / "metrics.json")
    assert run.data.metrics["validation_score"] == pytest.approx(metrics["f1_macro"])
    assert run.data.params["max_ngram"] == "2"
    assert not [name for name in run.data.metrics if name.startswith("test_")]
    artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "validation")}
    assert "validation/report.json" in artifacts


def test_the_text_of_no_document_is_in_the_figures(paths):
    validation = pd.read_parquet(paths.split("validation"))
    files = [path for path in paths.evaluation("validation", "baseline").rglob("*") if path.is_file()]
    assert len(files) >= 5
    for path in files:
        assert validation["text"][0].encode() not in path.read_bytes()


def test_a_label_or_model_that_is_not_there_is_told(paths, params, tmp_path):
    with pytest.raises(InvalidBundle, match=r"nothing/bundle is not a bundle"):
        evaluate.run(params, paths, "nothing", "validation")
    with pytest.raises(MissingArtifact, match=r"other\.parquet is missing"):
        evaluate.run(params, paths, "baseline", "other")
    stranger = Paths(root=tmp_path, state=paths.state)
    shutil.copytree(paths.bundle("baseline"), stranger.bundle("baseline"))
    shutil.copytree(paths.evaluation("validation", "baseline"), stranger.evaluation("validation", "baseline"))
    write_table(stranger.split("test"), movie_reviews()[:20].assign(label="neutral"), DOCUMENTS)
    with pytest.raises(UnknownLabels, match=r"20 documents have a label .*\['neutral'\].*clean\.labels"):
        evaluate.run(params, stranger, "baseline", "test")


@pytest.fixture
def measured(params: Params, tmp_path: Path) -> Paths:
    """Validation figures of every recipe, and of one that params.yaml no longer has."""
    paths = Paths(root=tmp_path, state=tmp_path)
    figures = {
        "full": (0.800, 91.0, 6.0),
        "int8": (0.796, 23.4, 2.5),
        "pruned-int8": (0.780, 18.0, 1.4),
        "distilled-int8": (0.790, 17.0, 1.5),
        "baseline": (0.760, 1.2, 0.3),
        "removed": (0.990, 1.0, 0.1),
    }
    for name, (score, size_mb, latency) in figures.items():
        folder = paths.evaluation("validation", name)
        folder.mkdir(parents=True)
        metrics = {"score": score, "size_mb": size_mb, "latency_p50_ms": latency, "throughput_per_s": 1.0}
        (folder / "metrics.json").write_text(json.dumps(metrics))
    return paths


def test_select_takes_its_names_from_params(measured, params, capsys):
    select.run(params, measured)
    selection = read_json(measured.selection)
    assert selection["chosen"] == "int8"
    names = [candidate["name"] for candidate in selection["candidates"]]
    assert names == [*params.compress.recipes, "baseline"]
    pareto = pd.read_csv(measured.pareto)
    columns = ["name", "size_mb", "latency_p50_ms", "score", "on_pareto_front", "chosen"]
    assert list(pareto.columns) == columns
    assert pareto.loc[pareto["chosen"], "name"].tolist() == ["int8"]
    assert "select: int8, 2 of 5 within the budget: macro-F1 0.796 (-0.004 against full)" in capsys.readouterr().out


def test_a_skipped_recipe_is_left_out_and_told(measured, params, capsys):
    reason = "prune needs the attention heads of a transformer"
    measured.model("pruned-int8").mkdir(parents=True)
    (measured.model("pruned-int8") / "skipped.json").write_text(json.dumps({"reason": reason}))
    evaluate.run(params, measured, "pruned-int8", "validation")
    assert read_json(measured.evaluation("validation", "pruned-int8") / "metrics.json") == {"skipped": reason}
    select.run(params, measured)
    selection = read_json(measured.selection)
    assert selection["skipped"] == {"pruned-int8": reason}
    assert "pruned-int8" not in {candidate["name"] for candidate in selection["candidates"]}
    assert "pruned-int8" not in pd.read_csv(measured.pareto)["name"].tolist()
    printed = capsys.readouterr().out
    assert f"evaluate: pruned-int8 on validation: skipped, {reason}" in printed
    assert f"select: pruned-int8 was skipped: {reason}" in printed


def test_the_score_is_named_by_the_task(measured, params, capsys):
    select.run(params.model_copy(update={"task": "regression"}), measured)
    assert "R² 0.796" in capsys.readouterr().out
    assert "R² 0.0200 below full" in measured.selection.read_text()


def test_select_refuses_an_impossible_budget_and_writes_nothing(measured, params):
    budget = params.select.budget.model_copy(update={"max_size_mb": 1.0})
    changed = params.model_copy(update={"select": params.select.model_copy(update={"budget": budget})})
    with pytest.raises(NoVariantInBudget, match="the nearest are"):
        select.run(changed, measured)
    assert not measured.selection.exists()
    shutil.rmtree(measured.evaluation("validation", "int8"))
    with pytest.raises(MissingArtifact, match=r"int8.metrics\.json is missing"):
        select.run(params, measured)
