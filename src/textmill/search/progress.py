"""How far a study is: a bar on a terminal, else a line for each trial that has ended."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from textmill.search.claims import FINISHED, SURPLUS
from textmill.search.liveness import ERROR, STOPPED
from textmill.search.work import COPY_OF


class Progress:
    """Shows a study's progress; a context, in which `show` is given all its trials from time to time.

    With one worker here on a terminal, each trial draws a bar of its own, which `name` labels; the study then has
    lines, for two bars would write over one another.
    """

    def __init__(self, num_trials: int, num_workers: int, figure: str = "score", *, maximize: bool = True):
        """Args:
        num_trials: finished trials wanted.
        num_workers: processes here.
        figure: the first objective in words.
        """
        self.num_trials, self.figure, self.maximize = num_trials, figure, maximize
        self.has_bar = num_workers > 1 and sys.stderr.isatty()
        self._own_bars = num_workers == 1
        self._bar: Any = None
        self._trials: Sequence[FrozenTrial] = ()
        self._told: set[int] | None = None  # numbers of the trials that have ended before, or had a line

    def __enter__(self) -> "Progress":
        if self.has_bar:
            from tqdm import tqdm

            self._bar = tqdm(total=self.num_trials, desc="tune", bar_format="{desc} |{bar:20}|")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, trials: Sequence[FrozenTrial]) -> None:
        self._trials = trials
        ended = [trial for trial in trials if trial.state.is_finished() and trial.user_attrs.get(STOPPED) != SURPLUS]
        fresh = [] if self._told is None else [trial for trial in ended if trial.number not in self._told]
        if self._told is None and ended and not self.has_bar:
            print(
                f"tune: goes on with {self._count()}/{self.num_trials} trials finished{self._tell_best()}", flush=True
            )
        self._told = {trial.number for trial in ended}
        for trial in fresh:
            if self._bar is None:
                print(f"{self._tell_trial(trial)} | {self.summary()}", flush=True)
            elif ERROR in trial.user_attrs:
                self._bar.write(self._tell_trial(trial))
        if self._bar is not None:
            self._bar.n = self._count()
            self._bar.set_description_str(f"tune: {self.summary()}")

    def name(self, trial: Trial) -> str | None:
        """What a trial's bar, or its lines, are called; None with several workers, whose trials have none."""
        if not self._own_bars:
            return None
        name = f"trial {min(self._count() + 1, self.num_trials)}/{self.num_trials}"
        return f"{name}{self._tell_best()}{self._tell_left()}" if sys.stdout.isatty() else name

    def summary(self) -> str:
        """The study in one line: finished, best, running, pruned, failed, time left."""
        states = [trial.state for trial in self._trials if trial.user_attrs.get(STOPPED) != SURPLUS]
        parts = [f"{self._count()}/{self.num_trials} trials"]
        if best := self._tell_best().removeprefix(", "):
            parts.append(best)
        for state, word in (
            (TrialState.RUNNING, "running"),
            (TrialState.PRUNED, "pruned"),
            (TrialState.FAIL, "failed"),
        ):
            if number := states.count(state):
                parts.append(f"{number} {word}")
        if left := self._tell_left().removeprefix(", "):
            parts.append(left)
        return ", ".join(parts)

    def _count(self) -> int:
        return sum(trial.state in FINISHED for trial in self._trials)

    def _tell_best(self) -> str:
        best = find_best(self._trials, maximize=self.maximize)
        return "" if best is None else f", best {self.figure} {best.values[0]:.4f} (trial {best.number})"

    def _tell_left(self) -> str:
        seconds = time_left(self._trials, self.num_trials, datetime.now())
        return "" if not seconds else f", about {say_seconds(seconds)} left"

    def _tell_trial(self, trial: FrozenTrial) -> str:
        told = f"trial {trial.number}: {trial.state.name.lower()}"
        if trial.state == TrialState.COMPLETE:
            told += f", {self.figure} {trial.values[0]:.4f}"
        elif trial.state == TrialState.PRUNED and trial.intermediate_values:
            told += f" at {trial.intermediate_values[max(trial.intermediate_values)]:.4f}"
        elif reason := trial.user_attrs.get(ERROR) or trial.user_attrs.get(STOPPED):
            told += f", {reason}"
        if COPY_OF in trial.user_attrs:
            return f"{told}, as trial {trial.user_attrs[COPY_OF]}, which had the same values"
        return told if trial.duration is None else f"{told} in {say_seconds(trial.duration.total_seconds())}"


def find_best(trials: Sequence[FrozenTrial], *, maximize: bool = True) -> FrozenTrial | None:
    """The complete trial with the best first objective that keeps all constraints; the first of several."""
    kept = [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE and all(violation <= 0 for violation in trial.constraints.values())
    ]
    return (max if maximize else min)(kept, key=lambda trial: trial.values[0], default=None)


def time_left(trials: Sequence[FrozenTrial], num_trials: int, now: datetime) -> float | None:
    """Seconds until `num_trials` are finished, or None before the first is.

    Those that are missing take as long as the finished ones did on average, as many at a time as are running now.
    """
    took = [
        trial.duration.total_seconds()
        for trial in trials
        if trial.state in FINISHED and trial.duration is not None and COPY_OF not in trial.user_attrs
    ]
    if not took:
        return None
    mean = sum(took) / len(took)
    running = [trial.datetime_start for trial in trials if trial.state == TrialState.RUNNING and trial.datetime_start]
    done = sum(min((now - started).total_seconds(), mean) for started in running)
    missing = num_trials - sum(trial.state in FINISHED for trial in trials)
    return max(missing * mean - done, 0.0) / max(len(running), 1)


def say_seconds(seconds: float) -> str:
    """12.3 s, 4 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
