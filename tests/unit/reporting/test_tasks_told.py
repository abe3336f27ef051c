"""The page, the card and the summary of every task, and of what only some runs have."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from ruamel.yaml import YAML

from tests.page_text import Tags, facts_of, reported_run, section
from textmill.artifacts import read_json, write_json
from textmill.paths import Paths
from textmill.reporting.card import render_card
from textmill.reporting.page import render_page
from textmill.reporting.summary import show
from textmill.reporting.templating import say_number

TASKS = ("single_label", "multi_label", "regression")
SKIPPED = {"pruned": "prune needs the attention heads of a transformer, and lstm has none"}


@pytest.fixture(scope="module", params=TASKS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A finished run with a recipe that was skipped."""
    root: Path = tmp_path_factory.mktemp("run")
    return reported_run(root, request.param, skipped=SKIPPED)


def rerun(run: Paths) -> tuple[str, str, str]:
    """Page, card and summary of a run."""
    facts = facts_of(run, task=task_of(run), **recipes(run))
    console = Console(record=True, width=160, file=io.StringIO())
    show(facts.params, run, console=console)
    return render_page(facts, run), render_card(facts, run), console.export_text()


def task_of(run: Paths) -> str:
    return str(read_json(run.evaluation("test", "int8") / "report.json")["task"])


def recipes(run: Paths) -> dict[str, object]:
    made = YAML(typ="safe").load(run.params)["compress"]["recipes"]
    return {"compress__recipes": {**made, **{name: {"from": "full", "steps": []} for name in SKIPPED}}}


def test_all_three_tell_the_score_by_its_name(run: Paths) -> None:
    page, card, summary = rerun(run)
    name = "R²" if task_of(run) == "regression" else "macro-F1"
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    for text in (page, card, summary):
        assert name in text
        assert f"{metrics['score']:.3f}" in text
        assert ("macro-F1" in text) == (name == "macro-F1")
    assert Tags(page).open == []


def test_skipped_recipes_are_told_with_their_reasons(run: Paths) -> None:
    page, card, summary = rerun(run)
    for part in (section(page, "quality"), section(page, "compression"), card, " ".join(summary.split())):
        assert "pruned" in part
        assert SKIPPED["pruned"] in part


def test_the_quality_section_has_the_figures_of_the_task(run: Paths) -> None:
    page = rerun(run)[0]
    quality = section(page, "quality")
    told = {
        "single_label": ("Accuracy", "By class", "Confusion"),
        "multi_label": ("Micro-F1", "All labels right", "By label", "Threshold"),
        "regression": ("RMSE", "Mean absolute error", "Rank correlation", "How far off"),
    }
    task = task_of(run)
    for part in told[task]:
        assert part in quality, part
    for other in set(TASKS) - {task}:
        assert not all(part in quality for part in told[other])
    # Thresholds are tuned on validation, and only there.
    assert ("Figures on validation are therefore a little better" in quality) == (task == "multi_label")
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    for key in ("f1_micro", "subset_accuracy", "rmse", "mae", "spearman", "ece"):
        assert key not in metrics or f"{metrics[key]:.3f}" in quality, key
    per_class = read_json(run.evaluation("test", "int8") / "report.json").get("per_class", {})
    for label, row in per_class.items():
        told = [f"{row[key]:.3f} {row[f'{key}_low']:.3f} - {row[f'{key}_high']:.3f}" for key in ("precision", "recall")]
        assert f"{label} {' '.join(told)} {row['f1']:.3f}" in quality
        assert f"{row['support']}" in quality
    calibration = section(page, "calibration")
    expected = "Predicted against actual" if task == "regression" else "Expected calibration error"
    assert expected in calibration
    assert ("leave the answer to a person" in calibration) == (task == "single_label")


def test_the_worst_mistakes_are_shown_with_their_answers(run: Paths) -> None:
    page = rerun(run)[0]
    texts, mistakes = section(page, "errors"), read_json(run.diagnosis)["mistakes"]
    documents = pd.read_parquet(run.split("test")).set_index("id")["text"]
    assert len(mistakes) > 1
    for row in mistakes:
        assert " ".join(documents[row["id"]].split())[:3] in texts
        if task_of(run) == "regression":
            assert f"off by {say_number(abs(row['error']))}" in texts
            assert f"predicted {say_number(float(row['predicted']))}" in texts
    assert ("Largest errors of int8" in texts) == (task_of(run) == "regression")
    assert ("Most confident mistakes of int8" in texts) == (task_of(run) != "regression")
    assert "|" not in texts


