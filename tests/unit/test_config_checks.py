"""Declared checks are read as they are meant, and their mistakes are told."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from textmill.config import InvalidParams, Params, load_params

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    "name": "names",
    "kind": "invariance",
    "replace": {"Anna": ["Ben", "Chen"]},
    "documents": 50,
    "max_failures": 0.05,
}
PRAISE = {
    "name": "praise",
    "kind": "directional",
    "append": "I loved it.",
    "label": "positive",
    "direction": "up",
    "tolerance": 0.1,
    "documents": 50,
    "max_failures": 0.1,
}
PLAIN = {"name": "plain", "kind": "expectation", "texts": {"A great film.": "positive"}, "max_failures": 0}


@pytest.fixture
def load(tmp_path):
    """Loads the default params.yaml with these checks."""

    def load(*checks: dict[str, Any], task: str = "single_label") -> Params:
        yaml = YAML()
        document = yaml.load(ROOT / "params.yaml")
        document["task"], document["evaluate"]["checks"] = task, list(checks)
        if task != "single_label":
            document["clean"]["labels"] = None
        yaml.dump(document, tmp_path / "params.yaml")
        return load_params(tmp_path / "params.yaml")

    return load


def test_examples_of_all_kinds(load):
    names, praise, plain = (check.model_dump() for check in load(NAMES, PRAISE, PLAIN).evaluate.checks)
    assert names == NAMES | {"append": None, "prepend": None, "tolerance": None}
    assert praise == PRAISE | {"replace": None, "prepend": None}
    assert plain == PLAIN | {"tolerance": None}


def test_the_examples_in_params_yaml_are_valid(load):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    after = text[text.index("  checks: []") :].splitlines()[1:]
    lines = []
    while after[0].lstrip().startswith("#"):
        lines.append(after.pop(0).replace("# ", "", 1).replace("#", " ", 1))
    checks = YAML(typ="safe").load("\n".join(lines))
    assert [check["kind"] for check in checks] == ["invariance", "directional", "expectation"]
    assert len(load(*checks).evaluate.checks) == 3


def test_white_space_around_words_is_none(load):
    (check,) = load(PRAISE | {"append": " I loved it. "}).evaluate.checks
    assert check.append == "I loved it."


def test_other_tasks(load):
    several = {**PLAIN, "texts": {"Funny.": ["funny", "positive"], "So.": []}}
    assert load(NAMES, PRAISE, several, task="multi_label").evaluate.checks[2].texts == several["texts"]
    numbers = {**PLAIN, "texts": {"Great.": 90}, "tolerance": 5}
    rising = {key: value for key, value in PRAISE.items() if key != "label"}
    checks = load(NAMES | {"tolerance": 3}, rising, numbers, task="regression").evaluate.checks
    assert checks[2].texts == {"Great.": 90.0}


def without(check: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in check.items() if name != key}


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (NAMES | {"kind": "invariant"}, r"evaluate\.checks\.0: .*'invariant'.*'invariance', 'directional', 'expect"),
        (NAMES | {"max_failures": 5}, r"evaluate\.checks\.0\.max_failures: .*less than or equal to 1, found 5"),
        (without(NAMES, "kind"), r"evaluate\.checks\.0: the key 'kind' is missing"),
        (without(NAMES, "documents"), r"evaluate\.checks\.0\.documents: this key is missing"),
        (NAMES | {"text": "x"}, r"evaluate\.checks\.0\.text: no such key; allowed here: append, documents, kind, max"),
        (NAMES | {"replace": {"Anna": "Ben"}}, r"evaluate\.checks\.0\.replace\.Anna: .*valid list, found 'Ben'"),
        (NAMES | {"replace": {"Anna": []}}, r"evaluate\.checks\.0\.replace\.Anna: .*at least 1 item"),
        (NAMES | {"append": "x"}, r"check names: give one of replace, append and prepend, found replace and append"),
        (without(NAMES, "replace"), r"check names: give one of .*, found none"),
        (NAMES | {"name": "My names"}, r"evaluate\.checks\.0\.name: .*match pattern .*found 'My names'"),
        (NAMES | {"tolerance": 1}, r"names \(invariance\) with task: single_label: tolerance must be left out"),
        (without(PRAISE, "label"), r"praise \(directional\) with task: single_label: label is missing"),
        (PRAISE | {"direction": "left"}, r"evaluate\.checks\.0\.direction: .*'up' or 'down', found 'left'"),
        (PLAIN | {"texts": {}}, r"evaluate\.checks\.0\.texts: .*at least 1 item"),
        (
            PLAIN | {"texts": {"So.": True}},
            r"evaluate\.checks\.0\.texts\.So\.: of a text a label is expected.*found True",
        ),
        (PLAIN | {"texts": {"So.": 1}}, r"plain .*: a label \(in quotes if .*\) is expected of 'So\.', found 1\.0"),
        (PLAIN | {"texts": {"So.": ["a"]}}, r"a label .* is expected of 'So\.', found \['a'\]"),
    ],
)
def test_a_mistake_is_told(load, check, told):
    with pytest.raises(InvalidParams, match=told):
        load(check)


@pytest.mark.parametrize(
    ("check", "task", "told"),
    [
        (NAMES, "regression", r"names \(invariance\) with task: regression: tolerance is missing"),
        (PRAISE, "regression", "label must be left out"),
        (PLAIN | {"tolerance": 1}, "regression", r"a number is expected of 'A great film\.', found 'positive'"),
        (PLAIN, "multi_label", "a list of labels is expected of 'A great film.', found 'positive'"),
    ],
)
def test_what_the_task_does_not_have_is_told(load, check, task, told):
    with pytest.raises(InvalidParams, match=told):
        load(check, task=task)


def test_names_are_unique(load):
    with pytest.raises(InvalidParams, match=r"evaluate\.checks: two checks are called names"):
        load(NAMES, PRAISE, NAMES)


def test_the_file_of_foreign_texts_is_watched(tmp_path):
    yaml = YAML()
    document = yaml.load(ROOT / "params.yaml")
    document["evaluate"]["shift"]["source"] = "elsewhere.txt"
    yaml.dump(document, tmp_path / "params.yaml")
    with pytest.raises(InvalidParams, match=r"must be evaluate\.shift\.source \(elsewhere\.txt\)"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("section", "key", "values", "twice"),
    [("robustness", "perturbations", ["typos", "casing", "typos"], "typos"), (None, "batch_sizes", [1, 8, 1], "1")],
)
def test_a_row_for_each_perturbation_and_batch_size(tmp_path, section, key, values, twice):
    yaml = YAML()
    document = yaml.load(ROOT / "params.yaml")
    node = document["evaluate"][section] if section else document["evaluate"]
    node[key] = values
    yaml.dump(document, tmp_path / "params.yaml")
    with pytest.raises(InvalidParams, match=rf"{key}: each must stand here once, {twice} does twice"):
        load_params(tmp_path / "params.yaml")
