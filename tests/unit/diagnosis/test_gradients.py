"""Integrated gradients: complete, exact for a linear model, and about the words that the served model reads."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tiny_model import HYPER, SETTINGS, outspoken, tiny_model, tiny_transformer, write_tokens
from textmill.artifacts import read_json
from textmill.compression.recipes import run_recipe
from textmill.compression.recovery import Recovery
from textmill.diagnosis.explanation import explain_documents, judge, methods_for, tell
from textmill.diagnosis.gradients import IntegratedGradients
from textmill.diagnosis.report import Material, Settings, diagnose
from textmill.diagnosis.served import Decision, Served
from textmill.models.ensemble import Ensemble
from textmill.models.folder import save_model
from textmill.training.dataset import TrainingData

TEXT = "w10 w13 w21, w30 w44 w12"
LONG = " ".join(f"w{number}" for number in range(6, 46))
WINDOWS = {"strategy": "windows", "head_share": 0.25, "overlap": 4, "max_windows": 5}
MASK = 4


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """Documents are read in windows of 16 tokens."""
    folder = write_tokens(tmp_path_factory.mktemp("tokens"), num_train=32, num_validation=16)
    meta = read_json(folder / "tokens.json") | {"long_documents": WINDOWS, "max_length": 16}
    (folder / "tokens.json").write_text(json.dumps(meta))
    return folder


@pytest.fixture(scope="module")
def exported(tokens, tmp_path_factory):
    """A BERT with outspoken weights as torch/ and, by the real export, as bundle/."""
    root = tmp_path_factory.mktemp("models")
    model = outspoken(tiny_transformer(num_layers=2))
    with torch.no_grad():
        model.head.weight.mul_(30.0)
    save_model(root / "trained/torch", model, {"hyperparameters": {}})
    recovery = Recovery(TrainingData.open(tokens), SETTINGS, HYPER, root / "checkpoints")
    run_recipe([], root / "trained", root / "full", recovery, {"key": "k"})
    return root / "full"


def changed(bundle, folder, **manifest):
    """A copy of a bundle that says otherwise."""
    shutil.copytree(bundle, folder)
    (folder / "bundle.json").write_text(json.dumps(read_json(bundle / "bundle.json") | manifest))
    return folder


@pytest.mark.parametrize("text", [TEXT, LONG], ids=["one window", "several windows"])
def test_weights_sum_to_the_difference_that_the_words_make(exported, text):
    served = Served(exported / "bundle")
    method = IntegratedGradients(exported / "torch", "gradients", served, num_steps=200)
    reading = served.reader.read(text)
    for output in (0, 1):
        decision = Decision(output, 1)
        masked, whole = method.ends(reading, decision)
        found = method.attribute(reading, decision)
        assert found.weights_G.sum() == pytest.approx(whole - masked, rel=0.02)
        assert abs(whole - masked) > 0.05
        assert whole == pytest.approx(served.evidence([reading.windows])[0, output], abs=1e-3)
    assert len(reading.windows) == (1 if text == TEXT else 4)


@pytest.mark.parametrize("name", ["lstm", "text_cnn", "bag_of_embeddings"])
def test_every_family_is_complete(name, tokens, exported, tmp_path):
    save_model(tmp_path / "torch", outspoken(tiny_model(name, tokens)), {"hyperparameters": {}})
    served = Served(exported / "bundle")
    method = IntegratedGradients(tmp_path / "torch", "gradients", served, num_steps=300)
    reading = served.reader.read(LONG)
    masked, whole = method.ends(reading, Decision(1, 1))
    tolerance = 0.02 * max(1.0, abs(whole - masked))  # ReLU and the maximum bend the way
    assert method.attribute(reading, Decision(1, 1)).weights_G.sum() == pytest.approx(whole - masked, abs=tolerance)


def test_an_ensemble_is_complete_over_the_embeddings_of_all(tokens, exported, tmp_path):
    members = [outspoken(tiny_model("bag_of_embeddings", tokens)) for _ in range(2)]
    with torch.no_grad():
        members[1].embeddings.weight.mul_(-2.0)
    save_model(tmp_path / "torch", Ensemble(members), {"hyperparameters": {}})
    served = Served(exported / "bundle")
    method = IntegratedGradients(tmp_path / "torch", "gradients", served)
    reading = served.reader.read(TEXT)
    masked, whole = method.ends(reading, Decision(0, 1))
    assert method.attribute(reading, Decision(0, 1)).weights_G.sum() == pytest.approx(whole - masked, abs=1e-3)


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
def test_of_a_linear_model_they_are_exact(task, tokens, exported, tmp_path):
    """Mean of embeddings and a linear head: (embedding of the word - that of the mask) * weight / tokens."""
    model = outspoken(tiny_model("bag_of_embeddings", tokens, num_labels=1 if task == "regression" else 2))
    save_model(tmp_path / "torch", model, {"hyperparameters": {}})
    said = {
        "single_label": {"temperature": 2.0},
        "multi_label": {"task": task, "thresholds": [0.5, 0.5], "temperature": 2.0},
        "regression": {"task": task, "labels": [], "target": {"mean": 50.0, "std": 4.0}},
    }[task]
    served = Served(changed(exported / "bundle", tmp_path / "bundle", **said))
    reading = served.reader.read(TEXT)
    found = IntegratedGradients(tmp_path / "torch", "gradients", served).attribute(reading, Decision(0, -1))
    head = model.head.weight.detach()
    direction = {"single_label": (head[0] - head[-1]) / 2, "multi_label": head[0] / 2, "regression": head[0] * 4}[task]
    embeddings = model.embeddings.weight.detach()
    ids = reading.windows[0]
    expected_T = ((embeddings[ids] - embeddings[MASK]) @ direction / len(ids)).numpy()
    np.testing.assert_allclose(found.weights_G, expected_T[reading.words[0] >= 0], atol=1e-5)


def test_steps_in_parts_give_the_same(exported, monkeypatch):
    served = Served(exported / "bundle")
    method = IntegratedGradients(exported / "torch", "gradients", served)
    reading = served.reader.read(LONG)
    at_once = method.attribute(reading, Decision(1, 1)).weights_G
    monkeypatch.setattr("textmill.diagnosis.gradients._MOST_TOKENS", 100)
    np.testing.assert_allclose(method.attribute(reading, Decision(1, 1)).weights_G, at_once, atol=1e-4)


def test_documents_are_explained_by_the_method_that_the_deletion_test_prefers(exported):
    served = Served(exported / "bundle")
    methods = methods_for(served, "int8", ("full", exported / "torch"))
    assert [method.name for method in methods] == ["occlusion", "integrated gradients of full"]
    texts = [TEXT, "...", LONG]
    windows = [served.reader.read(text).windows for text in texts]
    decisions = [Decision(int(row.argmax()), 1) for row in served.evidence(windows)]
    explained = explain_documents(served, methods, texts, decisions, seed=0)
    rows = judge(methods, explained, confidence=0.95, num_resamples=200, seed=0)
    assert [row["num_documents"] for row in rows] == [2, 2]
    (shown,) = (row for row in rows if row["shown"])
    assert shown["auc"] == min(row["auc"] for row in rows)
    told = [tell(document, rows, served.classifier.labels) for document in explained]
    assert told[1] is None
    for text, decision, explanation in zip(texts, decisions, told, strict=True):
        if explanation:
            assert explanation["method"] == shown["method"]
            assert explanation["label"] == served.classifier.labels[decision.output]
            assert all(0 <= start < end <= len(text) for start, end, _ in explanation["spans"])
    assert judge(methods, [None], confidence=0.95, num_resamples=200, seed=0) == []


def test_the_weights_of_a_parent_explain_a_variant(exported):
    """The whole diagnosis of a transformer by its real export."""
    texts = [f"w{10 + i % 2} w{12 + i % 30} w{13 + i % 25}" for i in range(40)]
    table = pd.DataFrame({"id": [f"d{i}" for i in range(40)], "text": texts})
    served = Served(exported / "bundle")
    outputs = served.classifier.predict_proba(texts, 1)
    table["predicted"] = [served.classifier.labels[i] for i in outputs.argmax(axis=1)]
    table["label"] = [served.classifier.labels[1 - i] for i in outputs.argmax(axis=1)]
    answers = table.assign(p0=outputs[:, 0], p1=outputs[:, 1])
    given = Material(
        chosen="int8",
        bundle=exported / "bundle",
        weights=("full", exported / "torch"),
        answers={"full": answers, "int8": answers, "baseline": answers},
        baseline="baseline",
        baseline_labels=served.classifier.labels,
        parents={"full": "trained", "int8": "full"},
        test=table,
        train=[table],
        doubted_train=set(),
    )
    settings = Settings(
        documents=4, neighbours=1, words_per_class=3, max_seconds=60.0, confidence=0.9, num_resamples=100, seed=0
    )
    found = diagnose(given, settings)
    methods = ["occlusion", "integrated gradients of full"]
    assert [row["method"] for row in found["faithfulness"]] == methods
    assert all(row["num_documents"] == 4 for row in found["faithfulness"])
    assert [mistake["explanation"] is not None for mistake in found["mistakes"][:5]] == [True] * 4 + [False]
    assert {mistake["explanation"]["method"] for mistake in found["mistakes"][:4]} <= set(methods)
    assert len(found["mistakes"]) == found["num_mistakes"] == 40
