"""The stage diagnose on a finished run: what is told of every task, and what is left out when it must be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from pipeline import diagnose
from tests.tiny_run import MODELS, PROJECT, tiny_run
from textmill import tracking
from textmill.artifacts import read_json, read_table, write_table
from textmill.baseline.label_audit import LABEL_ISSUES
from textmill.config import load_params
from textmill.paths import Paths

TASKS = ["single_label", *(pytest.param(task, marks=pytest.mark.slow) for task in ("multi_label", "regression"))]


@pytest.fixture(scope="module", params=TASKS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A run whose audit doubts every tenth train document, diagnosed."""
    task = request.param
    paths = tiny_run(
        tmp_path_factory.mktemp(task), task=task, noise=0.5, skipped={"pruned": "no"}, compress__recipes=recipes()
    )
    write_issues(paths)
    diagnose.run(load_params(paths.params), paths)
    return paths


def recipes() -> dict:
    return {"full": {"from": "trained", "steps": []}} | {
        name: {"from": "full", "steps": [{"method": "quantize", "per_channel": True}]} for name in ("int8", "pruned")
    }


def write_issues(paths: Paths) -> None:
    train = read_table(paths.split("train"), columns=["id", "text", "label"])[::10]
    figures = {"rank": range(len(train)), "suggested": "", "self_confidence": 0.1, "confidence": 0.9}
    write_table(paths.label_issues, train.assign(**figures), LABEL_ISSUES)


def task_of(paths: Paths) -> str:
    return load_params(paths.params).task


def test_the_worst_mistakes_are_told_and_explained(run: Paths) -> None:
    found, task = read_json(run.diagnosis), task_of(run)
    answers = read_table(run.evaluation("test", "int8") / "predictions.parquet").set_index("id")
    texts = read_table(run.split("test")).set_index("id")["text"]
    assert (found["model"], found["task"], found["num_documents"]) == ("int8", task, 1200)
    assert len(found["mistakes"]) == 50
    explained = [mistake["explanation"] is not None for mistake in found["mistakes"]]
    assert explained == [True] * 24 + [False] * 26
    for mistake in found["mistakes"]:
        row = answers.loc[mistake["id"]]
        assert (mistake["label"], mistake["predicted"]) == (row["label"], row["predicted"])
        assert mistake["label"] != mistake["predicted"]
    badness = [abs(m["confidence"] if task != "regression" else m["error"]) for m in found["mistakes"]]
    assert badness == sorted(badness, reverse=True)
    for mistake in found["mistakes"][:24]:
        explanation, text = mistake["explanation"], texts[mistake["id"]]
        assert explanation["method"] == "occlusion"
        assert all(text[start:end].strip() == text[start:end] != "" for start, end, _ in explanation["spans"])
        wrong = set(mistake["label"].split("|")) ^ set(mistake["predicted"].split("|"))
        assert explanation["label"] in (wrong if task != "regression" else {None})
        given = explanation["label"] in mistake["predicted"].split("|") if task != "regression" else None
        assert explanation["given"] == given
    (row,) = found["faithfulness"]
    assert row["beats_random"] and row["shown"] and row["num_documents"] == 24
    assert found["left_out"] == []


def test_mistakes_are_counted_and_paired(run: Paths) -> None:
    found, task = read_json(run.diagnosis), task_of(run)
    answers = read_table(run.evaluation("test", "int8") / "predictions.parquet")
    if task == "regression":
        assert found["num_mistakes"] is None
        assert found["confusion_pairs"] == found["flips"] == []
        assert all(mistake["flipped_from"] == [] for mistake in found["mistakes"])
        return
    assert found["num_mistakes"] == (answers["label"] != answers["predicted"]).sum()
    confusion = pd.read_csv(run.evaluation("test", "int8") / "confusion.csv", keep_default_na=False)
    for pair in found["confusion_pairs"]:
        alike = (confusion["actual"] == pair["actual"]) & (confusion["predicted"] == pair["predicted"])
        assert pair["count"] == alike.sum() >= len(pair["ids"]) > 0
    assert [(flip["a"], flip["b"]) for flip in found["flips"]] == [("full", "int8"), ("baseline", "int8")]
    full = read_table(run.evaluation("test", "full") / "predictions.parquet")
    right = {name: (table["label"] == table["predicted"]) for name, table in (("full", full), ("int8", answers))}
    assert found["flips"][0]["num_broken"] == (right["full"] & ~right["int8"]).sum() > 0
    assert found["flips"][0]["num_mended"] == (right["int8"] & ~right["full"]).sum() > 0
    own = set(full["id"][right["full"]])
    assert all(("full" in mistake["flipped_from"]) == (mistake["id"] in own) for mistake in found["mistakes"])


