"""A planted fragile model shows its drop, a robust one none; figures are those of scikit-learn."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score

from tests.corpora import movie_reviews
from tests.tiny_bundle import tiny_bundle
from tests.tiny_case import make_case, settings
from textmill.evaluation import robustness, shift
from textmill.evaluation.answers import write_answers
from textmill.evaluation.case import Case
from textmill.evaluation.latency import predict_one_by_one
from textmill.evaluation.report import read_truth
from textmill.evaluation.robustness import examine, perturb
from textmill.evaluation.sampling import sample_documents
from textmill.runtime import Classifier
from textmill.tasks import split_labels

ALL = ["typos", "casing", "punctuation", "whitespace", "truncation", "word_order", "homoglyphs", "negation"]
TASKS = ("single_label", "multi_label", "regression")


@pytest.fixture(scope="module", params=TASKS)
def case(request, tmp_path_factory) -> Case:
    folder, noise = tmp_path_factory.mktemp("case"), 0.0 if request.param == "regression" else 0.3
    return make_case(folder, task=request.param, noise=noise, robustness={"documents": 150})


def read_case_of_letters(case: Case, folder: Path) -> Case:
    """The same model with a tokenizer that no longer lowers capitals: all its words are small."""
    for source in case.bundle.iterdir():
        (folder / source.name).write_bytes(source.read_bytes())
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"] = None
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    classifier = Classifier.load(folder, threads=1, verify=False)
    outputs, _ = predict_one_by_one(classifier, case.documents["text"].tolist())
    return replace(case, classifier=classifier, outputs=outputs, bundle=folder)


def rows_of(case: Case) -> dict[str, dict]:
    findings = examine(case)
    assert findings is not None
    return {row["perturbation"]: row for row in findings.details["rows"]}


def test_a_model_that_reads_no_capitals_is_found(case, tmp_path):
    robust, fragile = rows_of(case)["casing"], rows_of(read_case_of_letters(case, tmp_path))["casing"]
    assert robust["num_changed"] == fragile["num_changed"] == 150, "the reviews have small letters only"
    assert robust["drop"] == 0
    assert robust["drop_low"] < 0 < robust["drop_high"] < 0.03, "150 documents may hide some"
    assert fragile["drop"] > 0.1
    assert 0.03 < fragile["drop_low"] < fragile["drop"] < fragile["drop_high"]
    if case.classifier.task != "regression":
        assert robust["flips"] == 0
        assert fragile["flips"] > 30


def test_scores_are_those_of_scikit_learn(case):
    documents = case.documents.iloc[sample_documents(case, 150)]
    for name, row in rows_of(case).items():
        texts = perturb(name, documents, case.settings.seed)
        assert row["num_changed"] == sum(a != b for a, b in zip(texts, documents["text"], strict=True))
        spoilt, _ = predict_one_by_one(case.classifier, texts)
        before, _ = predict_one_by_one(case.classifier, documents["text"].tolist())
        assert row["score"] == pytest.approx(score(case, documents["label"], spoilt))
        assert row["score_before"] == pytest.approx(score(case, documents["label"], before))
        assert row["drop"] == pytest.approx(row["score_before"] - row["score"])
        assert row["drop_low"] <= row["drop"] <= row["drop_high"]
        if case.classifier.task != "regression":
            answers = [write_answers(case.classifier, outputs) for outputs in (before, spoilt)]
            assert row["flips"] == (answers[0] != answers[1]).sum()


def score(case: Case, labels, outputs) -> float:
    answers = write_answers(case.classifier, outputs)
    if case.classifier.task == "regression":
        return r2_score(labels.astype(float), answers.astype(float))
    if case.classifier.task == "single_label":
        return f1_score(labels, answers, average="macro")
    hot = [
        [[name in split_labels(joined) for name in case.classifier.labels] for joined in column]
        for column in (labels, answers)
    ]
    return f1_score(np.array(hot[0]), np.array(hot[1]), average="macro")


def test_the_metric_is_the_largest_drop_of_what_should_not_matter(case):
    findings = examine(case)
    drops = [row["drop"] for row in findings.details["rows"] if row["expects"] == "same"]
    assert findings.metrics == {"robustness_drop": max(drops)}
    assert {row["perturbation"] for row in findings.details["rows"] if row["expects"] == "may change"} == {
        "truncation",
        "word_order",
        "negation",
    }
    assert [row["perturbation"] for row in findings.details["rows"]] == ALL
    assert json.loads(json.dumps(findings.details, allow_nan=False)) == findings.details
    assert examine(case) == findings, "seeded"


def test_a_document_is_spoilt_alike_in_any_company(case):
    few, many = case.documents.iloc[[7, 3]], case.documents.iloc[:50]
    for name in ALL:
        spoilt = perturb(name, many, 1)
        assert perturb(name, few, 1) == [spoilt[7], spoilt[3]]
    assert perturb("typos", many, 1) != perturb("typos", many, 2)


def test_nothing_to_do(case):
    assert (
        examine(replace(case, settings=replace(case.settings, robustness={"documents": 0, "perturbations": ALL})))
        is None
    )
    assert (
        examine(replace(case, settings=replace(case.settings, robustness={"documents": 9, "perturbations": []})))
        is None
    )
    none_said = {"documents": 9, "perturbations": ["negation"]}
    assert examine(replace(case, settings=replace(case.settings, robustness=none_said))).metrics == {}


def test_what_nothing_changes_is_not_run(case, monkeypatch):
    """Documents without an auxiliary verb cost nothing under negation."""
    monkeypatch.setattr(robustness, "answer_each", None)
    mute = replace(case, documents=case.documents.assign(text="no verbs here"))
    few = replace(case.settings, robustness={"documents": 20, "perturbations": ["negation"]})
    (row,) = examine(replace(mute, settings=few)).details["rows"]
    assert row["num_changed"] == 0 and row["drop"] == 0


@pytest.mark.parametrize("num_documents", [1, 2, 30])
def test_few_documents_give_wide_intervals(case, num_documents):
    few = slice(num_documents)
    case = replace(case, documents=case.documents[few], truth=case.truth[few], outputs=case.outputs[few])
    for row in rows_of(case).values():
        assert row["drop_low"] <= row["drop"] <= row["drop_high"]
        assert row["drop_high"] - row["drop_low"] > 2 * (1 - 0.025 ** (1 / num_documents)) - 1e-9
    assert json.dumps(examine(case).details, allow_nan=False)


def test_52_classes(tmp_path):
    """More than two documents of each cannot be had of 150: labels that are not drawn are not judged."""
    documents = movie_reviews().assign(label=[f"c{i % 52:02}" for i in range(len(movie_reviews()))])
    tiny_bundle(tmp_path / "bundle", documents[:1000])
    classifier, test = Classifier.load(tmp_path / "bundle", threads=1), documents[3000:3300].reset_index(drop=True)
    outputs, _ = predict_one_by_one(classifier, test["text"].tolist())
    truth, given = read_truth(classifier, test), settings(robustness={"documents": 150})
    case = Case("test", classifier, test, truth, outputs, tmp_path / "bundle", given, None)
    assert test["label"].iloc[sample_documents(case, 150)].value_counts().between(2, 3).all()
    assert all(np.isfinite(row["drop_low"]) for row in rows_of(case).values())
    assert shift.examine(case) is not None


@pytest.mark.parametrize("num_documents", [1, 7, 150, 299, 300, 1000])
def test_every_label_has_its_share_of_the_sample(case, num_documents):
    sample_n = sample_documents(case, num_documents)
    assert len(sample_n) == len(set(sample_n.tolist())) == min(num_documents, 300)
    assert sample_n.tolist() == sorted(sample_n.tolist()) == sample_documents(case, num_documents).tolist()
    counts, taken = case.documents["label"].value_counts(), case.documents["label"].iloc[sample_n].value_counts()
    for label, count in counts.items():
        assert abs(taken.get(label, 0) - count * len(sample_n) / 300) <= 1
