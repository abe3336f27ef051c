"""Trainings that end before their time, as if they were killed."""

from typing import Any

import pytest
import pytorch_lightning as pl

from textmill.compression import recovery


class Stopped(Exception):
    """Stands for a kill: nothing is saved because of it."""


class StopAfter(pl.Callback):
    """Ends a run after so many batches of its own, after what else watches a batch."""

    def __init__(self, num_batches: int):
        self.remaining = num_batches

    def on_train_batch_start(self, *_: Any) -> None:
        self.remaining -= 1
        if self.remaining < 0:
            raise Stopped


def stop_recovery(patched: pytest.MonkeyPatch, num_batches: int) -> None:
    """Let the training of a recipe's step end so."""
    real = recovery.fit

    def fit(*given: Any, **named: Any) -> Any:
        return real(*given, **{**named, "callbacks": [*named["callbacks"], StopAfter(num_batches)]})

    patched.setattr(recovery, "fit", fit)
