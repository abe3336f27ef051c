"""One self-contained HTML page with the story of a run: no script, no network, light and dark."""

import html
import re
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from textmill.paths import Paths
from textmill.reporting import plots
from textmill.reporting.data_story import read_data_story, read_label_issues
from textmill.reporting.facts import BASELINE, Facts
from textmill.reporting.mistakes import read_mistakes, say_answer
from textmill.reporting.search_page import say_value
from textmill.reporting.templating import new_environment, say_percent
from textmill.reporting.training_story import read_training_story
from textmill.tasks import name_objective

_MOST_CLASSES_OF_MATRIX = 25
_RULES = {
    "min_quality": "The score reaches the floor",
    "champion_loads": "The champion can be run",
    "same_task": "Same task as the champion",
    "same_labels": "Same labels as the champion",
    "enough_documents": "Enough documents to compare",
    "non_inferior": "No worse than the champion, within the margin",
    "detectable_loss": "Test split shows a loss as small as the margin",
}
# The figures beside the score, with their titles.
COLUMNS = {
    "single_label": {"accuracy": "Accuracy", "log_loss": "Log loss", "ece": "Calibration error"},
    "multi_label": {
        "f1_micro": "Micro-F1",
        "subset_accuracy": "All labels right",
        "mean_average_precision": "Average precision",
        "ece": "Calibration error",
    },
    "regression": {"rmse": "RMSE", "mae": "Mean absolute error", "spearman": "Rank correlation"},
}


def render_page(facts: Facts, paths: Paths) -> str:
    """The page as HTML; every text that is not ours is escaped.

    Raises: MissingArtifact: a stage has not run.
    """
    include_texts = facts.params.report.include_texts
    training = read_training_story(paths)
    template = environment(autoescape=True).get_template("page.html.j2")
    return template.render(
        facts=facts,
        data=read_data_story(paths),
        training=training,
        issues=read_label_issues(paths, include_texts=include_texts),
        mistakes=read_mistakes(facts, paths) if include_texts else [],
        plots=_draw(facts, paths, training),
        matrix=_matrix(facts.report),
        scale=_scale(facts),
        columns=COLUMNS[facts.task],
        rule_names=_RULES,
        commands=rebuild_commands(facts),
    )


def environment(*, autoescape: bool) -> Environment:
    """Templates that fail on a name they were not given, with the filters for figures."""
    env = new_environment(autoescape=autoescape)
    env.filters |= {"size": say_size, "ms": say_ms}
    if autoescape:  # a page: a figure and its sign stay in one line
        env.filters["percent"] = lambda share: say_percent(share).replace(" ", "\N{NO-BREAK SPACE}")
    env.filters["figure"] = say_figure
    env.filters["value"] = say_value
    env.filters["answer"] = say_answer
    env.filters["capitalise"] = lambda text: text[:1].upper() + text[1:]  # Jinja's makes macro-F1 Macro-f1
    env.filters["cell"] = escape_markdown
    env.filters["model"] = lambda name: "TF-IDF" if name == BASELINE else name
    return env


def escape_markdown(text: object) -> str:
    """A text that is not ours as one line of Markdown, also in a table: nothing in it is markup or HTML."""
    line = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)


def say_figure(value: float | None) -> str:
    """Three digits after the point, three figures of what is small, thousands apart: 0.876, 0.00123, 1,234.5."""
    if value is None:
        return "unknown"
    if abs(value) >= 1000:
        return f"{value:,.1f}"
    return f"{value:.3g}" if 0 < abs(value) < 0.01 else f"{value:.3f}"


def say_size(size_mb: float) -> str:
    return f"{size_mb:.1f} MB" if size_mb < 100 else f"{size_mb:,.0f} MB"


def say_ms(milliseconds: float) -> str:
    return f"{milliseconds:.2f} ms" if milliseconds < 1 else f"{milliseconds:.1f} ms"


def rebuild_commands(facts: Facts) -> list[tuple[str, str]]:
    """Command and what it does, for the last section."""
    name = facts.params.project
    return [
        ("dvc repro", "makes everything again from the data; what is unchanged is not run"),
        ("dvc params diff", "shows which settings differ from the last commit"),
        (f"textmill predict --model {name}@{facts.version} TEXT", "asks this very version"),
        (
            f"mlflow models serve -m models:/{name}/{facts.version} --env-manager local",
            "serves it over HTTP, without PyTorch",
        ),
    ]


def _draw(facts: Facts, paths: Paths, training: dict[str, Any]) -> dict[str, Markup | None]:
    candidates, chosen, score = facts.selection["candidates"], facts.chosen["name"], facts.figure
    budget = facts.selection["budget"]
    search, curves, bins = training["search"], training["curves"], facts.report["calibration"]
    if facts.task == "regression":
        test = paths.evaluation("test", chosen)
        answers = plots.values(pd.read_csv(test / "confusion.csv"), bins)
    else:
        answers = plots.calibration(bins)
    return {
        "curves": None if curves is None else plots.learning_curves(curves, score),
        "trials": _draw_trials(search, facts) if search["trials"] else None,
        "size": plots.pareto(candidates, chosen, score, "size_mb", "size in MB", budget["max_size_mb"]),
        "latency": plots.pareto(candidates, chosen, score, "latency_p50_ms", "latency in ms", budget["max_latency_ms"]),
        "answers": answers,
    }


def _draw_trials(search: dict[str, Any], facts: Facts) -> Markup:
    return plots.trials(search, name_objective(search["objectives"][0], facts.task))


def _matrix(report: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Rows of the confusion matrix, each cell with its share of the row; None for too many classes to be read, and
    where there is not one label a document."""
    labels = report["labels"]
    if "confusion" not in report or len(labels) > _MOST_CLASSES_OF_MATRIX:
        return None
    return [
        {
            "label": label,
            "cells": [{"count": n, "share": n / max(sum(row), 1), "hit": i == j} for j, n in enumerate(row)],
        }
        for i, (label, row) in enumerate(zip(labels, report["confusion"], strict=True))
    ]


def _scale(facts: Facts) -> dict[str, float]:
    """The range of the score that the interval bars span, with a little air; R² may be below 0."""
    low, high = min(m["score_low"] for m in facts.models), max(m["score_high"] for m in facts.models)
    air = max(0.01, (high - low) * 0.08)
    lowest = low - air if facts.task == "regression" else max(0.0, low - air)
    return {"low": lowest, "high": min(1.0, high + air)}
