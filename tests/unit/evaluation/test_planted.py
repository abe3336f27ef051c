"""What is planted in real documents and a real model is found: a weak slice, unfairness, a shortcut."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.corpora import movie_reviews
from tests.group_case import bundle_case
from tests.page_text import page_of, reported_run, section
from textmill.artifacts import read_json, write_json
from textmill.baseline.family import write_baseline_bundle
from textmill.data.contract.shortcuts import find_word_shortcuts
from textmill.evaluation import fairness, slices, weak_slices
from textmill.evaluation.case import Case

SETTINGS = {
    "max_ngram": 1,
    "max_features": 20000,
    "character_ngrams": None,
    "max_character_features": 0,
    "regularisation": 10.0,
}
NUM_TEST = 1500


def fit(folder: Path, documents: pd.DataFrame) -> Path:
    """The pipeline's own baseline on 3,000 reviews."""
    train, validation = documents[:2500], documents[2500:3000]
    write_baseline_bundle(
        folder, train, validation, SETTINGS, "single_label", {"key": "0" * 64}, parent=None, recipe=[]
    )
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return fit(tmp_path_factory.mktemp("honest") / "bundle", movie_reviews())


def case_of(model: Path, documents: pd.DataFrame | None = None, **columns: Any) -> Case:
    documents = movie_reviews() if documents is None else documents
    test = documents[3000 : 3000 + NUM_TEST].reset_index(drop=True)
    test = test.assign(**{f"slice_{name}": values for name, values in columns.items()})
    return bundle_case(model, test, slices={"sensitive": list(columns)})


def spoil(case: Case, chosen_N: np.ndarray) -> Case:
    """Answer some documents with the other label."""
    outputs = case.outputs.copy()
    outputs[chosen_N] = outputs[chosen_N, ::-1]
    return replace(case, outputs=outputs)


def weak_rows(case: Case) -> list[list[tuple[str, str]]]:
    rows = weak_slices.examine(case).details["rows"]
    return [[(condition["feature"], condition["value"]) for condition in row["conditions"]] for row in rows]


def weak_values(case: Case) -> set[tuple[str, str]]:
    return {(row["column"], row["value"]) for row in slices.examine(case).details["rows"] if row["weak"]}


def sources() -> np.ndarray:
    return np.random.default_rng(0).choice(["press", "radio", "blog"], NUM_TEST, p=[0.6, 0.3, 0.1])


def test_the_model_is_honest(model):
    case = case_of(model, source=sources())
    assert (case.outputs.argmax(axis=1) == case.truth).mean() > 0.7
    assert not {column for column, _ in weak_values(case)} & {"source", "length"}
    assert not weak_rows(case)


def test_a_word_whose_documents_are_answered_wrongly_is_found(model):
    case = case_of(model)
    has_word = case.documents["text"].str.contains(r"\bcomedy\b").to_numpy()
    rows = weak_rows(spoil(case, has_word))
    assert 40 < has_word.sum() < 150
    assert rows[0] == [("word", "comedy")]


def test_a_source_that_is_answered_wrongly_is_found(model):
    case = case_of(model, source=sources())
    spoilt = spoil(case, case.documents["slice_source"].to_numpy() == "blog")
    assert {pair for pair in weak_values(spoilt) if pair[0] != "label"} == {("source", "blog")}
    assert weak_rows(spoilt)[0] == [("source", "blog")]


def test_what_is_wrong_only_where_two_conditions_meet_is_found_as_a_pair(model):
    days = np.array(["monday", "friday", "sunday"])[np.arange(NUM_TEST) % 3]
    case = case_of(model, source=sources(), day=days)
    columns = case.documents
    both = ((columns["slice_source"] == "radio") & (columns["slice_day"] == "sunday")).to_numpy()
    spoilt = spoil(case, both)
    assert weak_rows(spoilt)[0] == [("source", "radio"), ("day", "sunday")]
    assert weak_slices.examine(spoilt).details["rows"][0]["num_documents"] == both.sum()


