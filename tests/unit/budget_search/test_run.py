"""The whole search on a tiny model: what it makes, keeps, chooses and repeats."""

import json
import shutil
from types import SimpleNamespace

import optuna
import pytest
from filelock import FileLock

from pipeline import compress
from tests.tiny_budget import SPACE, write_search
from tests.tiny_model import HYPER, tiny_model
from tests.tiny_run import migrated_database
from textmill.artifacts import read_json, read_table, size_mb
from textmill.budget_search import setup
from textmill.budget_search.adopt import adopt, pick
from textmill.budget_search.report import tell_unmet
from textmill.budget_search.run import Asked, SearchIsRunning, search
from textmill.budget_search.setup import NothingToCompress
from textmill.budget_search.space import RecipeSpace, name_steps
from textmill.config import load_params
from textmill.evaluation.primary import score_answers
from textmill.evaluation.selection import Budget
from textmill.models.folder import save_model
from textmill.paths import Paths
from textmill.runtime import Classifier
from textmill.search.work import TooManyFailures

NO_LIMIT = Budget()


def run(paths, num_trials=4, budget=NO_LIMIT, prefer="size_mb", minutes=None, **changes):
    """Search, and return the record with what was said."""
    said, ended = [], []
    asked = Asked(budget, prefer, num_trials, minutes)
    record = search(
        write_search(paths, **changes), paths, asked, say=said.append, on_trial=lambda trial, _: ended.append(trial)
    )
    return SimpleNamespace(record=record, said=said, ended=ended, trials=record["trials"])


@pytest.fixture(scope="module")
def searched(made, tmp_path_factory):
    """A finished search of the four recipes of `SPACE`."""
    root = tmp_path_factory.mktemp("searched") / "here"
    shutil.copytree(made, root)
    paths = Paths(root, root)
    return SimpleNamespace(paths=paths, **vars(run(paths)))


@pytest.fixture
def paths(made, tmp_path):
    shutil.copytree(made, tmp_path / "here")
    return Paths(tmp_path / "here", tmp_path / "here")


@pytest.fixture
def copy(searched, tmp_path):
    """The finished search, to be changed."""
    shutil.copytree(searched.paths.root, tmp_path / "copy")
    return Paths(tmp_path / "copy", tmp_path / "copy")


def test_every_recipe_is_made_and_measured_as_it_is_served(searched):
    assert [trial["recipe"] for trial in searched.trials] == ["int8", "bag -> int8", "layers -> int8", "layers"]
    assert {trial["state"] for trial in searched.trials} == {"complete"}
    documents = read_table(searched.paths.split("validation"))
    kept = {folder.name: folder / "bundle" for folder in (searched.paths.root / searched.record["bundles"]).iterdir()}
    for trial in searched.trials:
        if bundle := kept.get(trial["folder"]):
            answers = [one.label for one in Classifier.load(bundle).predict(documents["text"].tolist(), batch_size=1)]
            assert score_answers("single_label", documents["label"], answers) == pytest.approx(
                trial["figures"]["score"]
            )
            assert size_mb(bundle) == trial["figures"]["size_mb"]
            assert trial["figures"]["latency_p50_ms"] > 0


def test_only_what_is_on_the_front_is_kept_and_the_record_says_all(searched):
    front = {row["name"] for row in searched.record["candidates"] if row["on_pareto_front"]}
    of_trials = {trial["folder"] for trial in searched.trials if str(trial["number"]) in front}
    there = {folder.name for folder in (searched.paths.root / searched.record["bundles"]).iterdir()}
    assert there <= {trial["folder"] for trial in searched.trials}
    assert of_trials <= there, "the full model may beat others, and they are kept all the same"
    assert not list((searched.paths.root / searched.record["bundles"]).parent.glob("checkpoints/*"))
    assert read_json(searched.paths.compression_search) == json.loads(json.dumps(searched.record))
    assert searched.record["candidates"][0]["name"] == "full"


