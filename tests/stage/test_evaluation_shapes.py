"""Evaluation, comparison, diagnosis, page and card of 52 classes, of two, and of a test split of 30 documents.

52 classes are made of the five of BBC News by a rule: the texts of a class, in the order of their length, are cut into
parts of equally many documents, 11 parts of the two largest classes (sports, business) and 10 of each other.
"""

import json
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

from pipeline import compare, diagnose, register
from tests.corpora import bbc_news, movie_reviews
from tests.tiny_reports import write_data_reports, write_model_reports
from tests.tiny_run import MODELS, tiny_run
from textmill.artifacts import read_json
from textmill.config import load_params
from textmill.paths import Paths
from textmill.reporting.card import render_card
from textmill.reporting.facts import gather
from textmill.reporting.page import render_page

NUM_TRAIN = 1500
SHAPES = {  # documents, classes, test documents
    "two-classes": (movie_reviews, 2, 200),
    "two-classes-30": (movie_reviews, 2, 30),
    "five-classes-30": (bbc_news, 5, 30),
    "52-classes": (lambda: by_length(bbc_news()), 52, 500),
    "52-classes-30": (lambda: by_length(bbc_news()), 52, 30),
}


def by_length(documents: pd.DataFrame) -> pd.DataFrame:
    """Labels such as `sports 03`, see above."""
    parts = pd.Series(np.where(documents["label"].isin(["sports", "business"]), 11, 10), documents.index)
    rank = documents["text"].str.len().groupby(documents["label"]).rank(method="first", pct=True)
    part = np.ceil(rank * parts).astype(int)
    return documents.assign(label=documents["label"] + " " + part.astype(str).str.zfill(2))


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Paths]:
    """A finished and registered run of a shape, made once."""

    @cache
    def make(shape: str) -> Paths:
        documents, _, num_test = SHAPES[shape]
        table = documents()
        splits = table[:NUM_TRAIN], table[NUM_TRAIN : NUM_TRAIN + num_test].reset_index(drop=True)
        paths = tiny_run(tmp_path_factory.mktemp(shape), splits=splits, noise=0.2, gate__min_quality=0.0, examined=True)
        params = load_params(paths.params)
        write_data_reports(paths)
        write_model_reports(paths)
        for stage in (compare, diagnose, register):
            stage.run(params, paths)
        return paths

    return make


@pytest.fixture(params=[pytest.param(name, marks=[] if name.endswith("-30") else pytest.mark.slow) for name in SHAPES])
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_rule_makes_52_classes() -> None:
    counts = by_length(bbc_news())["label"].value_counts()
    assert len(counts) == 52
    assert counts.min() >= 30
    assert counts.max() - counts.min() <= 20


def test_all_figures_are_numbers_within_their_intervals(run_of: Callable[[str], Paths], shape: str) -> None:
    run, (_, num_classes, num_test) = run_of(shape), SHAPES[shape]
    for name in MODELS:
        metrics = read_json(run.evaluation("test", name) / "metrics.json")
        assert metrics["num_documents"] == num_test
        assert all(np.isfinite(value) for value in metrics.values()), metrics
        report = read_json(run.evaluation("test", name) / "report.json")
        json.dumps(report, allow_nan=False)
        assert len(report["labels"]) == len(report["per_class"]) == num_classes
        for figure, interval in report["intervals"].items():
            assert interval["low"] <= interval["high"], figure
        assert metrics["score_low"] <= metrics["score"] <= metrics["score_high"]


def test_few_documents_make_wide_intervals(run_of: Callable[[str], Paths]) -> None:
    run = run_of("five-classes-30")
    metrics = read_json(run.evaluation("test", "full") / "metrics.json")
    assert metrics["accuracy_high"] - metrics["accuracy_low"] > 0.1
    pairs = read_json(run.comparison)["pairs"]
    assert max(pair["high"] - pair["low"] for pair in pairs) > 0.1
    warnings = read_json(run.registration)["gate"]["rules"]
    assert warnings, "the gate says what it asked"


def test_page_and_card_tell_of_it(run_of: Callable[[str], Paths], shape: str) -> None:
    run, (_, num_classes, num_test) = run_of(shape), SHAPES[shape]
    params = load_params(run.params)
    facts = gather(params, run)
    page, card = render_page(facts, run), render_card(facts, run)
    assert len(page.encode()) < 5_000_000
    assert f"{num_test} test" in card
    labels = read_json(run.evaluation("test", "int8") / "report.json")["labels"]
    assert len(labels) == num_classes
    for label in labels:
        assert label in page
        assert f"| {label} | " in card
