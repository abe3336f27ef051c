"""The page of a finished run, and the words of its sections, for tests."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pipeline import compare
from tests.tiny_findings import write_findings
from tests.tiny_reports import write_data_reports, write_model_reports
from tests.tiny_run import tiny_run, write_params
from textmill.artifacts import read_json, write_json
from textmill.config import load_params
from textmill.paths import Paths
from textmill.reporting.facts import Facts, gather
from textmill.reporting.page import render_page

EVIL = "</script><script>alert('x')</script><img src=x onerror=\"alert('y')\"> & \"friends\""


def reported_run(
    folder: Path, task: str = "single_label", *, label: str = "positive", found: str = "tests", **changes: Any
) -> Paths:
    """A finished run with all reports that the page tells of.

    Args:
        label: a label, and part of a name, of the data.
        found: a slice, and part of a word, that was found.
    """
    paths = tiny_run(folder, task=task, noise=0.3, **changes)
    write_data_reports(paths, label, task=task)
    write_model_reports(paths, task=task)
    compare.run(load_params(paths.params), paths)
    write_findings(paths, found, task)
    return paths


def facts_of(run: Paths, **changes: Any) -> Facts:
    return gather(write_params(run, **changes), run)


def page_of(run: Paths, **changes: Any) -> str:
    return render_page(facts_of(run, **changes), run)


def page_with(run: Paths, *changes: tuple[Path, dict[str, Any]]) -> str:
    """The page with some keys of some reports changed."""
    before = {file: read_json(file) for file, _ in changes}
    try:
        for file, values in changes:
            write_json(file, {**before[file], **values})
        return page_of(run)
    finally:
        for file, values in before.items():
            write_json(file, values)


def section(page: str, name: str) -> str:
    """The words of a section, without tags, scripts and doubled spaces."""
    (content,) = re.findall(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)
    content = re.sub(r"<script.*?</script>", " ", content, flags=re.DOTALL)
    words = html.unescape(re.sub(r"<[^>]+>", " ", content)).replace("\N{MULTIPLICATION SIGN}", "x")
    return " ".join(words.replace("\N{EN DASH}", "-").split())


class Tags(HTMLParser):
    """The tags of a page, those that are left open, its scripts, and what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href", "data", "action")]
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag not in ("meta", "br", "wbr", "link"):
            self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = attributes, before + data

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
