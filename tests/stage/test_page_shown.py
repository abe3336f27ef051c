"""The page as people see it, in Chromium: drawn, sorted, filtered, read aloud, on a phone, in the dark and on paper."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browsing import DESKTOP, PHONE, Seen
from tests.page_text import EVIL, page_of, reported_run
from tests.tiny_reports import search_report
from textmill.artifacts import read_json, read_table, write_json
from textmill.paths import Paths
from textmill.reporting.search_page import render_search_page

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed, which shows the page"),
    pytest.mark.slow,
]
NUM_CLASSES = 52
FIGURES = 8


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        webgl = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # draws the parallel coordinates of a search
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *webgl])
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of every task, of 52 classes, of hostile texts, and without texts."""
    folder: Path = tmp_path_factory.mktemp("pages")
    texts: dict[str, str] = {}
    for task in ("multi_label", "regression"):
        texts[task] = page_of(reported_run(folder / task, task), task=task)
    hostile = reported_run(folder / "run", label=EVIL, found=EVIL)
    texts["single_label"] = page_of(hostile)
    _be_hostile(hostile)
    texts["hostile"] = page_of(hostile)
    texts["without texts"] = page_of(hostile, report__include_texts=False)
    _have_many_classes(hostile)
    texts["many classes"] = page_of(hostile)
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def _be_hostile(run: Paths) -> None:
    for split in ("train", "test"):
        table = read_table(run.split(split))
        table.assign(text=EVIL + " " + table["text"]).to_parquet(run.split(split))
    file = run.evaluation("test", "int8") / "report.json"
    report = read_json(file)
    labels = {"negative": "negative", "positive": EVIL}
    per_class = {labels[label]: row for label, row in report["per_class"].items()}
    write_json(file, {**report, "labels": list(labels.values()), "per_class": per_class, "temperature": 1.0})


def _have_many_classes(run: Paths) -> None:
    file = run.evaluation("test", "int8") / "report.json"
    report = read_json(file)
    row = next(iter(report["per_class"].values()))
    names = [f"class {number} {EVIL}" for number in range(NUM_CLASSES)]
    counts = [[(7 * i + 3 * j) % 11 for j in range(NUM_CLASSES)] for i in range(NUM_CLASSES)]
    per_class = {name: {**row, "support": at + 1} for at, name in enumerate(names)}
    write_json(file, {**report, "labels": names, "confusion": counts, "per_class": per_class})


