"""`textmill predict` on bundles of the other tasks; test_cli.py has the one of single labels."""

import json

import pytest
from typer.testing import CliRunner

from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from textmill.cli import app
from textmill.runtime import Classifier

TEXTS = ["A funny comedy with a moving story.", "Dull."]


@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_the_answer_follows_the_task(tmp_path, task):
    bundle = tiny_bundle(tmp_path / "bundle", documents_of(task)[:1000], task=task)
    answers = Classifier.load(bundle).predict(TEXTS, batch_size=1)
    shown = CliRunner().invoke(app, ["predict", "--model", str(bundle), *TEXTS])
    assert shown.exit_code == 0, shown.output
    for line, answer, text in zip(shown.stdout.splitlines(), answers, TEXTS, strict=True):
        first, *_, last = line.split("  ")
        assert last == text
        assert first == (f"{answer.value:.6g}" if task == "regression" else ", ".join(answer.labels) or "no label")
    found = CliRunner().invoke(app, ["predict", "--json", "--model", str(bundle), *TEXTS]).stdout.splitlines()
    assert [json.loads(line) for line in found] == [
        {"text": text, **answer._asdict()} for text, answer in zip(TEXTS, answers, strict=True)
    ]
