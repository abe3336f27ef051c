"""One self-contained HTML page with the story of a run: no network, light and dark, whole without its scripts."""

from typing import Any, NamedTuple

from textmill.paths import Paths
from textmill.reporting import plots
from textmill.reporting.compression_story import tell_compression
from textmill.reporting.cost_story import tell_costs
from textmill.reporting.data_story import read_data_story, read_label_issues
from textmill.reporting.error_story import tell_errors
from textmill.reporting.facts import Facts
from textmill.reporting.figures import Figure
from textmill.reporting.group_story import tell_groups
from textmill.reporting.probability_story import tell_probabilities
from textmill.reporting.quality_story import span, tell_quality
from textmill.reporting.scripts import read_scripts
from textmill.reporting.stress_story import tell_stress
from textmill.reporting.training_story import read_training_story
from textmill.reporting.wording import environment
from textmill.tasks import name_objective

_SECTIONS = {
    "gate": "Gate",
    "data": "Data",
    "contract": "Contract",
    "tokens": "Tokens",
    "labels": "Labels",
    "search": "Search",
    "training": "Training",
    "quality": "Quality",
    "comparison": "Comparison",
    "calibration": "Calibration",
    "slices": "Slices",
    "robustness": "Robustness",
    "compression": "Compression",
    "efficiency": "Efficiency",
    "errors": "Mistakes",
    "lineage": "Lineage",
}
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


class Section(NamedTuple):
    """A section of the page: templates/page/NAME.html.j2, and its title in the navigation."""

    name: str
    title: str


def render_page(facts: Facts, paths: Paths) -> str:
    """The page as HTML; every text that is not ours is escaped.

    Raises: MissingArtifact: a stage has not run.
    """
    include_texts = facts.params.report.include_texts
    training = read_training_story(paths)
    search, figures = training["search"], dict[str, Figure | None](curves=None)
    objective = name_objective(search["objectives"][0], facts.task) if search["trials"] else facts.figure
    if training["curves"] is not None:
        figures["curves"] = plots.learning_curves(training["curves"], facts.figure)
    if search["trials"]:
        figures["trials"] = plots.trials(search, objective)
    stories = {
        "groups": tell_groups(facts, include_texts=include_texts),
        "stress": tell_stress(facts),
        "costs": tell_costs(facts),
        "compression": tell_compression(facts),
        "errors": tell_errors(facts, paths),
    }
    pairs = facts.pairs["pairs"]
    return (
        environment(autoescape=True)
        .get_template("page.html.j2")
        .render(
            facts=facts,
            sections=list(_list_sections(training, stories)),
            data=read_data_story(paths),
            training=training,
            objective=objective,
            issues=read_label_issues(paths, include_texts=include_texts),
            figures=figures,
            quality=tell_quality(facts),
            probabilities=tell_probabilities(facts, paths),
            pairs_scale=span([(pair["low"], pair["high"]) for pair in pairs], zero=True),
            columns=COLUMNS[facts.task],
            rule_names=_RULES,
            steps=_list_steps(facts),
            commands=rebuild_commands(facts),
            scripts=read_scripts(["figures.js", "tables.js", "page.js"]),
            **stories,
        )
    )


def _list_sections(training: dict[str, Any], stories: dict[str, Any]) -> list[Section]:
    """The sections that this run has something for, in the order of the run."""
    groups = stories["groups"]
    is_there = {
        "search": training["search"]["trials"],
        "slices": groups["slices"] or groups["weak"] or groups["fairness"],
        "robustness": any(stories["stress"].values()),
        "efficiency": stories["costs"]["efficiency"],
    }
    return [Section(name, title) for name, title in _SECTIONS.items() if is_there.get(name, True)]


def rebuild_commands(facts: Facts) -> list[tuple[str, str]]:
    """Command and what it does, for the last section."""
    name = facts.params.project
    return [
        (
            "make run",
            "in a clone of the repository at the commit of this run: installs the locked versions, and runs it",
        ),
        ("dvc repro", "makes everything again from the data; what is unchanged is not run"),
        ("dvc params diff", "shows which settings differ from the last commit"),
        (f"textmill predict --model {name}@{facts.version} TEXT", "asks this very version"),
        (
            f"mlflow models serve -m models:/{name}/{facts.version} --env-manager local",
            "serves it over HTTP, without PyTorch",
        ),
    ]


def _list_steps(facts: Facts) -> list[str] | None:
    """What each step of the chosen recipe does; None for the baseline."""
    if facts.chosen_is_baseline:
        return None
    return [step.method for step in facts.params.compress.recipes[facts.chosen["name"]].steps]
