"""Every family of models from raw texts to a registered version, by one `dvc exp run -S model.family=NAME`."""

import json

import pytest

from tests.checkout import Checkout
from textmill.config import load_params
from textmill.runtime import Classifier

QUICK = "bag_of_embeddings"  # the others are slow
FAMILIES = [
    QUICK,
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("transformer", "lstm", "text_cnn", "baseline")),
]
INACTIVE = {"lstm": "hidden_size", "text_cnn": "num_filters"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    checkout.take_reviews(
        split__num_folds=2,
        model__family=QUICK,
        tune__num_trials=0,
        train__epochs=2,
        select__budget={"max_size_mb": None, "max_latency_ms": None, "max_drop": None},
        evaluate__num_resamples=200,
        evaluate__latency_documents=20,
        gate__min_quality=0.1,
        gate__num_resamples=500,
    )
    checkout.run("dvc", "add", "data/inputs/reviews.csv")
    checkout.commit("A small slice")
    return checkout


def read(checkout, name):
    return json.loads((checkout.folder / name).read_text())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_ends_with_a_registered_model(checkout, family):
    checkout.run("dvc", "exp", "run", "-S", f"model.family={family}")
    registration = read(checkout, "reports/registration.json")
    full = read(checkout, "models/full/bundle/bundle.json")
    assert registration["versions"]["full"]["lineage_key"] == full["lineage"]["key"]
    assert full["family"] == ("tfidf" if family == "baseline" else family)
    selection = read(checkout, "reports/selection.json")
    recipes = load_params(checkout.folder / "params.yaml").compress.recipes
    made = {candidate["name"] for candidate in selection["candidates"]} - {"baseline"}
    skipped = {name for name in recipes if (checkout.folder / f"models/{name}/skipped.json").exists()}
    assert made | skipped == set(recipes)
    assert not made & skipped
    assert selection["chosen"] in made
    page = (checkout.folder / "reports/page/index.html").read_text()
    assert all(name in page for name in skipped), "what was left out is told"
    classifier = Classifier.load(checkout.folder / f"models/{selection['chosen']}/bundle")
    assert classifier.predict(["A wonderful film"])[0].label in ("negative", "positive")


def test_another_familys_settings_run_nothing(checkout):
    family = load_params(checkout.folder / "params.yaml").model.family
    checkout.run("dvc", "repro")
    for name, key in INACTIVE.items():
        if name != family:
            checkout.set_params(**{f"model__{name}__{key}": 64, f"tune__space__{name}__learning_rate__default": 2.0e-3})
    assert checkout.stages_run(checkout.run("dvc", "repro").stdout) == []
