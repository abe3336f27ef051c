import time

import pytest

from textmill.budget_search.limits import TrialTooLong, within
from textmill.search.work import OutOfTime


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_trial_that_takes_too_long_is_ended_where_it_is():
    start = time.monotonic()
    with pytest.raises(TrialTooLong, match=r"trial_minutes \(0.001\)"), within(0.001, start + 60):
        spin(30)
    assert time.monotonic() - start < 10


def test_what_handles_errors_does_not_hold_it_up():
    with pytest.raises(TrialTooLong), within(0.001, None):
        while True:
            try:
                spin(1)
            except Exception:
                continue


def test_the_deadline_of_the_search_is_told_apart():
    with pytest.raises(OutOfTime), within(10, time.monotonic() + 0.05):
        spin(30)
    with pytest.raises(OutOfTime), within(None, time.monotonic() - 1):
        raise AssertionError("a block is not begun when the time is up")


def test_nothing_comes_after_the_block():
    with within(0.002, None):
        pass
    time.sleep(0.2)
    with within(None, None):
        spin(0.01)
