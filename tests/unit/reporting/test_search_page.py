"""The page of a search: one file, nothing of others' texts runs, and the figures that the trials allow."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from optuna.distributions import FloatDistribution, distribution_to_json

from tests.tiny_reports import search_report
from textmill.reporting.search_page import render_search_page, say_value, tell_note
from textmill.tasks import name_objective

EVIL = "</script><script>alert('x')</script>"
CSP = (
    r"default-src 'none'; script-src( 'sha256-[\w+/=]{44}'){4} 'unsafe-eval'; style-src 'unsafe-inline'; "
    r"img-src data: blob:; base-uri 'none'; form-action 'none'"
)


class Page(HTMLParser):
    """Scripts, what would be fetched, and the words outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.metas: list[dict[str, str | None]] = []
        self.words = ""
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in ("script", "style")
        self.words += " "
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag == "script":
            self.scripts.append(dict(attrs))
        if tag == "meta":
            self.metas.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        self.words += "" if self._hidden else data


def record_of(objectives: list[str], num_trials: int = 10) -> dict[str, Any]:
    """A search with complete trials of one key, whose objectives rise with it."""
    trial = search_report()["trials"][0]
    rate = FloatDistribution(0.0, 1.0)
    trials = [
        {
            **trial,
            "number": number,
            "score": number / 10,
            "figures": {name: number / (10 + n) for n, name in enumerate(objectives)},
            "values": {"learning_rate": number / 10},
        }
        for number in range(num_trials)
    ]
    return {
        **search_report(),
        "objectives": objectives,
        "directions": ["maximize", "minimize", "minimize", "minimize"][: len(objectives)],
        "distributions": {"learning_rate": json.loads(distribution_to_json(rate))},
        "trials": trials,
        "importances": {"shares": {"learning_rate": 1.0}, "note": None},
    }


def figures(text: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="(\w+)-data">(.*?)</script>', text, re.DOTALL)
    return {name: json.loads(figure) for name, figure in found}


def test_the_page_is_one_file_that_the_browser_keeps_from_the_network() -> None:
    page = Page(render_search_page("tiny", search_report(), "macro-F1"))
    assert all("src" not in script for script in page.scripts)
    assert set(page.links) <= {"index.html", *(link for link in page.links if link.startswith("#"))}
    (policy,) = [meta["content"] for meta in page.metas if meta.get("http-equiv") == "Content-Security-Policy"]
    assert re.fullmatch(CSP, str(policy))
    drawn = [script for script in page.scripts if script.get("type") == "application/json"]
    packed = [script for script in page.scripts if script.get("type") == "application/gzip+base64"]
    assert len(packed) == 1
    assert len(page.scripts) == len(drawn) + 4, "Plotly once, and the page's own"


def test_texts_of_others_stay_texts() -> None:
    overrides = [{"key": "training.averaging", "used": EVIL, "written": EVIL}]
    text = render_search_page(EVIL, search_report(EVIL), "macro-F1", overrides)
    page = Page(text)
    assert page.words.count(EVIL) >= 5, "as they are written: title, heading, overrides, values, error"
    assert "<script>alert" not in text
    assert len(page.scripts) == len(figures(text)) + 4
    assert EVIL in json.dumps(figures(text)["slices"]), "in figures as well"


def test_the_words_of_the_page() -> None:
    overrides = [{"key": "training.batch_size", "used": 16, "written": 32}]
    words = " ".join(Page(render_search_page("tiny", search_report("ema"), "macro-F1", overrides)).words.split())
    assert "3 trials: 1 ran to their end, 1 was stopped by the pruner, 1 failed." in words
    assert "The best is number 0, with macro-F1 0.7 on validation. Too early to say whether" in words
    assert "training.batch_ size 16 32" in words
    assert "Too few complete trials to tell (1); it takes 8." in words


def test_one_objective_has_all_figures_but_the_front() -> None:
    drawn = figures(render_search_page("tiny", record_of(["quality"]), "macro-F1"))
    assert list(drawn) == ["history", "reports", "importance", "coordinates", "slices", "timeline"]
    history = drawn["history"]
    assert history["layout"]["yaxis"]["title"]["text"] == "macro-F1"
    assert len(drawn["reports"]["data"]) == 10


def test_a_slice_over_decades_has_few_marks() -> None:
    record = record_of(["quality"])
    rate = FloatDistribution(0.01, 1.0, log=True)
    record["distributions"] = {"learning_rate": json.loads(distribution_to_json(rate))}
    record["trials"] = record["trials"][1:]
    axis = figures(render_search_page("tiny", record, "macro-F1"))["slices"]["layout"]["xaxis"]
    assert (axis["type"], axis["nticks"]) == ("log", 3)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_several_objectives_have_a_front(number: int) -> None:
    objectives = ["quality", "size_mb", "latency_ms", "loss"][:number]
    text = render_search_page("tiny", record_of(objectives), "macro-F1")
    drawn = figures(text)
    assert list(drawn) == ["history", "front", "importance", "coordinates", "slices", "timeline"]
    assert {trace["type"] for trace in drawn["front"]["data"]} == {"scatter" if number == 2 else "scatter3d"}
    assert ("latency_ ms" in " ".join(Page(text).words.split())) == (number > 2), "a column of the table"


def test_a_search_in_which_everything_failed_still_has_its_table() -> None:
    record = search_report("it broke")
    record |= {"trials": record["trials"][2:], "trial": None, "score": None, "outlook": None}
    text = render_search_page("tiny", record, "macro-F1")
    assert list(figures(text)) == ["timeline"]
    assert "it broke" in Page(text).words


def test_a_key_that_only_a_failed_trial_had_is_not_drawn() -> None:
    record = record_of(["quality"])
    averaging = search_report()["distributions"]["training.averaging"]
    record["distributions"]["training.averaging"] = averaging
    record["trials"].append({**search_report()["trials"][2], "number": 10, "values": {"training.averaging": "none"}})
    drawn = figures(render_search_page("tiny", record, "macro-F1"))
    assert "training.averaging" not in json.dumps([drawn["slices"], drawn["coordinates"]])


def test_notes_and_values() -> None:
    trial = search_report()["trials"][0]
    broken = {"size_mb <= 1": {"violation": 1.0, "kept": False}, "loss <= 1": {"violation": 0.0, "kept": True}}
    assert tell_note(trial) == ""
    noted = {**trial, "copy_of": 3, "retry_of": 2, "constraints": broken, "stopped": "its process died"}
    assert tell_note(noted) == (
        "same values as trial 3, not trained again; again for trial 2; breaks size_mb <= 1; its process died"
    )
    assert [say_value(value) for value in (0.000123456, 16, [2, 3], True, "ema")] == [
        "0.0001235", "16", "[2, 3]", "True", "ema",
    ]  # fmt: skip
    assert name_objective("quality", "regression") == "R²"
    assert name_objective("loss", "single_label") == "loss"