def test_the_header_of_the_card_has_the_figures_of_the_task(run: Paths) -> None:
    _, header, _ = rerun(run)[1].split("---\n", 2)
    values = YAML(typ="safe").load(header)
    (result,) = values["model-index"][0]["results"]
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    measured = {row["name"]: row["value"] for row in result["metrics"]}
    expected = {
        "single_label": {"Macro F1": metrics.get("f1_macro"), "Accuracy": metrics.get("accuracy")},
        "multi_label": {"Macro F1": metrics.get("f1_macro"), "Micro F1": metrics.get("f1_micro")},
        "regression": {
            "R squared": metrics.get("r2"),
            "Mean squared error": metrics.get("rmse", 0) ** 2,
            "Mean absolute error": metrics.get("mae"),
        },
    }
    assert measured == pytest.approx(expected[task_of(run)], abs=1e-4)


def test_numbers_and_labels_of_the_data_are_told(run: Paths) -> None:
    page, card, _ = rerun(run)
    data, task = section(page, "data"), task_of(run)
    if task == "regression":
        assert "with numbers from 40 to 80, 55.5 on average" in data
        assert "The numbers to be predicted lie between 40 and 80" in card
        assert "Documents kept" not in card
    elif task == "multi_label":
        assert "with any of 2 labels, 123 without one" in data
        assert "| (none) | 123 |" in card
        assert "Labels and splits" in data
    else:
        assert "of 2 classes" in data
    assert "classes" not in data or task == "single_label"


def test_pretraining_seeds_and_folds_are_told_where_they_are(run: Paths) -> None:
    page, card, _ = rerun(run)
    for part in ("perplexity", "Several seeds", "Cross-validation"):
        assert part not in section(page, "training")
    extra = {
        run.pretrained / "pretrained.json": {
            "objective": "mlm",
            "perplexity_before": 412.34,
            "perplexity": 17.26,
            "num_tokens": 1234567,
        },
        run.model("trained") / "seeds.json": {
            "seeds": [{"seed": 42, "score": 0.811}, {"seed": 43, "score": 0.823}],
            "mean": 0.817,
            "std": 0.0085,
            "ensemble": True,
            "score": 0.83,
        },
        run.crossvalidation: {"enabled": True, "scores": [0.79, 0.8, 0.81], "mean": 0.8, "std": 0.01},
    }
    try:
        for file, content in extra.items():
            write_json(file, content)
        page, card, summary = rerun(run)
    finally:
        for file in extra:
            file.unlink()
    training = section(page, "training")
    assert "learned from 1,234,567 tokens of text by masked language modelling" in training
    assert "fell from 412.3 to 17.3" in training
    assert "42 0.811 43 0.823 Mean and standard deviation 0.817 ± 0.0085" in training
    assert "Together they are the model that was compressed" in training
    assert "1 0.790 2 0.800 3 0.810 Mean and standard deviation 0.800 ± 0.010" in training
    name = "R²" if task_of(run) == "regression" else "macro-F1"
    assert f"Several seeds: {name} on validation 0.817 ± 0.0085, 2 trainings." in card
    assert f"Cross-validation: {name} on the fold 0.800 ± 0.010, 3 trainings." in card
    assert f"several seeds {name} on validation 0.817 ± 0.009" in " ".join(summary.split())
    assert "Pretrained on 1,234,567 tokens" in card


def test_a_family_without_epochs_and_search_has_no_curves(run: Paths) -> None:
    curves, study = run.model("trained") / "curves.csv", read_json(run.study)
    text = curves.read_text()
    try:
        curves.unlink()
        run.study.unlink()
        page = rerun(run)[0]
    finally:
        curves.write_text(text)
        write_json(run.study, study)
    assert "fitted in one step" in section(page, "training")
    assert "figure-curves" not in page