def test_neighbours_are_train_documents_with_their_doubts(run: Paths) -> None:
    train = read_table(run.split("train")).set_index("id")
    doubted = set(read_table(run.label_issues)["id"])
    neighbours = [near for mistake in read_json(run.diagnosis)["mistakes"] for near in mistake["neighbours"]]
    assert len(neighbours) > 100
    assert all(train["label"][near["id"]] == near["label"] for near in neighbours)
    assert all((near["id"] in doubted) == near["doubted"] for near in neighbours)
    assert {True, False} == {near["doubted"] for near in neighbours}
    assert all(0 < near["similarity"] <= 1 for near in neighbours)


def test_it_is_logged_to_the_run_of_the_chosen_model(run: Paths) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{run.mlflow_database}")
    (logged,) = client.search_runs([tracking.connect(run, PROJECT)], "tags.`textmill.model` = 'int8'")
    assert "diagnosis.json" in {file.path for file in client.list_artifacts(logged.info.run_id)}


def test_no_word_is_told_where_texts_are_not_and_the_rest_is_the_same(run: Paths) -> None:
    with_words = read_json(run.diagnosis)
    assert all(with_words["words_per_class"].values())
    params = load_params(run.params)
    report = params.report.model_copy(update={"include_texts": False})
    diagnose.run(params.model_copy(update={"report": report}), run)
    without = read_json(run.diagnosis)
    assert without == {**with_words, "words_per_class": None}
    tables = [read_table(run.split(split)) for split in ("train", "test")]
    known = {
        *MODELS,
        task_of(run),
        "occlusion",
        *(value for table in tables for value in (*table["id"], *table["label"])),
    }
    known |= {label for joined in known for label in joined.split("|")} | {"(none)"}
    answers = read_table(run.evaluation("test", "int8") / "predictions.parquet")
    assert set(strings(without)) <= known | set(answers["predicted"])


def strings(value: Any) -> Iterator[str]:
    """Every text among the values of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def test_what_there_is_no_time_for_is_said(run: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    params = load_params(run.params)
    hurried = params.diagnose.model_copy(update={"max_seconds": 1e-9, "neighbours": 0})
    diagnose.run(params.model_copy(update={"diagnose": hurried}), run)
    found = read_json(run.diagnosis)
    assert found["left_out"][0] == "explanations of 24 of 24 mistakes"
    assert "no time for explanations of 24 of 24 mistakes" in capsys.readouterr().out
    assert found["faithfulness"] == []
    assert all(m["explanation"] is None and m["neighbours"] == [] for m in found["mistakes"])


def test_nothing_is_explained_where_nothing_is_asked(run: Paths) -> None:
    params = load_params(run.params)
    none = params.diagnose.model_copy(update={"documents": 0, "words_per_class": 0})
    diagnose.run(params.model_copy(update={"diagnose": none}), run)
    found = read_json(run.diagnosis)
    assert len(found["mistakes"]) == 50
    assert found["words_per_class"] is None
    assert found["left_out"] == found["faithfulness"] == []


def test_weights_are_those_of_the_nearest_model_that_has_them(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path)
    parents = {"full": "trained", "pruned": "full", "small": "pruned"}
    assert diagnose.find_weights("small", parents, paths) is None
    (paths.model("trained") / "torch").mkdir(parents=True)
    assert diagnose.find_weights("small", parents, paths) == ("trained", paths.model("trained") / "torch")
    (paths.model("pruned") / "torch").mkdir(parents=True)
    assert diagnose.find_weights("small", parents, paths) == ("pruned", paths.model("pruned") / "torch")
    assert diagnose.find_weights("baseline", parents, paths) is None
