"""Every method alone and five combinations through `dvc repro`, on a transformer and on the families that have them."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.checkout import small_bert
from tests.tiny_steps import NOT_SMALLER, STEPS, written_step
from textmill.config import load_params
from textmill.config.compression import ON_ONNX
from textmill.runtime import Classifier

pytestmark = pytest.mark.slow

NO_LIMIT = {"max_size_mb": None, "max_latency_ms": None, "max_drop": None}
MEASURED_LITTLE = {
    "evaluate__num_resamples": 100,
    "evaluate__latency_documents": 10,
    "evaluate__startup_processes": 0,
    "evaluate__batch_sizes": [1],
    "evaluate__robustness__documents": 0,
    "evaluate__shift__documents": 0,
    "evaluate__slices__most_weak": 0,
    "gate__min_quality": 0.1,
    "gate__num_resamples": 200,
    "diagnose__documents": 4,
    "diagnose__max_seconds": 20,
    "select__budget": NO_LIMIT,
    "select__prefer": "size_mb",
}
DECODER = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64}
FAMILIES = ["lstm", "text_cnn", "gpt2"]


def recipes(kind):
    """Of each method one recipe of its name, and five combinations."""

    def step(method, **changes):
        return written_step(method, kind, **changes)

    bag = {"student": {"family": "bag_of_embeddings", "embeddings": "own", "embedding_size": 16}}
    combinations = {
        "trimmed-int8": ("full", [step("trim_vocabulary"), step("quantize")]),
        "pruned-int8": ("prune", [step("quantize")]),
        "student-int8": ("full", [step("distill"), step("quantize")]),
        "trimmed-bag-int8": ("full", [step("trim_vocabulary"), step("distill", **bag), step("quantize")]),
        "pruned-trained-int8": ("prune", [step("train_quantized"), step("quantize")]),
    }
    alone = {method.replace("_", "-"): ("full", [step(method)]) for method in STEPS}
    found = {name: {"from": parent, "steps": steps} for name, (parent, steps) in {**alone, **combinations}.items()}
    return {"full": {"from": "trained", "steps": []}, **found}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    pytest.importorskip("openvino")
    folder = tmp_path_factory.mktemp("checkout")
    return small_bert(
        folder, split__num_folds=2, train__epochs=1, compress__recipes=recipes("transformer"), **MEASURED_LITTLE
    )


@pytest.fixture(scope="module")
def first_run(checkout):
    return checkout.run("dvc", "repro", timeout=3600).stdout


def read(checkout, name):
    return json.loads((checkout.folder / name).read_text())


def test_every_recipe_of_a_transformer_is_made_measured_and_told(checkout, first_run):
    ran = set(checkout.stages_run(first_run))
    variants = recipes("transformer")
    assert {f"{stage}@{name}" for stage in ("compress", "evaluate", "test") for name in variants} <= ran
    page = (checkout.folder / "reports/page/index.html").read_text()
    selection = read(checkout, "reports/selection.json")
    assert not selection["skipped"]
    sizes = {row["name"]: row["size_mb"] for row in selection["candidates"]}
    assert set(sizes) == {*variants, "baseline"}
    assert selection["chosen"] == min(set(sizes) - {"baseline"}, key=sizes.get)
    for name in set(variants) - {"full"}:
        check(checkout, name, variants[name], sizes)
        assert f"<td>{name}" in page


def check(checkout, name, recipe, sizes):
    """Its parent, its steps, that it is smaller, that it answers, and that its figures are everywhere."""
    manifest = read(checkout, f"models/{name}/bundle/bundle.json")
    told = read(checkout, f"models/{name}/evidence.json")
    methods = [step["method"] for step in recipe["steps"]]
    assert manifest["parent"] == told["parent"] == recipe["from"]
    assert [step["method"] for step in manifest["recipe"]] == methods
    assert [step["method"] for step in told["steps"]] == methods
    assert told["agreement"]["num_documents"] > 30
    assert told["parity"] is not None
    assert set(methods) <= set(NOT_SMALLER) or sizes[name] < sizes[recipe["from"]]
    assert (checkout.folder / f"models/{name}/torch").exists() == (not set(methods) & set(ON_ONNX))
    answers = pd.read_parquet(checkout.folder / f"reports/validation/{name}/predictions.parquet")
    texts = pd.read_parquet(checkout.folder / "data/splits/validation.parquet").set_index("id")["text"]
    classifier = Classifier.load(checkout.folder / f"models/{name}/bundle", threads=1)
    few = answers.head(3)
    served_NC = np.array([classifier.predict_proba([texts[number]])[0] for number in few["id"]])
    np.testing.assert_allclose(served_NC, few[["p0", "p1"]], atol=1e-3)


def test_each_variant_is_compared_with_its_parent_and_has_its_run(checkout, first_run):
    report = read(checkout, "reports/test/pruned-int8/report.json")
    assert report["compression"]["parent"] == "prune"
    pairs = {frozenset((pair["a"], pair["b"])) for pair in read(checkout, "reports/comparison.json")["pairs"]}
    assert all(frozenset((name, recipe["from"])) in pairs for name, recipe in recipes("").items() if name != "full")
    code = (
        "import json, mlflow; mlflow.set_tracking_uri('sqlite:///mlflow.db'); c = mlflow.MlflowClient();"
        "e = [e.experiment_id for e in c.search_experiments()];"
        "r = {r.data.tags['textmill.model']: r for r in c.search_runs(e) if 'textmill.model' in r.data.tags};"
        "n = 'pruned-int8'; print(json.dumps([r[n].data.metrics, r[n].data.tags['mlflow.parentRunId'] =="
        " r['prune'].info.run_id, [f.path for f in c.list_artifacts(r[n].info.run_id, 'compress')]]))"
    )
    metrics, is_child, files = json.loads(checkout.run("python", "-c", code).stdout.splitlines()[-1])
    names = {"seconds_to_compress", "parity_max_difference", "agreement_with_parent", "test_latency_p95_ms"}
    assert names <= set(metrics)
    assert is_child
    assert files == ["compress/evidence.json"]


def test_a_second_repro_runs_nothing(checkout, first_run):
    assert checkout.stages_run(checkout.run("dvc", "repro").stdout) == []


@pytest.mark.parametrize("kind", FAMILIES)
def test_other_families_make_every_recipe_too(checkout, first_run, kind):
    family = {"model__family": "transformer" if kind == "gpt2" else kind}
    if kind == "gpt2":
        family |= {"model__transformer__config": DECODER, "model__transformer__pooling": "last"}
    else:
        family[f"model__{kind}__embeddings"] = "own"
    checkout.set_params(compress__recipes=recipes(kind), **family)
    checkout.run("dvc", "repro", "select", timeout=3600)
    selection = read(checkout, "reports/selection.json")
    made = {row["name"]: row["size_mb"] for row in selection["candidates"]}
    variants = recipes(kind)
    assert not selection["skipped"]
    assert set(made) == {*variants, "baseline"}
    for name in set(variants) - {"full"}:
        check(checkout, name, variants[name], made)
    manifest = read(checkout, "models/full/bundle/bundle.json")
    assert manifest["family"] == load_params(checkout.folder / "params.yaml").model.family
