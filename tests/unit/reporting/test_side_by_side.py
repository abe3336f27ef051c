"""Two models side by side: what is compared, what is left out, what is warned of, and a page that is safe to open."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import f1_score

from tests.tiny_case import make_case
from textmill.artifacts import sha256
from textmill.cli.side_by_side_view import show_side_by_side
from textmill.evaluation import examination
from textmill.evaluation.comparisons import Rules
from textmill.evaluation.measured import Measured, NotMeasured, read_measured
from textmill.evaluation.report import evaluate
from textmill.reporting.side_by_side import NotComparable, SideBySide, put_side_by_side, render_side_by_side, say_cost

RULES = Rules(confidence=0.95, margin=0.02, margin_confidence=0.95, num_resamples=500, seed=0)
NASTY = "<script>alert('x')</script> [bold]\"&amp;\x1b[31m"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Measured, Measured]:
    """A worse and a better model, as they were read from the folders of their evaluation."""
    found = []
    for name, noise in (("before", 0.6), ("after", 0.0)):
        folder = tmp_path_factory.mktemp(name)
        case = make_case(folder, noise=noise)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(examination, "PARTS", {})
            evaluation = evaluate(folder / "bundle", case.documents, case.settings, split="test", fitted={})
        evaluation.write(folder / "test")
        assert evaluation.report["bundle_sha256"] == sha256(folder / "bundle")
        found.append(read_measured(folder / "test", name, settings={"trained.epochs": "3"}, origin={"run": "0" * 32}))
    return found[0], found[1]


def changed(measured: Measured, **report: Any) -> Measured:
    return replace(measured, report={**deepcopy(measured.report), **report})


def test_the_difference_is_that_on_the_common_documents(measured: tuple[Measured, Measured]) -> None:
    before, after = measured
    a, b = replace(before, answers=before.answers[:200]), replace(after, answers=after.answers[50:])
    found = put_side_by_side(a, b, RULES)
    assert (found.num_common, found.num_only, found.num_relabelled) == (150, (50, 100), 0)
    common = [table.loc[a.answers.index[50:200]] for table in (before.answers, after.answers)]
    scores = [f1_score(table["label"], table["predicted"], average="macro") for table in common]
    assert found.scores == pytest.approx(scores)
    assert found.pair.difference == pytest.approx(scores[1] - scores[0])
    assert len(found.mended) == found.pair.only_a_right
    assert len(found.broken) == found.pair.only_b_right
    flip = found.mended[0]
    assert (flip.label, flip.b) == (common[1].loc[flip.id, "label"], common[1].loc[flip.id, "predicted"])
    assert flip.a == common[0].loc[flip.id, "predicted"] != flip.b
    assert any("The test splits differ, by up to 100 documents" in text for text in found.warnings)


def test_documents_whose_label_was_changed_are_left_out(measured: tuple[Measured, Measured]) -> None:
    a, b = measured
    table = b.answers.copy()
    table.iloc[:7, table.columns.get_loc("label")] = "changed since"
    found = put_side_by_side(a, replace(b, answers=table), RULES)
    assert (found.num_common, found.num_relabelled) == (293, 7)
    assert "7 documents have another label now; they are left out." in found.warnings


def test_the_order_of_documents_is_nothing(measured: tuple[Measured, Measured]) -> None:
    a, b = measured
    assert put_side_by_side(a, replace(b, answers=b.answers[::-1]), RULES).pair == put_side_by_side(a, b, RULES).pair


def test_a_model_beside_itself(measured: tuple[Measured, Measured]) -> None:
    _, b = measured
    found = put_side_by_side(b, b, RULES)
    assert found.pair.difference == 0.0
    assert found.warnings == ["Both are the same bundle."]
    assert found.settings == found.hardware == found.mended == found.broken == []


def test_other_machines_threads_and_settings_are_told(measured: tuple[Measured, Measured]) -> None:
    a, b = measured
    assert put_side_by_side(a, b, RULES).warnings == []
    there = {**b.report["hardware"], "cpu": "Another One", "cores": 64}
    settings = {**b.report["settings"], "latency_threads": 8}
    other = replace(
        changed(b, hardware=there, settings=settings), settings={"trained.epochs": "5", "trained.seed": "1"}
    )
    found = put_side_by_side(a, other, RULES)
    assert found.warnings == [
        "They were timed on different machines or versions (cpu, cores): their speeds cannot be compared.",
        "A was timed with 1 threads, B with 8: their speeds cannot be compared.",
    ]
    changes = {change.name: (change.a, change.b) for change in found.settings}
    assert changes["trained.epochs"] == ("3", "5")
    assert changes["trained.seed"] == ("-", "1")
    assert changes["evaluate.latency_threads"] == ("1", "8")
    assert [change.name for change in found.hardware] == ["cpu", "cores"]


def test_what_cannot_be_compared(measured: tuple[Measured, Measured]) -> None:
    a, b = measured
    with pytest.raises(NotComparable, match="before has the task single_label and after regression"):
        put_side_by_side(a, changed(b, task="regression"), RULES)
    with pytest.raises(NotComparable, match="only the first has positive, only the second great"):
        put_side_by_side(a, changed(b, labels=["negative", "great"]), RULES)
    elsewhere = b.answers.set_axis([f"other {i}" for i in range(len(b.answers))])
    with pytest.raises(NotComparable, match="before and after have no test document in common: 300 and 300 were"):
        put_side_by_side(a, replace(b, answers=elsewhere), RULES)
    few = put_side_by_side(a, replace(b, answers=b.answers[:20]), RULES)
    assert "Only 20 documents are common: no verdict on so few means much." in few.warnings


def test_a_folder_that_holds_no_figures(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match=r"this one has no figures on a test split: metrics\.json"):
        read_measured(tmp_path, "this one")


def test_a_report_of_before_tasks_were_written(tmp_path: Path) -> None:
    for name in ("metrics.json", "report.json", "predictions.parquet"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(
        NotMeasured, match=r"The report\.json of this one is of an older textmill and does not say task"
    ):
        read_measured(tmp_path, "this one")


@pytest.mark.parametrize(
    ("value", "name", "shown"),
    [
        (0.1543, "size_mb", "0.154 MB"),
        (26.84, "size_mb", "26.8 MB"),
        (1234.5, "size_mb", "1,234 MB"),
        (3.14159, "latency_p50_ms", "3.14 ms"),
        (43_714.2, "throughput_per_s", "43,714 a second"),
        (22_713_216, "parameters", "22,713,216"),
    ],
)
def test_costs_are_told_with_their_unit(value: float, name: str, shown: str) -> None:
    assert say_cost(value, name) == shown


def nasty(measured: tuple[Measured, Measured]) -> SideBySide:
    """Every text that is not ours holds markup, quotes and an escape sequence."""
    sides = []
    for one in measured:
        table = one.answers.copy()
        table[["label", "predicted"]] = table[["label", "predicted"]].replace("positive", NASTY)
        report = changed(one, labels=["negative", NASTY], hardware={**one.report["hardware"], "cpu": NASTY + one.title})
        settings = {NASTY: NASTY + one.title}
        sides.append(replace(report, title=NASTY + one.title, answers=table, settings=settings, origin={NASTY: NASTY}))
    return put_side_by_side(sides[0], sides[1], RULES)


def test_texts_that_are_not_ours_are_no_markup(measured: tuple[Measured, Measured]) -> None:
    found = nasty(measured)
    html = render_side_by_side(found)
    assert "<script" not in html
    assert "&lt;script&gt;alert(" in html
    console = Console(record=True, width=200, force_terminal=True, file=StringIO())
    show_side_by_side(found, console)
    shown = console.export_text()
    assert "<script>alert('x')</script> [bold]" in shown
    assert "\x1b[31m" not in shown


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if not Path("/usr/bin/chromium").exists():
        pytest.skip("there is no Chromium here")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(measured: tuple[Measured, Measured], browser: Any, tmp_path: Path, width: int) -> None:
    """No error, no request, nothing wider than the screen, and no fault that keeps anyone out."""
    from axe_playwright_python.sync_playwright import Axe

    file = tmp_path / "page.html"
    file.write_text(render_side_by_side(nasty(measured)), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url))
    page.goto(file.as_uri())
    assert told == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    faults = Axe().run(page).response["violations"]
    serious = [fault for fault in faults if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in serious] == []
    page.close()


def test_numbers_are_nearer_or_not(measured: tuple[Measured, Measured]) -> None:
    rng = np.random.default_rng(0)
    actual_N = rng.normal(50, 10, 300)
    sides = []
    for one, spread in zip(measured, (6.0, 3.0), strict=True):
        predicted_N = actual_N + rng.normal(0, spread, 300)
        texts = {
            name: [repr(float(v)) for v in values] for name, values in (("label", actual_N), ("predicted", predicted_N))
        }
        table = pd.DataFrame(texts, index=one.answers.index)
        sides.append(replace(changed(one, task="regression", labels=[]), answers=table))
    found = put_side_by_side(sides[0], sides[1], RULES)
    assert (found.pair.verdict, found.figure, found.classes) == ("better", "R²", [])
    assert found.pair.flips is None
    assert f"<dd>{found.pair.a_nearer}</dd>" in render_side_by_side(found)
