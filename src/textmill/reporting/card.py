"""The model card, in the form of the Hugging Face hub: YAML for machines, then Markdown for people.

Filled from measured facts only; what the pipeline does not know, the card says is unknown."""

import io
import re
from typing import Any

from textmill.artifacts import read_json
from textmill.paths import Paths
from textmill.reporting.card_story import tell_card, tell_model
from textmill.reporting.data_story import read_data_story
from textmill.reporting.facts import Facts
from textmill.reporting.templating import say_percent
from textmill.reporting.training_story import read_training_story
from textmill.reporting.wording import environment

_MANY_BLANK_LINES = re.compile(r"\n{3,}")
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
    env = environment(autoescape=False)
    env.filters |= {"duration": say_duration, "share": _say_share}
    data, training = read_data_story(paths), read_training_story(paths)
    profile = read_json(paths.profile)
    data |= {"scripts": profile.get("scripts", {}), "scripts_sample": profile.get("sample", 0)}
    text = env.get_template("card.md.j2").render(
        facts=facts,
        data=data,
        header=_header(facts, data["source"]["uri"]),
        training=training,
        told=tell_card(facts, paths, training),
        level=f"{100 * facts.report['confidence']:g} %",
    )
    return _MANY_BLANK_LINES.sub("\n\n", text).rstrip() + "\n"


def say_duration(seconds: float) -> str:
    """In the unit that people would choose: 42 seconds, 12.5 minutes, 3.1 hours."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _say_share(share: float | None) -> str:
    return "an unknown share" if share is None else say_percent(share)


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
    header: dict[str, Any] = {
        "license": "unknown",
        "pipeline_tag": "text-classification",
        "library_name": "onnxruntime",
        "tags": ["text-classification", "onnx", "textmill"],
        "metrics": list(dict.fromkeys(metric["type"] for metric in metrics)),
        "model-index": [{"name": facts.params.project, "results": [result]}],
    }
    weights = tell_model(facts)["origin"]
    if weights and weights.startswith("hf://"):  # another place is none of the hub's models
        header["base_model"] = weights.removeprefix("hf://").partition("@")[0]
    yaml = YAML()
    yaml.width = 4096
    with io.StringIO() as buffer:
        yaml.dump(header, buffer)
        return buffer.getvalue().rstrip()
