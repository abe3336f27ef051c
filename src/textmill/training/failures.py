"""What ends a training run: a loss that is no number any more, and memory that runs out."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from textmill.errors import UserError
from textmill.training.dataset import TrainingData
from textmill.training.settings import Settings

_NUM_DOCUMENTS = 8  # of a batch, named in a message


class DivergedTraining(UserError):
    """The loss or its gradient is not a number any more."""


class OutOfMemory(UserError):
    """A batch does not fit."""


@dataclass(frozen=True)
class StepFacts:
    """What one step computed, still on its device: reading it waits for the step. B documents."""

    step: int  # optimizer steps before it
    epoch: int  # from 0
    learning_rate: float
    loss: Tensor  # scalar
    gradient_norm: Tensor | None  # before clipping; None between the batches of one step
    index_B: Tensor  # positions in the train split
    may_overflow: bool  # fp16: a step whose gradient does is left out, and the next one scaled less

    def check(self) -> None:
        """Raises: DivergedTraining."""
        loss = self.loss.item()
        norm = 0.0 if self.gradient_norm is None else float(self.gradient_norm)
        if math.isfinite(loss) and (math.isfinite(norm) or self.may_overflow):
            return
        what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient norm is {norm}"
        positions = self.index_B.tolist()
        listed = ", ".join(map(str, positions[:_NUM_DOCUMENTS]))
        rest = f" and {len(positions) - _NUM_DOCUMENTS} more" if len(positions) > _NUM_DOCUMENTS else ""
        raise DivergedTraining(
            f"The training {what} at step {self.step} (epoch {self.epoch + 1}), at learning rate "
            f"{self.learning_rate:.3g}, in a batch of the documents {listed}{rest} (rows of data/splits/train.parquet, "
            "from 0). Lower the learning rate (tune.fixed or tune.space; of a recipe, its step's learning_rate) or "
            "training.gradient_clip, raise warmup_fraction, or set training.precision: 32-true."
        )


@contextmanager
def memory_explained(settings: Settings, data: TrainingData) -> Iterator[None]:
    """Say which keys to lower when memory runs out. Raises: OutOfMemory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        reason = _shortage(error)
        if reason is None:
            raise
        longest = int(data.train.window_lengths.max())
        raise OutOfMemory(
            f"Memory ran out in training: {reason}. Lower training.batch_size ({settings.batch_size}), "
            f"training.batch_tokens ({'null' if settings.batch_tokens is None else settings.batch_tokens}) or "
            f"tokenize.max_length (the longest here has {longest} tokens); training.accumulate "
            f"({settings.accumulate}) keeps the documents of a step when batches get smaller. train.trainer (now "
            f"accelerator: {settings.trainer.accelerator}, devices: {settings.trainer.devices}) chooses another device."
        ) from error


def _shortage(error: BaseException) -> str | None:
    """The memory that was asked for, in words, or None if the error is about something else."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return text.split(". ")[1] if ". " in text else text
    if isinstance(error, MemoryError):
        return text or "the machine has no more"
    if "can't allocate memory" in text or "std::bad_alloc" in text:  # of torch's CPU allocator
        asked = re.search(r"tried to allocate (\d+) bytes", text)
        return f"a tensor of {int(asked[1]) / 1e9:.2f} GB did not fit" if asked else "the machine has no more"
    return None
