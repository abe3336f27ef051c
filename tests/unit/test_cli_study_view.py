"""A study on the terminal: what others have written into a shared storage is text, and moves no cursor."""

from typing import Any

import pytest

from tests.tiny_reports import search_report
from textmill.cli.study_view import show_study

EVIL = "[red]it[/red] broke[/nope] \x1b[31m"


def test_texts_of_others_are_no_markup(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    record: dict[str, Any] = {**search_report(EVIL), "study": EVIL, "objectives": [EVIL, "[/size]"]}
    show_study({**record, "storage": "sqlite:///a.db", "num_trials": 3, "task": None, "pinned": [], "best": 0})
    text = capsys.readouterr().out
    shown = EVIL.replace("\x1b", " ")
    assert text.startswith(f"{shown}: 2 of 3 trials finished")
    heading = next(line for line in text.splitlines() if line.startswith("trial"))
    assert shown in heading
    assert "[/size]" in heading
    assert text.count("[red]it[/red] broke[/nope]") >= 4, "name, heading, value, error"
    assert "\x1b" not in text
