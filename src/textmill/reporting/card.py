"""The model card, in the form of the Hugging Face hub: YAML for machines, then Markdown for people.

Filled from measured facts only; what the pipeline does not know, the card says is unknown."""

import io
from typing import Any

from textmill.paths import Paths
from textmill.reporting.data_story import read_data_story
from textmill.reporting.facts import Facts
from textmill.reporting.page import environment


def render_card(facts: Facts, paths: Paths) -> str:
    """The card as Markdown. Raises: MissingArtifact: a stage has not run."""
    template = environment(autoescape=False).get_template("card.md.j2")
    data = read_data_story(paths)
    steps = facts.params.compress.recipes[facts.chosen["name"]].steps if not facts.chosen_is_baseline else []
    methods = [step.method for step in steps]
    return template.render(facts=facts, data=data, header=_header(facts, data["source"]["uri"]), steps=methods)


def _header(facts: Facts, source: str) -> str:
    """The YAML block; other tools read it, so names and types are the hub's."""
    from ruamel.yaml import YAML

    metrics = [
        {"type": kind, "name": name, "value": round(facts.chosen[key], 4)}
        for kind, name, key in (("f1", "Macro F1", "f1_macro"), ("accuracy", "Accuracy", "accuracy"))
    ]
    result: dict[str, Any] = {
        "task": {"type": "text-classification", "name": "Text classification"},
        "dataset": {"type": facts.params.project, "name": source, "split": "test"},
        "metrics": metrics,
    }
    header = {
        "license": "unknown",
        "pipeline_tag": "text-classification",
        "library_name": "onnxruntime",
        "tags": ["text-classification", "onnx", "textmill"],
        "metrics": ["f1", "accuracy"],
        "model-index": [{"name": facts.params.project, "results": [result]}],
    }
    yaml = YAML()
    yaml.width = 4096
    with io.StringIO() as buffer:
        yaml.dump(header, buffer)
        return buffer.getvalue().rstrip()
