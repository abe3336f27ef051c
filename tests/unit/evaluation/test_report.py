"""What evaluate writes of a bundle, for every task, on real documents."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, r2_score

from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from tests.tiny_case import settings
from textmill.artifacts import read_json, read_table
from textmill.evaluation.answers import UnknownLabels
from textmill.evaluation.examination import SETTINGS_OF_TEST
from textmill.evaluation.report import Evaluation, evaluate, read_skipped, skip
from textmill.runtime import Classifier
from textmill.tasks import PRIMARY, split_labels

SETTINGS = settings(calibration_bins=10)
FILES = {"metrics.json", "report.json", "predictions.parquet", "confusion.csv", "calibration.csv", "plots"}
TASKS = ("single_label", "multi_label", "regression")
NUM_DOCUMENTS = 300


def _evaluate(bundle, test):
    fitted = evaluate(bundle, test, SETTINGS, split="validation").report
    return evaluate(bundle, test, SETTINGS, split="test", fitted=fitted)


@pytest.fixture(scope="module", params=TASKS)
def evaluated(request, tmp_path_factory) -> tuple[str, Classifier, pd.DataFrame, Evaluation]:
    documents = documents_of(request.param)
    bundle = tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle", documents[:2000], task=request.param)
    test = documents[2000 : 2000 + NUM_DOCUMENTS]
    return request.param, Classifier.load(bundle), test, _evaluate(bundle, test)


def test_the_score_is_the_primary_figure_with_its_interval(evaluated):
    task, _, _, evaluation = evaluated
    metrics = evaluation.metrics
    for end in ("", "_low", "_high"):
        assert metrics[f"score{end}"] == metrics[f"{PRIMARY[task]}{end}"]
    assert metrics["score_low"] < metrics["score"] < metrics["score_high"]
    assert all(isinstance(value, int | float) and np.isfinite(value) for value in metrics.values())
    assert ("ece" in metrics) == (task != "regression")
    assert evaluation.report["task"] == task


FIGURES = {
    "single_label": {"f1_micro", "matthews", "kappa", "brier", "log_loss", "roc_auc", "average_precision"},
    "multi_label": {"f1_samples", "jaccard", "hamming_loss", "mean_average_precision", "roc_auc", "coverage_error"},
    "regression": {"r2", "rmse", "mae", "mape", "median_absolute_error", "explained_variance", "pearson", "spearman"},
}


def test_figures_are_metrics_and_their_intervals_are_in_the_report(evaluated):
    task, _, _, evaluation = evaluated
    intervals = evaluation.report["intervals"]
    assert intervals.keys() >= FIGURES[task]
    for name, interval in intervals.items():
        assert interval["low"] <= evaluation.metrics[name] <= interval["high"], name


def test_on_validation_nothing_goes_by_the_settings_of_test(tmp_path):
    documents = documents_of("single_label")
    bundle = tiny_bundle(tmp_path / "bundle", documents[:2000])
    settings = replace(SETTINGS, **dict.fromkeys(SETTINGS_OF_TEST))
    report = evaluate(bundle, documents[2000:2300], settings, split="validation").report
    assert not SETTINGS_OF_TEST & report["settings"].keys()


def test_predictions_are_what_is_served(evaluated):
    task, classifier, test, evaluation = evaluated
    table = evaluation.predictions
    columns = ["id", "cluster", "label", "predicted", *(f"p{i}" for i in range(len(classifier.labels)))]
    assert list(table.columns) == columns
    assert table["label"].tolist() == test["label"].tolist()
    (served,) = classifier.predict([test["text"].iloc[5]])
    if task == "single_label":
        assert table["predicted"][5] == served.label
    elif task == "multi_label":
        assert split_labels(table["predicted"][5]) == sorted(served.labels)
    else:
        assert float(table["predicted"][5]) == served.value
        expected = r2_score(table["label"].astype(float), table["predicted"].astype(float))
        assert evaluation.metrics["r2"] == pytest.approx(expected)


def test_the_tables_for_plots_have_the_same_columns_in_every_task(evaluated, tmp_path):
    task, _, _, evaluation = evaluated
    evaluation.write(tmp_path / "figures")
    folder = tmp_path / "figures"
    assert {path.name for path in folder.iterdir()} == FILES
    confusion = pd.read_csv(folder / "confusion.csv", keep_default_na=False)
    assert list(confusion.columns) == ["actual", "predicted"]
    calibration = pd.read_csv(folder / "calibration.csv")
    assert list(calibration.columns) == ["confidence", "accuracy", "count", "mean_confidence"]
    assert calibration["count"].sum() == NUM_DOCUMENTS * (3 if task == "multi_label" else 1)
    if task != "multi_label":
        assert len(confusion) == NUM_DOCUMENTS
    assert read_json(folder / "metrics.json") == evaluation.metrics
    assert (
        read_table(folder / "predictions.parquet")["predicted"].tolist() == evaluation.predictions["predicted"].tolist()
    )


def test_a_confusion_of_several_labels_counts_hits_misses_and_false_alarms(evaluated):
    task, _, _, evaluation = evaluated
    if task != "multi_label":
        pytest.skip("one answer a document")
    pairs = evaluation.confusion.value_counts()
    for name, row in evaluation.report["per_class"].items():
        hits, missed = pairs.get((name, name), 0), pairs.get((name, "(none)"), 0)
        assert hits + missed == row["support"]
        assert hits / row["support"] == pytest.approx(row["recall"])
        assert hits / (hits + pairs.get(("(none)", name), 0)) == pytest.approx(row["precision"])
    table = evaluation.predictions
    hot = [[name in split_labels(text) for name in evaluation.report["labels"]] for text in table["label"]]
    given = table[["p0", "p1", "p2"]].to_numpy() >= 0.5
    assert evaluation.metrics["f1_macro"] == pytest.approx(f1_score(hot, given, average="macro"))


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_labels_that_were_not_learned_are_told(task, tmp_path):
    documents = documents_of(task)
    bundle = tiny_bundle(tmp_path / "bundle", documents[:500], task=task)
    strange = documents[500:503].assign(label=["neutral", "positive", "neutral"])
    with pytest.raises(UnknownLabels, match=r"2 documents have a label .*\['neutral'\].*clean\.labels"):
        evaluate(bundle, strange, SETTINGS, split="test")


def test_a_skipped_recipe_leaves_its_reason_and_empty_tables(tmp_path):
    model = tmp_path / "pruned"
    model.mkdir()
    assert read_skipped(model) is None
    (model / "skipped.json").write_text('{"reason": "prune needs attention heads; lstm has none"}')
    reason = read_skipped(model)
    assert reason == "prune needs attention heads; lstm has none"
    skip(reason).write(tmp_path / "figures")
    folder = tmp_path / "figures"
    assert {path.name for path in folder.iterdir()} == FILES
    assert read_json(folder / "metrics.json") == {"skipped": reason} == read_json(folder / "report.json")
    assert list(read_table(folder / "predictions.parquet").columns) == ["id", "cluster", "label", "predicted"]
    for name in ("confusion.csv", "calibration.csv"):
        assert len(pd.read_csv(folder / name)) == 0
