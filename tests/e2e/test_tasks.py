"""Several labels a document, and numbers, from raw texts to answers over HTTP."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.checkout import Checkout

SETTINGS = {
    "data__where": None,
    "clean__labels": None,
    "tokenize__max_length": 48,
    "split__num_folds": 2,
    "model__family": "bag_of_embeddings",
    "tune__num_trials": 0,
    "train__epochs": 12,
    "select__budget": {"max_size_mb": None, "max_latency_ms": None, "max_drop": None},
    "evaluate__num_resamples": 200,
    "evaluate__latency_documents": 20,
    "gate__min_quality": 0.0,
    "gate__num_resamples": 500,
}
ANSWER = (
    "import json, mlflow; mlflow.set_tracking_uri('sqlite:///mlflow.db');"
    "m = mlflow.pyfunc.load_model('models:/{model}@champion');"
    "print(json.dumps([a if isinstance(a, dict) else a.model_dump() for a in m.predict({texts!r})]))"
)


def run(folder, command, source, num_documents, **params):
    checkout = Checkout(folder)
    checkout.run("python", "-m", "benchmarks.task_datasets", command, source, "--documents", str(num_documents))
    checkout.set_params(project=command.replace("_", "-"), task=command, data__source=source, **SETTINGS, **params)
    checkout.run("textmill", "check")
    checkout.run("dvc", "repro")
    return checkout


def read(checkout, name):
    return json.loads((checkout.folder / name).read_text())


def answers(checkout, model, texts):
    code = ANSWER.format(model=model, texts=texts)
    return json.loads(checkout.run("python", "-c", code).stdout.splitlines()[-1])


@pytest.mark.slow
def test_several_labels(tmp_path):
    checkout = run(tmp_path, "multi_label", "data/inputs/newsgroups.parquet", 1500)
    metrics = read(checkout, "reports/test/full/metrics.json")
    assert metrics["score"] == metrics["f1_macro"] > 0.2
    manifest = read(checkout, "models/full/bundle/bundle.json")
    assert len(manifest["thresholds"]) == len(manifest["labels"])
    test = pd.read_parquet(checkout.folder / "data/splits/test.parquet").head(4)
    champion = answers(checkout, "multi-label", test["text"].tolist())
    chosen = read(checkout, "reports/selection.json")["chosen"]
    predicted = pd.read_parquet(checkout.folder / f"reports/test/{chosen}/predictions.parquet").set_index("id")
    expected = predicted.loc[test["id"], "predicted"].tolist()
    assert ["|".join(sorted(answer["labels"])) for answer in champion] == expected
    test[["id", "text"]].to_csv(checkout.folder / "texts.csv", index=False)
    checkout.run("textmill", "predict", "--input", "texts.csv", "--output", "answers.parquet")
    assert pd.read_parquet(checkout.folder / "answers.parquet")["predicted"].tolist() == expected
    assert checkout.stages_run(checkout.run("dvc", "repro").stdout) == []


@pytest.mark.slow
def test_numbers(tmp_path):
    checkout = run(tmp_path, "regression", "data/inputs/critics.parquet", 1200)
    metrics = read(checkout, "reports/test/full/metrics.json")
    assert metrics["score"] == metrics["r2"]
    assert metrics["rmse"] > 0
    test = pd.read_parquet(checkout.folder / "data/splits/test.parquet").head(4)
    values = [answer["value"] for answer in answers(checkout, "regression", test["text"].tolist())]
    chosen = read(checkout, "reports/selection.json")["chosen"]
    predicted = pd.read_parquet(checkout.folder / f"reports/test/{chosen}/predictions.parquet").set_index("id")
    np.testing.assert_allclose(values, predicted.loc[test["id"], "predicted"].astype(float), rtol=1e-6)
    page = (checkout.folder / "reports/page/index.html").read_text()
    assert "R²" in page
    checkout.run("textmill", "summary")