def test_the_smallest_is_chosen_if_that_is_preferred(searched):
    smallest = min(searched.trials, key=lambda trial: trial["figures"]["size_mb"])
    assert searched.record["chosen"] == str(smallest["number"])


def test_a_finished_search_has_nothing_left_to_do(copy):
    before = read_json(copy.compression_search)["trials"]
    again = run(copy)
    assert again.ended == [] and again.trials == before
    assert "4 of 4 trials finished" in again.said[-1]


def test_a_search_goes_on_to_more_trials(copy):
    before = read_json(copy.compression_search)["trials"]
    more = run(copy, num_trials=5)
    assert len(more.ended) == 1 and len(more.trials) == 5
    assert more.trials[:4] == before
    recipe = more.trials[4]["steps"]
    space = RecipeSpace.of(load_params(copy.params).compress.search.space)
    assert name_steps(recipe) == more.trials[4]["folder"]
    assert more.trials[4]["recipe"] in space.dimensions["recipe"].choices


def test_another_budget_is_another_study_that_makes_nothing_twice(copy):
    figures = {trial["folder"]: trial["figures"] for trial in read_json(copy.compression_search)["trials"]}
    impossible = run(copy, budget=Budget(max_size_mb=0.001, max_drop=0.5), num_trials=4)
    assert {trial["folder"]: trial["figures"] for trial in impossible.trials} == figures
    assert impossible.record["chosen"] is None
    sizes = {str(trial["number"]): trial["figures"]["size_mb"] for trial in impossible.trials}
    assert impossible.record["nearest"][0] == min(sizes, key=lambda name: sizes[name])
    told = tell_unmet(impossible.record)
    assert told.startswith("No recipe meets the budget; the nearest are\n  trial ")
    assert "MB, above max_size_mb: 0.001" in told
    for trial in impossible.ended:
        assert trial.constraints["max_size_mb"] == pytest.approx((trial.values[1] - 0.001) / 0.001)
        assert set(trial.constraints) == {"max_size_mb", "max_drop"}


def test_what_keeps_the_budget_is_chosen_by_what_is_preferred(copy):
    scores = {trial["number"]: trial["figures"]["score"] for trial in read_json(copy.compression_search)["trials"]}
    found = run(copy, budget=Budget(max_size_mb=0.35), prefer="quality")
    within = [trial for trial in found.trials if trial["figures"]["size_mb"] <= 0.35]
    assert within
    assert scores[int(found.record["chosen"])] == max(trial["figures"]["score"] for trial in within)


@pytest.mark.parametrize("number", [1, 2])
def test_the_stage_makes_the_same_model_of_what_was_adopted(copy, number):
    trial = pick(read_json(copy.compression_search), number)
    kept = copy.root / read_json(copy.compression_search)["bundles"] / trial["folder"] / "bundle/model.onnx"
    assert kept.exists(), "it is on the front, being smaller or better than the rest"
    name = adopt(trial, copy.params, None)
    shutil.copy(migrated_database(), copy.mlflow_database)
    shutil.rmtree(copy.answers, ignore_errors=True)
    compress.run(load_params(copy.params), copy, name)
    assert (copy.bundle(name) / "model.onnx").read_bytes() == kept.read_bytes()


def test_a_recipe_that_does_not_apply_is_left_out_and_the_others_are_searched(paths):
    space = {**SPACE, "steps": {**SPACE["steps"]}, "recipes": [["filters"], ["int8"]]}
    filters = {"method": "prune", "importance": "magnitude", "filters": 0.5, "epochs": 1, "learning_rate": 1e-3}
    space["steps"]["filters"] = filters
    found = run(paths, num_trials=1, space=space)
    assert any(line.startswith("Left out: filters (prune") for line in found.said)
    assert [trial["recipe"] for trial in found.trials] == ["int8"]
    with pytest.raises(NothingToCompress, match=r"No recipe of compress\.search\.space\.recipes applies"):
        run(paths, num_trials=1, space={**space, "recipes": [["filters"]]})


