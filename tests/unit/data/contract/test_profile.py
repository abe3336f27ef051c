"""The profile says in numbers what the data are."""

import json

import numpy as np
import pandas as pd
import pytest

from textmill.data.contract.classes import Classes
from textmill.data.contract.profile import QUANTILES, build_profile
from textmill.data.contract.reference import Reference
from textmill.data.contract.tables import MISSING, REPEATED, Table
from textmill.data.quarantine.reasons import REASONS


def profile(lengths=(1, 2, 3, 4, 5), marks=("email", "phone")):
    counts = pd.DataFrame(
        {"documents": [1, 3], "train": [1, 1], "validation": [0, 1], "test": [0, 1]}, index=["a", "b"]
    )
    raw = pd.DataFrame({"missing": [0, 1, 0, 0], "duplicate": [0, 0, 0, 1], "quarantined": [1, 1, 0, 0]})
    texts = pd.DataFrame({name: [1, 0, 0] for name in marks})
    return build_profile(
        project="movies",
        source={"uri": "own.csv", "sha256": "0"},
        classes=Classes(counts, {"documents": 4, "train": 2, "validation": 1, "test": 1}, None),
        num_characters=pd.Series(pd.array(lengths, "Int32")),
        scripts=["Latin", "Greek", "Latin"],
        raw=Table(raw, pd.Series(dtype=str)),
        texts=Table(texts, pd.Series(dtype=str)),
    )


def test_shares_and_counts():
    found = profile()
    assert found["documents"] == 4
    assert found["labels"] == {"a": 0.25, "b": 0.75}
    assert found["classes"]["b"] == {"documents": 3, "train": 1, "validation": 1, "test": 1}
    assert found["scripts"] == {"Latin": 0.666667, "Greek": 0.333333}
    assert found["sample"] == 3
    assert found["shares"] == pytest.approx(
        {"missing": 0.25, "duplicate": 0.25, "quarantined": 0.5, "email": 1 / 3, "phone": 1 / 3}, abs=1e-6
    )


def test_quantiles_are_those_of_numpy():
    lengths = np.random.default_rng(0).integers(1, 5000, 999)
    found = profile(lengths)["characters"]
    assert found == pytest.approx(dict(zip(QUANTILES, np.quantile(lengths, list(QUANTILES.values())), strict=True)))


def test_it_is_json_and_can_be_frozen():
    found = profile(marks=())
    json.dumps(found, allow_nan=False)
    assert "email" not in found["shares"]
    Reference(**{key: found[key] for key in Reference.model_fields})
    assert profile(lengths=[None])["characters"] == {}
    assert json.dumps(profile()) == json.dumps(profile())


def test_the_reasons_that_are_counted_exist():
    assert {*REPEATED, *MISSING} <= set(REASONS)
