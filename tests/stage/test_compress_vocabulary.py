"""The compress stage where a recipe changes the vocabulary: its children read it too, and nothing is left behind."""

import shutil

import numpy as np
import pandas as pd
import pytest

from pipeline.compress import run
from tests.text_tokens import write_texts
from tests.tiny_model import HYPER, outspoken, tiny_model
from tests.tiny_run import migrated_database, write_params
from tests.vocabularies import TEXTS, small_tokenizer
from textmill.artifacts import MissingArtifact, read_json
from textmill.models.folder import save_model
from textmill.paths import Paths
from textmill.runtime import Classifier

TRAIN, OTHERS = TEXTS[:32], TEXTS[32:48]
QUANTIZE = {"method": "quantize", "per_channel": True}
RECIPES = {
    "full": {"from": "trained", "steps": []},
    "trimmed": {"from": "full", "steps": [{"method": "trim_vocabulary", "min_count": 1}]},
    "trimmed-int8": {"from": "trimmed", "steps": [QUANTIZE]},
    "copy": {"from": "trimmed-int8", "steps": []},
    "low-int8": {"from": "trimmed", "steps": [{"method": "factorize_embeddings", "rank": 8}, QUANTIZE]},
}


@pytest.fixture
def paths(tmp_path):
    folder = Paths(tmp_path, tmp_path)
    write_texts(tmp_path, small_tokenizer("wordpiece"), {"train": TRAIN, "validation": OTHERS}, max_length=24)
    shutil.copy(migrated_database(), folder.mlflow_database)
    description = {"hyperparameters": vars(HYPER), "max_length": 24, "lineage": {"key": "0" * 64}}
    save_model(
        folder.model("trained") / "torch", outspoken(tiny_model("bag_of_embeddings", folder.tokens)), description
    )
    return folder


def test_children_read_the_parents_vocabulary_and_no_scratch_stays(paths):
    params = write_params(paths, compress__recipes=RECIPES)
    for name in RECIPES:
        run(params, paths, name)
    made = {name: Classifier.load(paths.bundle(name)) for name in RECIPES}
    expected = made["full"].predict_logits(TRAIN)
    np.testing.assert_allclose(made["trimmed"].predict_logits(TRAIN), expected, atol=1e-5)
    own = (paths.bundle("trimmed") / "tokenizer.json").read_bytes()
    assert own != (paths.tokens / "tokenizer.json").read_bytes()
    for name in ("trimmed-int8", "copy", "low-int8"):
        assert (paths.bundle(name) / "tokenizer.json").read_bytes() == own
        assert np.isfinite(made[name].predict_logits([*OTHERS, "", "☃"])).all()
    notes = read_json(paths.model("trimmed") / "evidence.json")["steps"][0]["notes"]
    assert notes["train"]["uncovered_documents"] == 0 < notes["validation"]["uncovered_documents"]
    left = [path for path in paths.state.rglob("*") if path.name in ("tokens", "tokens.json")]
    assert sorted(left) == [paths.tokens, paths.tokens / "tokens.json"]


def test_texts_of_another_run_are_refused(paths):
    params = write_params(paths, compress__recipes=RECIPES)
    run(params, paths, "full")
    table = pd.read_parquet(paths.split("validation"))
    table.iloc[:-1].to_parquet(paths.split("validation"))
    with pytest.raises(MissingArtifact, match=r"validation.parquet has 15 documents, but data/tokens has 16"):
        run(params, paths, "trimmed")
    assert not paths.model("trimmed").exists()
