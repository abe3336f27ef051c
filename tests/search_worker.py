"""A process that works on a study of trials that only sleep: `python -m tests.search_worker ORDER`, in JSON."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import optuna

from textmill.search.pruners import build_pruner
from textmill.search.samplers import build_sampler
from textmill.search.space import Dimension
from textmill.search.storage import open_storage
from textmill.search.work import Limits, OutOfTime, work

SPACE = {
    "x": Dimension("float", 0.5, 0.0, 1.0),
    "kind": Dimension("categorical", "plain", choices=("plain", "deep")),
    "depth": Dimension("int", 2, 1, 8, when={"kind": ("deep",)}),
}
NAME = "study"


def open_study(url: str, sampler: str = "random", directions: tuple[str, ...] = ("maximize",)) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # of a lock that another process waits for
    return optuna.create_study(
        study_name=NAME,
        storage=open_storage(url),
        directions=list(directions),
        sampler=build_sampler(sampler, seed=5),
        pruner=build_pruner("none", 1),
        load_if_exists=True,
    )


class Sleep:
    """An objective that writes each of its calls to a file, and sleeps in small steps until the deadline."""

    def __init__(self, calls: Path, seconds: float = 0.0, deadline: float | None = None):
        self.calls, self.seconds, self.deadline = calls, seconds, deadline

    def __call__(self, trial: optuna.Trial, values: Any) -> list[float]:
        with self.calls.open("a") as file:
            file.write(json.dumps([trial.number, os.getpid(), values]) + "\n")
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            time.sleep(min(0.01, self.seconds))
            if self.deadline is not None and time.monotonic() > self.deadline:
                raise OutOfTime
        return [values["x"]] * len(trial.study.directions)


def main(
    url: str,
    calls: str,
    num_trials: int,
    seconds: float,
    sampler: str = "random",
    grace_s: float = 60.0,
    num_together: int = 1,
) -> None:
    """Args:
    num_together: so many processes wait for one another before they begin.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    study, ready = open_study(url, sampler), Path(calls).with_name("ready")
    ready.mkdir(exist_ok=True)
    (ready / str(os.getpid())).touch()
    while len(list(ready.iterdir())) < num_together:
        time.sleep(0.01)
    work(study, Sleep(Path(calls), seconds), SPACE, {}, Limits(num_trials, 3, grace_s))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