def test_errors_are_recorded_and_counted(paths):
    space = {"steps": {"layers": {**SPACE["steps"]["layers"], "student": {"family": "transformer", "num_layers": 7}}}}
    with pytest.raises(TooManyFailures, match=r"1 trials .* compress\.search\.max_failures allows.*7"):
        run(paths, num_trials=2, space={**space, "recipes": [["layers"]]}, max_failures=1)
    (study,) = optuna.get_all_study_summaries(storage=f"sqlite:///{paths.study_database}")
    assert study.n_trials == 1


def test_a_search_that_ends_with_an_error_has_a_record_of_what_is_finished(paths):
    space = {"steps": {**SPACE["steps"]}, "recipes": [["int8"], ["layers"]]}
    space["steps"]["layers"] = {**SPACE["steps"]["layers"], "student": {"family": "transformer", "num_layers": 7}}
    with pytest.raises(TooManyFailures):
        run(paths, num_trials=2, space=space, max_failures=1)
    record = read_json(paths.compression_search)
    assert [trial["state"] for trial in record["trials"]] == ["complete", "fail"]
    assert record["chosen"] == "0" and record["num_trials"] == 2
    assert pick(record, None)["recipe"] == "int8"


def test_a_trial_that_takes_too_long_has_failed(paths):
    space = {**SPACE, "recipes": [["layers", "int8"]]}
    with pytest.raises(TooManyFailures, match=r"It took longer than compress\.search\.trial_minutes"):
        run(paths, num_trials=1, space=space, trial_minutes=0.0005, max_failures=1)


def test_a_trial_that_the_time_ran_out_for_is_run_again(paths):
    first = run(paths, num_trials=1, minutes=0.001, space={**SPACE, "recipes": [["layers", "int8"]]})
    assert [trial["state"] for trial in first.trials] in ([], ["fail"])
    assert first.record["chosen"] == "full"
    second = run(paths, num_trials=1, space={**SPACE, "recipes": [["layers", "int8"]]})
    assert [trial["state"] for trial in second.trials][-1] == "complete"
    assert [trial["recipe"] for trial in second.trials][-1] == "layers -> int8"


def test_two_searches_do_not_run_at_once(paths):
    paths.lock("compress-search").parent.mkdir(parents=True)
    with FileLock(paths.lock("compress-search")), pytest.raises(SearchIsRunning, match="already running"):
        run(paths, num_trials=1)


@pytest.mark.parametrize("gone", ["models/full/torch", "models/full/bundle", "data/tokens", "data/splits"])
def test_what_the_search_needs_is_missing(paths, gone):
    shutil.rmtree(paths.root / gone)
    with pytest.raises(NothingToCompress):
        run(paths)
    assert not paths.study_database.exists()


def test_the_baseline_is_not_compressed(paths):
    shutil.rmtree(paths.model("full") / "torch")
    with pytest.raises(NothingToCompress, match="is the TF-IDF baseline"):
        run(paths)


def test_the_study_is_named_by_what_decides_its_results(made, tmp_path):
    shutil.copytree(made, tmp_path / "here")
    paths = Paths(tmp_path / "here", tmp_path / "here")

    def name(budget=NO_LIMIT, **changes):
        params = write_search(paths, **changes)
        record, space = setup.making(params, paths), RecipeSpace.of(params.compress.search.space)
        return record["key"], setup.study_settings(params, paths, record, space, budget).name

    made_key, study = name()
    assert name(num_trials=50, timeout_minutes=3.0, trial_minutes=1.0, max_failures=9) == (made_key, study)
    for key, other in (
        name(sampler="random"),
        name(Budget(max_size_mb=3.0)),
        name(space={**SPACE, "recipes": [["bag"]]}),
    ):
        assert key == made_key and other != study
    description = {"hyperparameters": vars(HYPER), "max_length": 32, "lineage": {"key": "0" * 64}}
    shutil.rmtree(paths.model("full") / "torch")
    save_model(paths.model("full") / "torch", tiny_model("bag_of_embeddings", paths.tokens), description)
    assert name()[0] != made_key and name()[1] != study