NAMES = ["single_label", "multi_label", "regression", "hostile", "without texts", "many classes"]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_drawn_without_a_network_and_fits(
    browser: Browser, pages: dict[str, Path], name: str, viewport: dict[str, int]
) -> None:
    assert pages[name].stat().st_size < 5e6
    with Seen(browser, pages[name], viewport=viewport) as page:
        drawn = page.locator(".js-plotly-plot svg.main-svg").count()
        assert drawn >= 2 * page.locator("[data-figure]").count() >= 12
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        cards = page.evaluate("[...document.querySelectorAll('.card')].map((c) => c.getBoundingClientRect().right)")
        assert max(cards) <= viewport["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["single_label", "regression", "many classes"])
def test_axe_finds_no_serious_fault(browser: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    with Seen(browser, pages[name], color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
        assert serious_faults(page) == []


def serious_faults(page: Page) -> list[tuple[str, Any, str]]:
    """Rule, element and what to do."""
    return [
        (fault["id"], node["target"], node["failureSummary"])
        for fault in Axe().run(page).response["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_search_shares_all_this(browser: Browser, tmp_path: Path, scheme: str) -> None:
    file = tmp_path / "search.html"
    file.write_text(render_search_page(EVIL, search_report(EVIL), "macro-F1"), encoding="utf-8")
    with Seen(browser, file, color_scheme=scheme) as page:
        assert page.locator(".js-plotly-plot").count() == page.locator("[data-figure]").count() == 4
        assert serious_faults(page) == []
        page.locator("[aria-label='All trials']").get_by_role("button", name="Trial").click()
        assert column(page, "All trials", 1) == ["2", "1", "0"]


def column(page: Page, table: str, at: int) -> list[str]:
    cells: list[str] = page.eval_on_selector_all(
        f"[aria-label='{table}'] tbody tr:not([hidden]) > :nth-child({at})", "cells => cells.map((c) => c.innerText)"
    )
    return cells


def test_a_table_is_sorted_and_filtered(browser: Browser, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["many classes"]) as page:
        table = page.locator("[aria-label='By class'] table")
        heading = table.get_by_role("button", name="Documents")
        last = table.locator("thead th").count()
        for order in (list(range(NUM_CLASSES, 0, -1)), list(range(1, NUM_CLASSES + 1))):
            heading.click()
            assert [int(number) for number in column(page, "By class", last)] == order
        assert table.locator("th[aria-sort=ascending]").count() == 1
        table.get_by_role("button", name="Class").click()
        names = [label.split()[1] for label in column(page, "By class", 1)]
        assert names == [str(number) for number in range(NUM_CLASSES)], "numbers within words count as numbers"
        field = page.locator("[aria-label='By class']").locator("xpath=preceding-sibling::p[1]").locator("input")
        field.fill("CLASS 7")
        assert [label.split()[1] for label in column(page, "By class", 1)] == ["7"]
        field.fill("nothing is called so")
        assert page.locator("output").filter(has_text=f"0 of {NUM_CLASSES}").count() == 1
        field.fill("")
        assert len(column(page, "By class", 1)) == NUM_CLASSES


def test_signs_and_thousands_are_sorted_as_numbers(browser: Browser, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["single_label"]) as page:
        page.locator("[aria-label='Slices'] thead").get_by_role("button", name="Difference").click()
        differences = [float(text.split()[0].replace("\N{MINUS SIGN}", "-")) for text in column(page, "Slices", 7)]
        assert differences == sorted(differences, reverse=True)
        assert differences[-1] < 0 < differences[0]


def test_a_figure_tells_its_values_under_the_pointer_and_is_zoomed(browser: Browser, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["single_label"]) as page:
        chart = page.locator("[data-figure=figure-throughput]")
        chart.scroll_into_view_if_needed()
        box = chart.locator(".trace .points path").nth(1).bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert chart.locator(".hovertext").first.text_content()
        before = chart.evaluate("(element) => element.layout.yaxis.range")
        area = chart.locator(".nsewdrag").bounding_box()
        assert area is not None
        page.mouse.move(area["x"] + 40, area["y"] + 30)
        page.mouse.down()
        page.mouse.move(area["x"] + 300, area["y"] + 150, steps=5)
        page.mouse.up()
        assert chart.evaluate("(element) => element.layout.yaxis.range") != before


def test_the_keyboard_reaches_headings_scrolling_tables_and_figures(browser: Browser, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["many classes"], viewport=PHONE) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        region = page.locator("[aria-label='By class']")
        assert region.evaluate("(part) => part.tabIndex") == 0
        button = region.get_by_role("button", name="Class")
        button.focus()
        page.keyboard.press("Enter")
        assert region.locator("th[aria-sort]").count() == 1
        assert page.locator(".modebar-btn").first.get_attribute("aria-label")


def test_texts_of_others_are_shown_as_texts(browser: Browser, pages: dict[str, Path]) -> None:
    for name in ("hostile", "many classes"):
        with Seen(browser, pages[name]) as page:
            assert page.evaluate("document.querySelectorAll('main img, main [onerror]').length") == 0
            assert EVIL in page.locator("#errors").inner_text()
            assert EVIL in page.locator("#quality").inner_text()
            assert EVIL in page.locator("#slices").inner_text()
            matrix = page.locator("[data-figure=figure-matrix] .xtick text")
            assert name == "hostile" or "<" in matrix.first.text_content()


def test_without_texts_no_words_of_documents_are_in_the_file(pages: dict[str, Path]) -> None:
    text = pages["without texts"].read_text(encoding="utf-8")
    table = read_table(pages["without texts"].parent / "run/data/splits/test.parquet")
    long = [part for document in table["text"] for part in re.findall(r"[a-z]+(?: [a-z]+){4}", document)]
    assert len(long) > 1000
    shown = pages["hostile"].read_text(encoding="utf-8")
    assert any(part in shown for part in long)
    assert [part for part in long if part in text] == []


def test_without_a_script_everything_is_in_tables(browser: Browser, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["single_label"], java_script_enabled=False) as page:
        assert page.locator(".chart").first.is_visible() is False
        details = page.locator("figure details")
        assert details.count() == FIGURES
        details.first.locator("summary").click()
        assert details.first.locator("tbody tr").first.is_visible()
        assert page.get_by_text("Figures, sorting and filtering need a script").is_visible()


def test_a_browser_that_cannot_unpack_is_told(browser: Browser, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport=PHONE)
    page.add_init_script("delete window.DecompressionStream")
    page.goto(pages["single_label"].as_uri())
    assert page.get_by_text("This browser cannot unpack the figures").first.is_visible()
    assert page.locator("figure details[open]").count() == FIGURES
    page.close()


def test_the_page_is_printed_in_light_colours(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    with Seen(browser, pages["many classes"], color_scheme="dark") as page:
        tick = page.locator("[data-figure=figure-throughput] .ytick text").first
        page.evaluate("addEventListener('beforeprint', () => (document.body.dataset.printed = 'yes'))")
        page.pdf(path=tmp_path / "page.pdf", format="A4")
        assert page.locator("body[data-printed=yes]").count() == 1, "printing is what the page listens to"
        on_screen = tick.evaluate("(text) => getComputedStyle(text).fill")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        on_paper = tick.evaluate("(text) => getComputedStyle(text).fill")
        width = page.locator("[data-figure=figure-throughput] svg.main-svg").first.get_attribute("width")
        assert page.locator("details:not([open]):not(.same)").count() == 0
        page.set_viewport_size({"width": 700, "height": 1000})  # of A4 within its margins
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= 700
        assert page.locator("nav").is_visible() is False
    assert width == "640"
    assert max(map(int, re.findall(r"\d+", on_paper))) < 80 < min(map(int, re.findall(r"\d+", on_screen)))
    content = (tmp_path / "page.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 3
