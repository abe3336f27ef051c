"""The documentation is true: its commands parse, its links lead somewhere, its tree is the tree."""

import itertools
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.repo.stages import ROOT, stages
from textmill.cli import app
from textmill.config import load_params

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("data/**/*.md")),
]
PAGES += sorted(ROOT.glob("benchmarks/**/*.md"))
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def shown_commands() -> Iterator[tuple[str, str]]:
    """Every `textmill ...` that a page shows, in a fence or inline, with the page's name."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        fenced = [line for _, block in FENCE.findall(text) for line in block.splitlines()]
        inline = re.findall(r"`(textmill [^`]+)`", FENCE.sub("", text))
        for line in [*fenced, *inline]:
            for part in re.split(r"&&|\|\||;", line.partition("  #")[0]):
                if part.strip().startswith("textmill "):
                    yield page_name(path), part.strip()


@pytest.mark.parametrize(("page", "command"), sorted(set(shown_commands())))
def test_shown_commands_parse(page: str, command: str) -> None:
    _, name, *arguments = shlex.split(command)
    found = COMMANDS.get(name)
    while arguments and arguments[0] in getattr(found, "commands", {}):  # such as `textmill labels review`
        name, *arguments = arguments
        found = found.commands[name]
    assert found, f"{page}: {command}"
    found.make_context(name, arguments)  # raises what a user would read


def shown_experiments() -> Iterator[tuple[str, str]]:
    """Every `dvc exp run -S ...` that a page shows, with the page's name."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        fenced = "\n".join(block for _, block in FENCE.findall(text)).replace("\\\n", " ").splitlines()
        inline = re.findall(r"`(dvc exp run -S [^`]+)`", FENCE.sub("", text))
        for line in [*fenced, *inline]:
            if line.startswith("dvc exp run ") and "KEY=VALUE" not in line:
                yield page_name(path), line


@pytest.mark.parametrize(("page", "command"), sorted(set(shown_experiments())))
def test_shown_experiments_set_what_params_yaml_takes(page: str, command: str, tmp_path: Path) -> None:
    """By DVC's own reading of -S, which sets no key inside of null."""
    from dvc.utils.hydra import apply_overrides

    words = shlex.split(command)
    settings = [value for option, value in itertools.pairwise(words) if option in ("-S", "--set-param")]
    assert settings, f"{page}: {command}"
    shutil.copy(ROOT / "params.yaml", tmp_path)
    apply_overrides(tmp_path / "params.yaml", settings)
    load_params(tmp_path / "params.yaml")


def test_every_command_is_shown() -> None:
    shown = [tuple(shlex.split(command)[1:]) for _, command in shown_commands()]
    assert [path for path in paths(COMMANDS) if not any(words[: len(path)] == path for words in shown)] == []


def paths(commands: dict[str, Any]) -> list[tuple[str, ...]]:
    """The words of each command, such as (labels, review)."""
    return [
        (name, *rest)
        for name, command in commands.items()
        for rest in (paths(command.commands) if hasattr(command, "commands") else [()])
    ]


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_links_lead_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_nothing_is_left_to_fill_in(path: Path) -> None:
    assert re.findall(r"\{\{.*?\}\}|\bTODO\b|\bFIXME\b", path.read_text(encoding="utf-8")) == []


def test_readme_links_every_guide() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    guides = {page_name(path) for path in ROOT.glob("docs/*.md")} - {"docs/test-summary.md"}
    assert sorted(guide for guide in guides if f"]({guide})" not in text) == []


def test_the_tree_is_the_tree() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = next(block for _, block in FENCE.findall(text) if "src/textmill/\n" in block)
    named = set(re.findall(r"^  ([\w.]+/?) ", tree, re.MULTILINE))
    rooms = {p.name + "/" * p.is_dir() for p in (ROOT / "src/textmill").iterdir() if p.is_dir() or p.suffix == ".py"}
    assert named == rooms - {"__init__.py", "__pycache__/"}


def test_every_stage_is_in_the_table() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = " ".join(re.findall(r"^\| ([a-z, ]+) \|", text, re.MULTILINE))
    names = {stage.name.partition("@")[0].removesuffix("-baseline") for stage in stages()}
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", table)) == []