def test_a_group_that_is_denied_a_label_is_found(model):
    """Of every second positive answer to women's reviews the model makes a negative one."""
    groups = np.where(np.arange(NUM_TEST) % 3 == 0, "women", "men")
    case = case_of(model, group=groups)
    positive = case.outputs.argmax(axis=1) == case.classifier.labels.index("positive")
    denied = positive & (groups == "women") & (np.random.default_rng(0).random(NUM_TEST) < 0.5)
    for spoilt, is_unfair in ((case, False), (spoil(case, denied), True)):
        found = fairness.examine(spoilt).details["group"]
        for name in ("demographic_parity_difference", "equalized_odds_difference"):
            (row,) = [row for row in found["differences"] if (row["name"], row["label"]) == (name, "positive")]
            assert (row["value"] > row["chance"]) is is_unfair
            assert (row["low"] > 0.1) is is_unfair
            if is_unfair:
                assert (row["highest"], row["lowest"]) == ("men", "women")
    rates = {group["value"]: group["selection_rates"]["positive"] for group in found["groups"]}
    assert rates["women"] == pytest.approx(rates["men"] / 2, abs=0.06)


@pytest.mark.slow
def test_what_is_found_is_shown(model, tmp_path):
    """On the page of a run, in place of what was found in its own chosen model."""
    run = reported_run(tmp_path, label="positive", found="film")
    case = case_of(model, source=sources())
    spoilt = spoil(case, case.documents["slice_source"].to_numpy() == "blog")
    path = run.evaluation("test", "int8") / "report.json"
    parts = {"slices": slices, "weak_slices": weak_slices, "fairness": fairness}
    write_json(path, read_json(path) | {name: part.examine(spoilt).details for name, part in parts.items()})
    told = section(page_of(run), "slices")
    assert re.search(r"source blog \d+ macro-F1 0\.\d+ .*? < 0.001 weak label negative", told)
    assert re.search(r"Documents with .*? source blog 148 \d+ 7\d\.\d", told)
    assert re.search(r"Difference of accuracy the largest radio and blog 0\.44", told)


def with_tags(documents: pd.DataFrame, tags: dict[str, str], tagged: np.ndarray) -> pd.DataFrame:
    """Begin the tagged documents with the tag of their label."""
    starts = documents["label"].map(tags).fillna("").where(pd.Series(tagged, documents.index), "")
    return documents.assign(text=(starts + " " + documents["text"]).str.strip())


def test_a_tag_that_gives_the_label_away_is_found_where_it_is_absent(tmp_path):
    """Every positive review of train has the agency's tag; the web's reviews have none, and the model is lost."""
    source = np.array(["agency"] * 3000 + [*sources()] + ["agency"] * 5000)[: len(movie_reviews())]
    documents = with_tags(movie_reviews(), {"positive": "newswire"}, source != "radio")
    (shortcut, *_) = find_word_shortcuts(documents["text"][:2500].tolist(), documents["label"][:2500].tolist())
    assert (shortcut.words, shortcut.label) == ("newswire", "positive")
    case = case_of(fit(tmp_path / "bundle", documents), documents, source=source[3000 : 3000 + NUM_TEST])
    right = case.outputs.argmax(axis=1) == case.truth
    of_radio = case.documents["slice_source"].to_numpy() == "radio"
    assert right[~of_radio].mean() > 0.98
    assert right[of_radio].mean() < 0.7
    assert ("source", "radio") in weak_values(case)
    assert ("source", "radio") in weak_rows(case)[0]


def test_a_shortcut_is_found_without_a_column_that_tells_of_it(tmp_path):
    """Each label has a tag in train; a quarter of test has neither."""
    rng = np.random.default_rng(1)
    tagged = (np.arange(len(movie_reviews())) < 3000) | (rng.random(len(movie_reviews())) < 0.75)
    documents = with_tags(movie_reviews(), {"positive": "newswire", "negative": "telegraph"}, tagged)
    case = case_of(fit(tmp_path / "bundle", documents), documents)
    right = case.outputs.argmax(axis=1) == case.truth
    without = ~tagged[3000 : 3000 + NUM_TEST]
    assert right[~without].mean() > 0.98 > 0.8 > right[without].mean()
    assert weak_rows(case)[0] == [("word", "without newswire"), ("word", "without telegraph")]
