"""The workers of a study here: this process, or several that it watches over."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import optuna
import torch
from optuna.trial import FrozenTrial, Trial

from textmill.config import Params
from textmill.errors import UserError
from textmill.paths import Paths
from textmill.search.claims import FINISHED
from textmill.search.processes import born_quiet, die_with_parent, interruptible, num_cores
from textmill.search.setup import run_trials
from textmill.search.storage_errors import is_of_storage, telling
from textmill.search.study import StudySettings, open_study

_POLL_S = 1.0
_FAREWELL_S = 20  # for a worker to give its trial back, before it is killed
_LONGEST = 10_000  # characters of what ended a worker: a pipe holds so much before it is read
_INTERRUPTED = 130  # exit code of a process that was asked to end, as shells have it


class Interrupted(UserError):
    """Ctrl-C, or a polite kill."""


class WorkersDied(UserError):
    """As many workers as tune.max_failures allows were killed from outside."""


class WorkerFailed(RuntimeError):
    """A worker ended with an error that is none of the user's."""


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Watching:
    """What is told while the study goes on, always in the process that called `run`."""

    on_ended: Callable[[Sequence[FrozenTrial]], None] = lambda trials: None  # once of each trial, whoever ran it
    show: Callable[[Sequence[FrozenTrial]], None] = lambda trials: None  # all trials; about once a second with several
    name: Callable[[Trial], str | None] = lambda trial: None  # what a trial's own bar is called, with one worker
    say: Callable[[str], None] = _print  # a line about the workers


def run(
    params: Params, paths: Paths, settings: StudySettings, study: optuna.Study, num_workers: int, watching: Watching
) -> None:
    """Work on the study until it has the trials that params.yaml asks for, or the time is up.

    One worker is this process. Several are processes of their own, each with its share of the processors, which end
    with this one whatever ends it; one that dies is replaced.

    Raises: TooManyFailures, WorkersDied, Interrupted, StorageUnusable, and what else ends a worker; WorkerFailed.
    """
    minutes = params.tune.timeout_minutes
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    follower = _Follower(study, watching)
    with telling(settings.storage), interruptible():
        try:
            follower.look()
            if num_workers == 1:
                run_trials(params, paths, study, deadline=deadline, on_trial=follower.glance, progress=watching.name)
            else:
                _Crew((params, paths, settings, deadline), num_workers, follower).work()
            follower.look()
        except (KeyboardInterrupt, SystemExit):  # Lightning makes the second of the first
            raise Interrupted(_tell_interrupted(study, params.tune.num_trials)) from None


class _Follower:
    """Tells what has happened in the study since it looked last."""

    def __init__(self, study: optuna.Study, watching: Watching):
        self.study, self.watching = study, watching
        self._told: set[int] = set()

    def glance(self, _: FrozenTrial | None = None) -> None:
        """Look, unless the storage is away: how long it is waited for, the workers know."""
        try:
            self.look()
        except Exception as error:
            if not is_of_storage(error):
                raise

    def look(self) -> list[FrozenTrial]:
        """Tell of the trials that have ended since, and return them."""
        trials = self.study.get_trials(deepcopy=False)
        fresh = [trial for trial in trials if trial.state.is_finished() and trial.number not in self._told]
        self._told |= {trial.number for trial in fresh}
        self.watching.show(trials)
        if fresh:
            self.watching.on_ended(fresh)
        return fresh


class _Crew:
    """Workers in processes of their own."""

    def __init__(self, order: "tuple[Params, Paths, StudySettings, float | None]", size: int, follower: _Follower):
        self.order, self.size, self.follower = order, size, follower
        self.members: dict[BaseProcess, Connection] = {}
        self.num_deaths = 0

    def work(self) -> None:
        try:
            for _ in range(self.size):
                self._start()
            while self.members:
                wait([member.sentinel for member in self.members], timeout=_POLL_S)
                for member in [member for member in self.members if member.exitcode is not None]:
                    self._see_off(member)
                self.follower.glance()
        finally:
            self._end()

    def _start(self) -> None:
        context, num_threads = get_context("spawn"), max(1, num_cores() // self.size)
        receiver, sender = context.Pipe(duplex=False)
        # As a daemon, it is ended at our exit, should an interrupt come before it is one of the members.
        arguments = (*self.order, num_threads, os.getpid(), sender)
        member = context.Process(target=_work_there, args=arguments, daemon=True)
        with born_quiet(OMP_NUM_THREADS=str(num_threads)):  # is read when torch is imported
            member.start()
        sender.close()
        self.members[member] = receiver

    def _see_off(self, member: BaseProcess) -> None:
        """A worker has ended: pass on its error, or replace it where it was killed."""
        receiver = self.members.pop(member)
        try:
            kind, told = receiver.recv()
        except (EOFError, OSError):  # nothing, or not all of it
            kind, told = None, ""
        receiver.close()
        if kind is not None:
            raise kind.__new__(kind, told)
        assert member.exitcode is not None
        if member.exitcode == _INTERRUPTED:
            raise KeyboardInterrupt
        if member.exitcode == 0:
            return
        self.num_deaths += 1
        signalled = member.exitcode < 0
        how = signal.Signals(-member.exitcode).name if signalled else f"exit code {member.exitcode}"
        memory = ", as where memory runs out" if member.exitcode == -signal.SIGKILL else ""
        self.follower.watching.say(f"tune: worker {member.pid} died ({how}{memory}); its trial is run again.")
        limit = self.order[0].tune.max_failures
        if self.num_deaths >= limit:
            raise WorkersDied(
                f"{self.num_deaths} workers were killed ({how}{memory}), which is what tune.max_failures allows. What "
                "is finished is kept. Start fewer workers, or lower training.batch_size; or raise tune.max_failures."
            )
        self._start()

    def _end(self) -> None:
        """Ask all to end, and end those that do not."""
        until = time.monotonic() + _FAREWELL_S
        for member in self.members:
            member.terminate()
        try:
            for member in self.members:
                member.join(max(0.0, until - time.monotonic()))
        finally:
            for member in self.members:
                member.kill()


def _work_there(
    params: Params,
    paths: Paths,
    settings: StudySettings,
    deadline: float | None,
    num_threads: int,
    parent: int,
    sender: Connection,
) -> None:
    """The life of a worker that is a process of its own; what ends it is sent as (type, words)."""
    die_with_parent(parent)
    torch.set_num_threads(num_threads)
    try:
        with interruptible(_FAREWELL_S), telling(settings.storage):
            run_trials(params, paths, open_study(settings), deadline=deadline)
    except (KeyboardInterrupt, SystemExit):
        raise SystemExit(_INTERRUPTED) from None
    except UserError as error:
        sender.send((type(error), str(error)[:_LONGEST]))
    except Exception:
        told = traceback.format_exc()[-_LONGEST:]
        sender.send((WorkerFailed, f"Worker {os.getpid()} ended with an error.\n{told}"))


def _tell_interrupted(study: optuna.Study, num_trials: int) -> str:
    finished = len(study.get_trials(deepcopy=False, states=FINISHED))
    return (
        f"Interrupted. {finished} of {num_trials} trials of study {study.study_name} are finished and kept; the same "
        "command goes on with the rest."
    )
