"""Which running trials have lost their process.

Optuna has heartbeats for relational databases only; ours are plain attributes of a trial, so that journal files and the
gRPC proxy have them too. A process on this machine is known to be dead at once; one on another machine when it has
been silent for a while, by this machine's clock alone: clocks of two machines are never compared.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

# Attributes of trials. STOPPED is the reason of a trial that failed through no error of its own.
WORKER, BEAT, ATTEMPT, RETRY_OF, ERROR, STOPPED = "worker", "beat", "attempt", "retry_of", "error", "stopped"
DIED = "its process died"
LEFT = "the storage was away"
MAX_ATTEMPTS = 3  # of one trial whose process dies: what kills it may be the trial itself
BEATS_PER_GRACE = 4


def identity() -> dict[str, Any]:
    """This thread of this process, as the attribute of a trial.

    Returns:
        host: name, for people. machine: where process ids mean the same. pid. started: seconds from the machine's
        start to the process's, which tells ids that are used again, and which no change of the clock alters. thread.
    """
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": _started(psutil.Process()),
        "thread": threading.get_ident(),
    }


@contextmanager
def beating(trial: Trial, grace_s: float) -> Iterator[None]:
    """Show that somebody works on the trial, by counting up while the block runs."""
    storage, trial_id, stop = trial.storage, trial._trial_id, threading.Event()
    pause_s = grace_s / BEATS_PER_GRACE

    def beat() -> None:
        count = 0
        while not stop.wait(pause_s):
            count += 1
            try:
                storage.set_trial_user_attr(trial_id, BEAT, count)
            except Exception:  # the storage is away for a moment, or the trial was given up: the trial itself will see
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(pause_s)  # no longer: a storage that is away must not hold up the trial


class Watch:
    """Watches the running trials of a study, and gives up those without a process.

    `current` is the number of the trial that the watching thread itself runs.
    """

    def __init__(self, study: optuna.Study, grace_s: float):
        self.study, self.grace_s = study, grace_s
        self.current: int | None = None
        self._me = identity()
        self._seen: dict[int, tuple[int, float]] = {}  # last beat of each trial, and when it was seen first

    def retire_dead(self) -> list[int]:
        """Give up dead trials, whoever's they are; return the numbers of those given up here."""
        retired = []
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if (reason := self._why_dead(trial)) and retire(self.study, trial, reason):
                retired.append(trial.number)
        return retired

    def _why_dead(self, trial: FrozenTrial) -> str | None:
        worker = trial.user_attrs.get(WORKER, {})
        if worker == self._me:  # a thread has one trial at a time: others it lost when it could not write
            return None if trial.number == self.current else LEFT
        if worker.get("machine") == self._me["machine"]:
            return None if _lives(worker) else DIED
        now, beat = time.monotonic(), trial.user_attrs.get(BEAT, 0)
        last, since = self._seen.get(trial.number, (None, now))
        if beat != last:
            self._seen[trial.number] = (beat, now)
            return None
        return DIED if now - since > self.grace_s else None


def retire(study: optuna.Study, trial: FrozenTrial | Trial, reason: str) -> bool:
    """Mark a running trial as failed for a reason that is none of its own; return whether it was this call that did.

    A reason that was set before a kill kept it from being told stays. What is retried follows from the reasons: see
    `claims`.
    """
    try:
        if STOPPED not in trial.user_attrs:
            study._storage.set_trial_user_attr(trial._trial_id, STOPPED, reason)
        return study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    except UpdateFinishedTrialError:  # by its own process, or by another that watches
        return False


def _lives(worker: dict[str, Any]) -> bool:
    try:
        process = psutil.Process(worker["pid"])
        return process.status() != psutil.STATUS_ZOMBIE and abs(_started(process) - worker["started"]) < 1
    except psutil.NoSuchProcess:
        return False


def _started(process: psutil.Process) -> float:
    """Seconds from the machine's start to the process's. Both of psutil's figures shift with the clock, alike."""
    return round(process.create_time() - psutil.boot_time(), 2)


@cache
def _machine() -> str:
    """Host, boot and PID namespace: containers of one name, or a machine that has started anew, are others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return socket.gethostname()
