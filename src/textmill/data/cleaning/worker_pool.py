"""Applies a function to batches in all cores, in order, with a bounded number of batches in memory."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

from textmill.errors import UserError

Context = TypeVar("Context")
Argument = TypeVar("Argument")
Result = TypeVar("Result")


class WorkerDied(UserError):
    """A worker process was ended from outside."""


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(
    function: Callable[[Argument], Result], batches: Iterable[tuple[Context, Argument]], num_workers: int
) -> Iterator[tuple[Context, Result]]:
    """Yield each context with the function's result, in the order of the batches.

    Workers are fresh processes (spawn: a fork would copy the locks of Arrow's threads), which end with this one, even
    if it is killed. One worker, or none, is this process itself.

    Args:
        function: a function of a module, or a partial of one.
        batches: pairs of what stays here and what the function gets; read as they are needed.

    Raises: WorkerDied.
    """
    if num_workers <= 1:
        for context, argument in batches:
            yield context, function(argument)
        return
    waiting: deque[tuple[Context, Future[Result]]] = deque()
    pool = ProcessPoolExecutor(num_workers, get_context("spawn"), initializer=_start_worker)
    try:
        for context, argument in batches:
            waiting.append((context, pool.submit(function, argument)))
            if len(waiting) > 2 * num_workers:
                context, future = waiting.popleft()
                yield context, future.result()
        while waiting:
            context, future = waiting.popleft()
            yield context, future.result()
    except BrokenProcessPool:
        raise WorkerDied(
            "A worker process was ended from outside, which most often means that the machine ran out of memory. Close "
            "other programs, or let fewer processes run: `taskset -c 0 dvc repro` uses one core."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    os.environ["RAYON_NUM_THREADS"] = "1"  # the processes are the parallelism
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
