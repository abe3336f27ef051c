"""Time limits that end a trial wherever it is."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from textmill.errors import UserError
from textmill.search.work import OutOfTime

_AGAIN_S = 2.0  # an exception that was raised where none can leave, as in a finalizer, is raised again


class TrialTooLong(UserError):
    """A trial took longer than compress.search.trial_minutes."""


class _TimeIsUp(BaseException):
    """Passes by all that handles errors, such as an import of something optional."""


@contextmanager
def within(trial_minutes: float | None, deadline: float | None) -> Iterator[None]:
    """End the block by an exception when its time is up. It is raised in the main thread, which trials run in.

    Args:
        trial_minutes: of this trial.
        deadline: of the search, by time.monotonic().

    Raises: TrialTooLong; OutOfTime, of the search, which runs the trial again when it goes on.
    """
    assert threading.current_thread() is threading.main_thread()
    left_s = [] if deadline is None else [(deadline - time.monotonic(), False)]
    left_s += [] if trial_minutes is None else [(60 * trial_minutes, True)]
    if not left_s:
        yield
        return
    seconds, is_of_trial = min(left_s)
    if seconds <= 0:
        raise OutOfTime

    def end(number: int, frame: FrameType | None) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    except _TimeIsUp:
        if is_of_trial:
            told = f"It took longer than compress.search.trial_minutes ({trial_minutes:g})."
            raise TrialTooLong(told) from None
        raise OutOfTime from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
