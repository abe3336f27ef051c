"""The data stages on real texts with several labels a document, and with numbers."""

import re

import numpy as np
import pandas as pd
import pytest

from benchmarks.task_datasets import main, regression
from tests.corpora import bbc_news
from tests.stage.clean_tables import clean, write_raw
from tests.stage.stages import fail_stage, run_stages, write_params
from textmill.artifacts import read_json, read_table
from textmill.data.tokens import TokenArrays, read_meta
from textmill.paths import SPLITS, Paths

DATA_STAGES = ("ingest", "clean", "split", "validate", "tokenize")
NEWS = bbc_news()["text"][:8].tolist()


def prepare(folder, task, source, **changes):
    write_params(folder, source=source, where="null", labels="null", **changes)
    path = folder / "params.yaml"
    path.write_text(re.sub(r"^task: .*$", f"task: {task}", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    return Paths(folder, folder)


def run_all(paths, *stages):
    answer = run_stages(paths.root, *stages)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def topics(tmp_path_factory):
    """BBC articles labelled by what they mention, whatever their class; 140 of 600 mention nothing of it."""
    folder = tmp_path_factory.mktemp("topics")
    table = bbc_news()[:600]
    words = {"money": r"\b(?:money|bank|\$|£)", "people": r"\b(?:he|she) ", "Europe": r"\b(?:European?|EU)\b"}
    marks = pd.DataFrame({name: table["text"].str.contains(word, regex=True) for name, word in words.items()})
    labels = [" ; ".join(marks.columns[row]) for row in marks.to_numpy()]
    (folder / "data/inputs").mkdir(parents=True)
    pd.DataFrame({"text": table["text"], "label": labels}).to_csv(folder / "data/inputs/topics.csv", index=False)
    paths = prepare(folder, "multi_label", "data/inputs/topics.csv", label_separator='";"')
    return paths, run_all(paths, *DATA_STAGES)


def test_several_labels_go_through_all_stages(topics):
    paths, printed = topics
    summary, clean_table = read_json(paths.clean_summary), read_table(paths.clean_documents)
    assert set(summary["labels"]) == {"money", "people", "Europe"}
    assert summary["labels"]["Europe"] == clean_table["label"].str.contains("Europe").sum() > 20
    assert summary["unlabelled"] == (clean_table["label"] == "").sum() > 20
    assert summary["reasons"]["missing_label"] == 0
    assert f"in 3 classes, {summary['unlabelled']} in none" in printed
    for name in SPLITS:
        share = read_table(paths.split(name))["label"].str.contains("Europe").mean()
        assert share == pytest.approx(summary["labels"]["Europe"] / len(clean_table), abs=0.03)


def test_the_contract_and_the_tokens_of_several_labels(topics):
    paths, _ = topics
    report, profile = read_json(paths.validation_report), read_json(paths.profile)
    clean_table = read_table(paths.clean_documents)
    assert (report["passed"], report["task"], report["target"], report["left_out"]) == (True, "multi_label", None, [])
    assert any("a label's share in test" in row["description"] for row in report["expectations"])
    assert profile["documents"] == len(clean_table)
    assert profile["labels"]["money"] == pytest.approx(clean_table["label"].str.contains("money").mean(), abs=1e-6)
    meta, arrays = read_meta(paths.tokens), TokenArrays.open(paths.tokens, "validation")
    assert (meta["task"], meta["labels"], meta["target"]) == ("multi_label", ["Europe", "money", "people"], None)
    found = read_table(paths.split("validation"))["label"]
    assert arrays.labels.tolist() == [[float(name in label) for name in meta["labels"]] for label in found]


@pytest.fixture(scope="module")
def critics(tmp_path_factory):
    folder = tmp_path_factory.mktemp("critics")
    main(["regression", str(folder / "data/inputs/critics.parquet"), "--documents", "500"])
    paths = prepare(folder, "regression", "data/inputs/critics.parquet")
    return paths, run_all(paths, *DATA_STAGES)


def test_numbers_go_through_all_stages(critics):
    paths, printed = critics
    table = read_table(paths.clean_documents)
    assert set(table["label"]) == {"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}
    assert "documents kept with numbers from 0 to 1" in printed
    numbers = table["label"].astype(float)
    for name in SPLITS:
        assert read_table(paths.split(name))["label"].astype(float).mean() == pytest.approx(numbers.mean(), abs=0.02)
    report = read_json(paths.validation_report)
    assert report["passed"]
    assert (report["target"]["min"], report["target"]["max"]) == (0, 1)
    assert report["target"]["mean"] == pytest.approx(numbers.mean())
    assert "contract.classes" in report["left_out"]
    assert "validate: left out, since task: regression has no classes: contract.documents_per_class" in printed
    settings = {row["setting"] for row in report["expectations"]}
    assert settings.isdisjoint(report["left_out"])
    assert "contract.split_drift" in settings


def test_the_tokens_of_numbers(critics):
    paths, _ = critics
    meta, arrays = read_meta(paths.tokens), TokenArrays.open(paths.tokens, "train")
    train = read_table(paths.split("train"))["label"].astype(float)
    assert (meta["task"], meta["labels"]) == ("regression", [])
    assert meta["target"] == {"mean": pytest.approx(train.mean()), "std": pytest.approx(train.std(ddof=0))}
    assert arrays.labels.tolist() == np.float32(train).tolist()


def test_a_shift_of_the_target_breaches_the_reference(critics, tmp_path):
    from textmill.data.contract.reference import freeze_profile

    paths, _ = critics
    profile = read_json(paths.profile)
    lock = paths.contract_lock.read_text()
    freeze_profile(paths.contract_lock, profile)
    assert "expectations met" in run_all(paths, "validate")
    shares = {name: 1 - share if share < 0.5 else share for name, share in profile["labels"].items()}
    freeze_profile(paths.contract_lock, profile | {"labels": shares})
    message = fail_stage(paths.root, "validate")
    assert "Largest difference of a range of the target's share from the reference" in message
    paths.contract_lock.write_text(lock)


def test_the_datasets_are_made_the_same_each_time():
    table = regression()
    assert table.equals(regression())
    assert set(table["label"]) == {0, 0.2, 0.4, 0.6, 0.8, 1}
    assert len(table) == 1706


def as_task(paths, task):
    text = paths.params.read_text(encoding="utf-8")
    paths.params.write_text(re.sub(r"^task: .*$", f"task: {task}", text, flags=re.MULTILINE))
    return paths


def test_clean_finds_what_is_wrong_with_several_labels(tmp_path):
    rows = [("b, a", None), (None, None), ("a|b", "bar_in_label"), ("a,c", None), ("a", None), ("c", None)]
    labels = [label for label, _ in rows]
    paths = write_raw(tmp_path, {"text": NEWS[:6], "label": labels}, corrections=[(f"{5:016x}", "a", "c|b")])
    kept, gone, summary = clean(as_task(paths, "multi_label"))
    assert gone["reason"].to_dict() == {3: "bar_in_label"}
    assert kept["label"].to_dict() == {1: "a|b", 2: "", 4: "a|c", 5: "b|c", 6: "c"}
    assert summary["labels"] == {"a": 2, "b": 2, "c": 3}
    assert summary["corrections"] == [{"id": f"{5:016x}", "from": "a", "to": "b|c"}]


def test_clean_finds_what_is_wrong_with_numbers(tmp_path):
    labels = ["3", "three", None, "nan", "-1e2", "3.50", "3.5", "4"]
    texts = [*NEWS[:6], NEWS[5], NEWS[6]]
    kept, gone, summary = clean(as_task(write_raw(tmp_path, {"text": texts, "label": labels}), "regression"))
    assert gone["reason"].to_dict() == {2: "not_a_number", 3: "missing_label", 4: "not_a_number", 7: "duplicate"}
    assert kept["label"].to_dict() == {1: "3.0", 5: "-100.0", 6: "3.5", 8: "4.0"}
    assert (summary["reasons"]["not_a_number"], summary["target"]["min"]) == (2, -100)
