"""docs/params.md, made from the schema of params.yaml: `make docs`."""

import sys
from collections.abc import Iterator
from typing import Any

from tests.repo.stages import stages
from textmill.config import Params

HEAD = """\
# Every key of params.yaml

Made by `make docs` from the schema in `src/textmill/config/`; do not edit. The values are in `params.yaml` itself:
the code has no defaults, so every key must be there. `textmill check` validates the file, `dvc params diff` shows what
changed since the last commit, and `dvc exp run -S KEY=VALUE` tries another value of any key.

A change runs again the stages that are named under each heading, and what follows from them.
"""
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def page() -> str:
    schema = Params.model_json_schema(by_alias=True)
    top = {key: node for key, node in schema["properties"].items() if "$ref" not in node}
    parts = [HEAD, "## The whole\n", _readers(*top), _table(list(_leaves("", {"properties": top}, schema)))]
    for section, node in schema["properties"].items():
        if section not in top:
            parts += [f"## {section}\n", _readers(section), _table(list(_leaves(section, node, schema)))]
    return "\n".join(parts)


def leaves() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that holds a value, as `section.key`, with its schema; NAME stands for any recipe, FAMILY and KEY
    for any family and any key that is searched for it.
    """
    schema = Params.model_json_schema(by_alias=True)
    yield from _leaves("", schema, schema)


def _leaves(prefix: str, node: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    node = _resolve(node, schema)
    for key, child in node.get("properties", {}).items():
        path = f"{prefix}.{key}".lstrip(".")
        named = child.get("patternProperties")
        if named:  # a mapping of recipes
            yield from _leaves(f"{path}.NAME", next(iter(named.values())), schema)
        elif "properties" in _resolve(child, schema):
            about = child.get("description", "")  # of a group of keys, such as one expectation of the contract
            for name, leaf in _leaves(path, child, schema):
                yield name, {**leaf, "description": f"{about} {leaf['description']}".strip()} if about else leaf
        else:
            yield path, child
            for option in (*child.get("oneOf", []), *child.get("anyOf", [])):
                if "$ref" in option:  # a mapping in place of one value
                    yield from _leaves(path, option, schema)
            items = child.get("items", {})
            for form in items.get("oneOf", []):  # of a step, of a check
                tag = _resolve(form, schema)["properties"][items["discriminator"]["propertyName"]]["const"]
                yield from ((k, v) for k, v in _leaves(f"{path} ({tag})", form, schema) if "const" not in v)
    if prefix == "tune.space":  # what a mapping of searched keys is made of, once for all families
        dimensions = node["properties"]["transformer"]["additionalProperties"]["discriminator"]["mapping"]
        for kind, reference in sorted(dimensions.items()):
            rows = _leaves(f"{prefix}.FAMILY.KEY ({kind})", {"$ref": reference}, schema)
            yield from ((key, leaf) for key, leaf in rows if "const" not in leaf)


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return dict(schema["$defs"][reference.rsplit("/", 1)[-1]]) if reference else node


def _table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    lines = [f"| `{key}` | {node.get('description', '')} | {_allowed(node)} |" for key, node in rows]
    return "\n".join(["| key | meaning | allowed |", "|---|---|---|", *lines, ""])


def _allowed(node: dict[str, Any]) -> str:
    if "$ref" in node:
        return "a mapping with the keys below"
    if options := node.get("anyOf") or node.get("oneOf"):
        return " or ".join(_allowed(option) for option in options)
    if values := node.get("enum") or ([node["const"]] if "const" in node else []):
        return ", ".join(f"`{value}`" for value in values)
    if "type" not in node:
        return "any value"
    kind = node["type"]
    if kind == "null":
        return "`null`"
    if kind == "array" and not node["items"]:
        return "a list of values"
    if kind == "array" and "anyOf" in node["items"]:
        return "a list of columns"
    if kind == "array" and node["items"].get("type") == "string":
        return "a list of texts"
    if kind == "array" and node["items"].get("type") == "integer":
        return "a list of whole numbers"
    if kind == "array" and node["items"].get("type") == "array":
        return "a list of lists of texts"
    if kind == "array":
        tag = node["items"]["discriminator"]["propertyName"]
        return f"a list of {'steps' if tag == 'method' else 'mappings'}, each with `{tag}` and the keys below"
    if kind == "object":
        names = node.get("propertyNames", {}).get("enum")
        return f"a mapping{' with ' + ', '.join(f'`{name}`' for name in names) + ' as keys' if names else ''}"
    if "pattern" in node:
        return f"text that matches `{node['pattern']}`"
    bounds = [
        words.format(f"{node[bound]:g}" if node[bound] < 1e6 else node[bound])
        for bound, words in _BOUNDS.items()
        if bound in node
    ]
    return ", ".join([_TYPES[kind], *bounds])


def _readers(*sections: str) -> str:
    """The stages that depend on a section, without the names of recipes."""
    found = {
        s.name.partition("@")[0]: None for s in stages() if {key.partition(".")[0] for key in s.params} & {*sections}
    }
    return f"Read by {', '.join(found)}.\n"


if __name__ == "__main__":
    sys.stdout.write(page())
