"""One self-contained HTML page with the story of a run: no script, no network, light and dark."""

import html
import re
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from textmill.artifacts import read_json
from textmill.paths import Paths
from textmill.reporting import plots
from textmill.reporting.data_story import read_data_story, read_label_issues
from textmill.reporting.facts import BASELINE, Facts, read_mistakes
from textmill.reporting.templating import new_environment, say_percent

_MOST_CLASSES_OF_MATRIX = 25
_RULES = {
    "min_quality": "Macro-F1 reaches the floor",
    "champion_loads": "The champion can be run",
    "same_labels": "Same labels as the champion",
    "enough_documents": "Enough documents to compare",
    "non_inferior": "No worse than the champion, within the margin",
    "detectable_loss": "Test split shows a loss as small as the margin",
}


def render_page(facts: Facts, paths: Paths) -> str:
    """The page as HTML; every text that is not ours is escaped.

    Raises: MissingArtifact: a stage has not run.
    """
    include_texts = facts.params.report.include_texts
    template = environment(autoescape=True).get_template("page.html.j2")
    return template.render(
        facts=facts,
        data=read_data_story(paths),
        search=read_json(paths.study),
        issues=read_label_issues(paths, include_texts=include_texts),
        mistakes=read_mistakes(paths, facts.chosen["name"]) if include_texts else [],
        plots=_draw(facts, paths),
        matrix=_matrix(facts.report),
        scale=_scale(facts.models),
        rule_names=_RULES,
        commands=rebuild_commands(facts),
    )


def environment(*, autoescape: bool) -> Environment:
    """Templates that fail on a name they were not given, with the filters for figures."""
    env = new_environment(autoescape=autoescape)
    env.filters |= {"size": say_size, "ms": say_ms}
    if autoescape:  # a page: a figure and its sign stay in one line
        env.filters["percent"] = lambda share: say_percent(share).replace(" ", "\N{NO-BREAK SPACE}")
    env.filters["figure"] = lambda value: "unknown" if value is None else f"{value:.3f}"
    env.filters["cell"] = escape_markdown
    env.filters["model"] = lambda name: "TF-IDF" if name == BASELINE else name
    return env


def escape_markdown(text: object) -> str:
    """A text that is not ours as one line of Markdown, also in a table: nothing in it is markup or HTML."""
    line = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)


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


def _draw(facts: Facts, paths: Paths) -> dict[str, Markup | None]:
    candidates, chosen = facts.selection["candidates"], facts.chosen["name"]
    budget = facts.selection["budget"]
    search = read_json(paths.study)
    return {
        "curves": plots.learning_curves(pd.read_csv(paths.model("trained") / "curves.csv")),
        "trials": plots.trials(search) if search["trials"] else None,
        "size": plots.pareto(candidates, chosen, "size_mb", "size in MB", budget["max_size_mb"]),
        "latency": plots.pareto(candidates, chosen, "latency_p50_ms", "latency in ms", budget["max_latency_ms"]),
        "calibration": plots.calibration(facts.report["calibration"]),
    }


def _matrix(report: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Rows of the confusion matrix, each cell with its share of the row; None for too many classes to be read."""
    labels = report["labels"]
    if len(labels) > _MOST_CLASSES_OF_MATRIX:
        return None
    return [
        {
            "label": label,
            "cells": [{"count": n, "share": n / max(sum(row), 1), "hit": i == j} for j, n in enumerate(row)],
        }
        for i, (label, row) in enumerate(zip(labels, report["confusion"], strict=True))
    ]


def _scale(models: list[dict[str, Any]]) -> dict[str, float]:
    """The range of macro-F1 that the interval bars span, with a little air."""
    low, high = min(m["f1_macro_low"] for m in models), max(m["f1_macro_high"] for m in models)
    air = max(0.01, (high - low) * 0.08)
    return {"low": max(0.0, low - air), "high": min(1.0, high + air)}
