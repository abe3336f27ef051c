"""The model card, in the form of the Hugging Face hub: YAML for machines, then Markdown for people.

Filled from measured facts only; what the pipeline does not know, the card says is unknown."""

import io
from typing import Any

from textmill.paths import Paths
from textmill.reporting.data_story import read_data_story
from textmill.reporting.facts import Facts
from textmill.reporting.page import COLUMNS, environment
from textmill.reporting.training_story import read_training_story

_TASKS = {  # the hub's type is the same for all of them
    "single_label": "Text classification",
    "multi_label": "Multi-label text classification",
    "regression": "Text regression",
}
# What the hub knows: type, name, and our figure.
_METRICS = {
    "single_label": (("f1", "Macro F1", "f1_macro"), ("accuracy", "Accuracy", "accuracy")),
    "multi_label": (("f1", "Macro F1", "f1_macro"), ("f1", "Micro F1", "f1_micro")),
    "regression": (
        ("r_squared", "R squared", "r2"),
        ("mse", "Mean squared error", "rmse"),
        ("mae", "Mean absolute error", "mae"),
    ),
}


def render_card(facts: Facts, paths: Paths) -> str:
    """The card as Markdown. Raises: MissingArtifact: a stage has not run."""
    template = environment(autoescape=False).get_template("card.md.j2")
    data = read_data_story(paths)
    steps = facts.params.compress.recipes[facts.chosen["name"]].steps if not facts.chosen_is_baseline else []
    methods = [step.method for step in steps]
    header = _header(facts, data["source"]["uri"])
    training = read_training_story(paths)
    return template.render(
        facts=facts, data=data, header=header, steps=methods, training=training, columns=COLUMNS[facts.task]
    )


def _header(facts: Facts, source: str) -> str:
    """The YAML block; other tools read it, so names and types are the hub's."""
    from ruamel.yaml import YAML

    metrics = [
        {"type": kind, "name": name, "value": round(facts.chosen[key] ** (2 if kind == "mse" else 1), 4)}
        for kind, name, key in _METRICS[facts.task]
    ]
    result: dict[str, Any] = {
        "task": {"type": "text-classification", "name": _TASKS[facts.task]},
        "dataset": {"type": facts.params.project, "name": source, "split": "test"},
        "metrics": metrics,
    }
    header = {
        "license": "unknown",
        "pipeline_tag": "text-classification",
        "library_name": "onnxruntime",
        "tags": ["text-classification", "onnx", "textmill"],
        "metrics": list(dict.fromkeys(metric["type"] for metric in metrics)),
        "model-index": [{"name": facts.params.project, "results": [result]}],
    }
    yaml = YAML()
    yaml.width = 4096
    with io.StringIO() as buffer:
        yaml.dump(header, buffer)
        return buffer.getvalue().rstrip()
