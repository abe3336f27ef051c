"""baseline and audit for every task, with a real MLflow store."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import audit, baseline
from tests.task_documents import documents_of
from tests.tiny_run import migrated_database, write_params
from textmill.artifacts import DOCUMENTS, FOLDS, write_table
from textmill.baseline.label_audit import LABEL_ISSUES
from textmill.paths import Paths
from textmill.runtime import Classifier

COLUMNS = {"single_label": ["p0", "p1"], "multi_label": ["p0", "p1", "p2"], "regression": ["p0"]}


@pytest.mark.parametrize(
    ("task", "characters"), [("single_label", None), ("multi_label", [3, 4]), ("regression", None)]
)
def test_a_bundle_and_an_audit(task, characters, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = Paths(root=tmp_path, state=tmp_path)
    shutil.copy(migrated_database(), paths.mlflow_database)
    params = write_params(paths, task=task)
    settings = params.model.baseline.model_copy(update={"character_ngrams": characters, "max_character_features": 5000})
    params = params.model_copy(update={"model": params.model.model_copy(update={"baseline": settings})})
    documents = documents_of(task)
    train = documents[:1000]
    write_table(paths.split("train"), train, DOCUMENTS)
    write_table(paths.split("validation"), documents[1000:1200], DOCUMENTS)
    write_table(paths.folds, pd.DataFrame({"id": train["id"], "fold": np.arange(1000) % 3}), FOLDS)
    baseline.run(params, paths)
    audit.run(params, paths)
    assert len(Classifier.load(paths.bundle("baseline")).predict(["A fine film.", ""])) == 2
    table = pd.read_parquet(paths.out_of_fold)
    assert table.columns.tolist() == ["id", "label", *COLUMNS[task]]
    assert table["label"].tolist() == train["label"].tolist()
    issues = pd.read_parquet(paths.label_issues)
    assert issues.columns.tolist() == LABEL_ISSUES.names
    assert set(issues["id"]) <= set(train["id"])
    assert issues["text"].notna().all()
    summary = json.loads(paths.label_audit.read_text())
    assert (summary["task"], summary["num_documents"], summary["num_issues"]) == (task, 1000, len(issues))
    assert 0 < summary["agreement"] < 1
    shown = capsys.readouterr().out
    assert "n-grams of 1000 documents" in shown
    assert ("of the variance" in shown) == (task == "regression")
