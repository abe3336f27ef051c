"""From a planted label error through audit, review and correction back into the data, by the stages and the command."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.stage.stages import fail_stage, run_stages, write_params
from textmill.artifacts import read_json, read_table
from textmill.cli import app
from textmill.paths import Paths

KINDS = ("1-2", "business", "true")  # labels that a spreadsheet would retype
SETTINGS = {"source": "data/inputs/documents.csv", "where": "null", "labels": "null"}


def write_documents(path):
    """Clear texts of three classes, 30 of them under the wrong label; returns the right label by text."""
    rng = np.random.default_rng(0)
    own = [[f"{name}{number}" for number in range(30)] for name in "abc"]
    common = [f"word{number}" for number in range(300)]
    texts = [" ".join([*rng.choice(own[i % 3], 4), *rng.choice(common, 12)]) for i in range(600)]
    right = [KINDS[i % 3] for i in range(600)]
    wrong = set(rng.choice(600, 30, replace=False).tolist())
    given = [KINDS[(i + 1) % 3] if i in wrong else KINDS[i % 3] for i in range(600)]
    pd.DataFrame({"text": texts, "label": given}).to_csv(path, index=False)
    return dict(zip(texts, right, strict=True))


@pytest.mark.slow
def test_a_correction_comes_back_into_the_data(tmp_path, monkeypatch):
    (tmp_path / "data/inputs").mkdir(parents=True)
    right = write_documents(tmp_path / "data/inputs/documents.csv")
    write_params(tmp_path, **SETTINGS)
    answer = run_stages(tmp_path, "ingest", "clean", "split", "baseline", "audit")
    assert answer.returncode == 0, answer.stderr
    paths = Paths(tmp_path, tmp_path)
    issues = read_table(paths.label_issues)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    found = CliRunner().invoke(app, ["labels", "review", "--accept-above", "0.5"])
    assert found.exit_code == 0, found.output
    review = tmp_path / "data/inputs/label_review.csv"
    table = pd.read_csv(review, dtype=str, keep_default_na=False)
    table.to_csv(review, index=False, sep=";")  # a person saves it in another country

    write_params(tmp_path, **SETTINGS, label_corrections="data/inputs/label_review.csv")
    answer = run_stages(tmp_path, "ingest", "clean", "split")
    assert answer.returncode == 0, answer.stderr
    accepted = issues[issues["confidence"] > 0.5]
    assert len(accepted) >= 15  # of 21 in train
    record = read_json(paths.source)["label_corrections"]
    assert (record["file"], record["num"]) == ("data/inputs/label_review.csv", len(accepted))
    applied = {row["id"]: (row["from"], row["to"]) for row in read_json(paths.clean_summary)["corrections"]}
    expected = zip(accepted["id"], accepted["label"], accepted["suggested"], strict=True)
    assert applied == {name: (label, suggested) for name, label, suggested in expected}
    documents = read_table(paths.clean_documents)
    errors = documents["label"] != documents["text"].map(right)
    assert errors.sum() == 30 - (accepted["text"].map(right) == accepted["suggested"]).sum() <= 15

    table.assign(corrected="nonsense").head(1).to_csv(review, index=False)
    assert run_stages(tmp_path, "ingest").returncode == 0
    assert "nonsense" in fail_stage(tmp_path, "clean")
