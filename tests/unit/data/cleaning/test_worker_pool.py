"""Batches come back in order, few at a time, and no process outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import psutil
import pytest

from tests.stage.stages import REPOSITORY
from textmill.data.cleaning.worker_pool import WorkerDied, map_in_order


def double(number, delay=0.0):
    time.sleep(delay * (5 - number % 5))
    return 2 * number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number):
    raise ValueError(f"{number} is wrong")


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_results_come_in_order(num_workers):
    answers = map_in_order(partial(double, delay=0.002), ((str(i), i) for i in range(30)), num_workers)
    assert list(answers) == [(str(i), 2 * i) for i in range(30)]


def test_batches_are_read_as_they_are_needed():
    read = []

    def batches():
        for i in range(100):
            read.append(i)
            yield i, i

    answers = map_in_order(double, batches(), 2)
    next(answers)
    assert len(read) <= 2 * 2 + 2
    answers.close()
    assert len(read) < 10


def test_a_mistake_in_a_worker_is_raised_here():
    with pytest.raises(ValueError, match="3 is wrong"):
        list(map_in_order(fail, ((i, i) for i in range(3, 9)), 2))


def test_a_worker_that_is_killed_is_told():
    with pytest.raises(WorkerDied, match=r"ran out of memory.*taskset"):
        list(map_in_order(die, ((i, i) for i in range(9)), 2))


PARENT = """
import sys, time
sys.path[:0] = [{root!r}, {src!r}]
from functools import partial
from textmill.data.cleaning.worker_pool import map_in_order
if __name__ == "__main__":
    answers = map_in_order(time.sleep, ((i, 0.05) for i in range(100000)), 2)
    for _ in range(3):
        next(answers)
    print("working", flush=True)
    for _ in answers:
        pass
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_a_parent_that_is_killed(how, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(root=str(REPOSITORY), src=str(REPOSITORY / "src")))
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout.readline() == "working\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
        parent.send_signal(how)
        parent.wait(20)
        _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
