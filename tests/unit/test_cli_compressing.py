"""The command `textmill compress`, on a search whose trials take a second."""

import shutil

import pytest
from typer.testing import CliRunner

from tests.tiny_budget import SPACE, write_full, write_search
from textmill.cli import app
from textmill.config import load_params
from textmill.paths import Paths

ONE = {"num_trials": 1, "space": {**SPACE, "recipes": [["bag", "int8"]]}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_full(tmp_path_factory.mktemp("made")).root


@pytest.fixture
def paths(made, tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    found = Paths(tmp_path / "here", tmp_path / "here")
    write_search(found, **ONE)
    return found


def run(*arguments):
    answer = CliRunner().invoke(app, list(arguments))
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer.exit_code, answer.output


def test_a_recipe_is_found_shown_and_adopted(paths):
    status, told = run("compress", "--max-size-mb", "5", "--max-drop", "1", "--prefer", "size_mb")
    assert status == 0, told
    assert "Budget: at most 5 MB, at most 1 macro-F1 below full." in told
    assert "is new: 0 of 1 trials finished." in told
    assert "trial 0: bag -> int8: macro-F1 " in told and "within the budget" in told and "| 1/1 trials" in told
    assert "The choice: trial 0, bag -> int8" in told and "quantize {per_channel: True}" in told
    status, shown = run("compress", "show")
    assert status == 0 and "The choice: trial 0, bag -> int8" in shown
    status, told = run("compress", "adopt", "--name", "small")
    assert status == 0, told
    assert "compress.recipes.small of params.yaml is trial 0: bag -> int8. Next: dvc repro" in told
    steps = load_params(paths.params).compress.recipes["small"].steps
    assert [step.method for step in steps] == ["distill", "quantize"]


def test_a_budget_that_no_recipe_meets_ends_with_an_error(paths):
    status, told = run("compress", "--max-size-mb", "0.01")
    assert status == 1
    assert "No recipe meets the budget; the nearest are\n  trial 0, bag -> int8: size " in told
    assert run("compress", "show")[0] == 1
    status, told = run("compress", "adopt")
    assert status == 1 and "No recipe met the budget" in told


def test_what_was_found_with_another_model_is_not_adopted(paths):
    assert run("compress")[0] == 0
    (paths.model("full") / "torch/model.json").write_text('{"changed": true}')
    status, told = run("compress", "adopt", "--trial", "0", "--name", "small")
    assert status == 1
    assert "another full model, other data or other params: full/torch differs" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-size-mb", "0"], "--max-size-mb must be a number above 0, found 0"),
        (["--max-size-mb", "nan"], "--max-size-mb must be a number above 0, found nan"),
        (["--max-latency-ms", "inf"], "--max-latency-ms must be a number above 0, found inf"),
        (["--max-latency-ms", "-1"], "--max-latency-ms must be a number above 0, found -1"),
        (["--max-drop", "-0.1"], "--max-drop must be from 0 to 1, found -0.1"),
        (["--max-drop", "5"], "--max-drop must be from 0 to 1, found 5"),
        (["--timeout-minutes", "0"], "--timeout-minutes must be a number above 0"),
        (["--prefer", "beauty"], "--prefer must be one of quality, latency_ms, size_mb, found 'beauty'"),
    ],
)
def test_options_out_of_range_are_told(paths, options, message):
    status, told = run("compress", *options)
    assert status == 1
    assert message in told


def test_there_is_nothing_to_show_or_adopt(paths):
    for command in ("show", "adopt"):
        status, told = run("compress", command)
        assert status == 1
        assert "`textmill compress` makes it" in told


def test_without_a_full_model_the_way_to_it_is_told(paths):
    shutil.rmtree(paths.model("full"))
    status, told = run("compress")
    assert status == 1
    assert "models/full/torch/model.json is missing" in told and "`dvc repro compress@full` makes" in told
