"""What the teacher answers, computed once, for every recipe with the same teacher and documents.

Shape suffixes: N documents, C outputs.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from textmill.data.tokens import TokenArrays
from textmill.training.fit import predict_logits
from textmill.training.settings import Settings

KEPT_FILES = 32  # answers of the teachers used last
SOME_DOCUMENTS = 4096  # answered at once: what a kill loses


class Answers(NamedTuple):
    logits_NC: Tensor  # float32, mapped from the file
    num_computed: int  # documents that the teacher was asked now; the others had been answered before


def teacher_answers(
    teacher: Any, tokens: TokenArrays, pad_id: int, num_outputs: int, settings: Settings, folder: Path
) -> Answers:
    """The teacher's logits of every document, in evaluation mode.

    Answers that are in `folder` are taken; what is missing of them is computed, a few thousand documents at a time, so
    that a run which is killed does not begin anew.
    """
    path = folder / f"{_key(teacher, tokens, pad_id, settings)}.npy"
    shape = (len(tokens), num_outputs)
    num_computed = 0
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        answers_NC = _open(partial, shape)
        for part in _unanswered(answers_NC):
            logits = predict_logits(teacher, _documents(tokens, part), pad_id, num_outputs, settings)
            answers_NC[part] = logits.numpy()
            answers_NC.flush()
            num_computed += part.stop - part.start
        del answers_NC
        partial.replace(path)
        _forget_old(folder)
    path.touch()  # used now
    # Copy on write: torch wants an array that may be written to.
    return Answers(torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False)), num_computed)


def _open(path: Path, shape: tuple[int, int]) -> np.memmap[Any, Any]:
    """A file of logits, NaN where there is no answer yet."""
    if path.exists():
        try:
            found = np.lib.format.open_memmap(path, mode="r+")
            if found.shape == shape:
                return found
        except ValueError:
            pass  # killed while it was made
    answers_NC = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    answers_NC[:] = np.nan
    return answers_NC


def _unanswered(answers_NC: Any) -> Iterator[slice]:
    for start in range(0, len(answers_NC), SOME_DOCUMENTS):
        part = slice(start, min(start + SOME_DOCUMENTS, len(answers_NC)))
        if np.isnan(answers_NC[part]).any():
            yield part


def _documents(tokens: TokenArrays, part: slice) -> TokenArrays:
    """Those documents alone; their ids stay where they are."""
    windows = tokens.windows[part.start : part.stop + 1]
    offsets = tokens.offsets[windows[0] : windows[-1] + 1]
    return replace(tokens, offsets=offsets, windows=windows - windows[0], labels=tokens.labels[part])


def _key(teacher: Any, tokens: TokenArrays, pad_id: int, settings: Settings) -> str:
    """A hash of all that decides the answers: weights, token ids, and how batches are computed."""
    how = {
        "architecture": teacher.architecture(),
        "pad_id": pad_id,
        "precision": settings.precision,
        "accelerator": settings.trainer.accelerator,
        "batch": [settings.batch_size, settings.batch_tokens, SOME_DOCUMENTS],
    }
    digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
    for name, tensor in sorted(teacher.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for array in (tokens.ids, tokens.offsets, tokens.windows):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]


def _forget_old(folder: Path) -> None:
    """Keep the files that were used last. One that another process has mapped stays readable to it."""
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in files[KEPT_FILES:]:
        path.unlink(missing_ok=True)
