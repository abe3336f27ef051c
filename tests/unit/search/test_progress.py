"""Progress in lines and as a bar; what is left, worked out by hand."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from textmill.search.claims import SURPLUS
from textmill.search.liveness import ERROR, STOPPED
from textmill.search.progress import Progress, find_best, say_seconds, time_left
from textmill.search.work import COPY_OF

NOW = datetime(2026, 11, 22, 12)


def trial(
    number: int, state: str, score: float | None = None, seconds: float = 10.0, limit: float = 0.0, **attributes: Any
) -> FrozenTrial:
    """A trial that ended just now, or has run for `seconds`."""
    running = state == "RUNNING"
    found = FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState[state],
        value=score if state == "COMPLETE" else None,
        datetime_start=NOW - timedelta(seconds=seconds),
        datetime_complete=None if running else NOW,
        params={},
        distributions={},
        user_attrs=attributes,
        system_attrs={},
        intermediate_values={1: score} if score is not None else {},
    )
    found.set_constraint("size_mb <= 5", limit)
    return found


DONE = [trial(0, "COMPLETE", 0.5, 10), trial(1, "PRUNED", 0.4, 2), trial(2, "FAIL", **{ERROR: "it broke"})]


def test_time_left_is_that_of_the_missing_over_those_that_run() -> None:
    assert time_left(DONE, 6, NOW) == pytest.approx(4 * 6), "two took 6 s on average; four are missing, one at a time"
    two = [trial(3, "RUNNING", seconds=3), trial(4, "RUNNING", seconds=60)]
    assert time_left([*DONE, *two], 6, NOW) == pytest.approx((4 * 6 - 3 - 6) / 2), "what has run is done, 6 s at most"
    assert time_left(DONE[2:], 6, NOW) is None
    assert time_left(DONE, 2, NOW) == 0
    assert time_left([*DONE, trial(5, "COMPLETE", 0.5, 0.1, **{COPY_OF: 0})], 6, NOW) == pytest.approx(3 * 6)


def test_the_best_keeps_the_limits() -> None:
    trials = [*DONE, trial(3, "COMPLETE", 0.9, limit=0.1), trial(4, "COMPLETE", 0.6), trial(5, "COMPLETE", 0.6)]
    best, lowest = find_best(trials), find_best(trials, maximize=False)
    assert best is not None and best.number == 4
    assert lowest is not None and lowest.number == 0
    assert find_best(DONE[1:]) is None


def test_each_trial_that_ends_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    given_back = trial(3, "FAIL", **{STOPPED: SURPLUS})
    with Progress(4, 2, "macro-F1") as progress:
        progress.show([])
        progress.show(DONE[:1])
        progress.show(DONE[:1])
        progress.show([*DONE, given_back, trial(4, "RUNNING", seconds=1)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "trial 0: complete, macro-F1 0.5000 in 10.0 s | 1/4 trials, best macro-F1 0.5000 (trial 0)"
    )
    assert lines[1].startswith("trial 1: pruned at 0.4000 in 2.0 s | 2/4 trials")
    assert lines[2].startswith("trial 2: fail, it broke in 10.0 s | 2/4 trials")
    assert "1 running, 1 pruned, 1 failed, about" in lines[2]
    assert len(lines) == 3


def test_a_study_that_goes_on_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(4, 1) as progress:
        progress.show(DONE)
        progress.show(DONE)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "tune: goes on with 2/4 trials finished, best score 0.5000 (trial 0)"


def test_only_a_single_worker_names_bars_of_trials() -> None:
    named: list[str | None] = []
    for num_workers in (1, 2):
        with Progress(4, num_workers, "macro-F1") as progress:
            progress.show(DONE)
            named.append(progress.name(None))  # type: ignore[arg-type]
    assert named[0] == "trial 3/4", "without a terminal every epoch has a line"
    assert named[1] is None


def read_all(terminal: int) -> Iterator[str]:
    with open(terminal, "rb", buffering=0) as file, suppress(OSError):  # the other side is closed
        while part := file.read(100_000):
            yield part.decode()


def test_a_terminal_has_a_bar() -> None:
    code = (
        "from tests.unit.search.test_progress import DONE\n"
        "from textmill.search.progress import Progress\n"
        "with Progress(4, 2, 'macro-F1') as progress:\n"
        "    progress.show([])\n"
        "    progress.show(DONE)\n"
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    subprocess.run([sys.executable, "-c", code], stderr=theirs, stdout=theirs, check=True)
    os.close(theirs)
    shown = "".join(read_all(ours))
    assert "tune: 2/4 trials, best macro-F1 0.5000 (trial 0), 1 pruned, 1 failed, about 12.0 s left |█████" in shown
    assert "trial 2: fail, it broke" in shown
    assert "trial 0: complete" not in shown


@pytest.mark.parametrize(("seconds", "said"), [(12.34, "12.3 s"), (240, "4 min"), (12600, "3.5 h")])
def test_seconds(seconds: float, said: str) -> None:
    assert say_seconds(seconds) == said
