"""The stages of dvc.yaml, one file each: load, call, save.

A stage imports what is heavy inside `run`, so that a mistake in params.yaml is told before seconds of imports.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# `dvc exp run --temp` works in a clone; its own src/ comes before the installed (editable) checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from textmill.config import Params, load_params
from textmill.errors import UserError
from textmill.paths import Paths

_PARENT = os.getppid()


class StageIsRunning(UserError):
    """Another process works on the same stage of the same repository."""


def main(run: Callable[..., None], *arguments: str) -> None:
    """Run a stage; a mistake of the user's is told in one paragraph, with exit code 1."""
    try:
        run(load_params(), Paths.here(), *arguments)
    except UserError as error:
        from rich.console import Console

        console = Console(stderr=True, soft_wrap=True)
        console.print("\ntextmill:", style="bold red", end=" ")
        console.print(str(error), markup=False, highlight=False)
        console.print(
            "Earlier outputs are kept in DVC's cache: `dvc checkout` brings them back.", style="dim", highlight=False
        )
        raise SystemExit(1) from None


@contextmanager
def alone(paths: Paths, stage: str) -> Iterator[None]:
    """Hold the stage's lock, and die with the process that started it.

    A `dvc` that is killed leaves its child running; without this, the next `dvc repro` would start a second one beside
    it, on the same study and the same checkpoints.

    Raises: StageIsRunning.
    """
    import ctypes
    import signal

    from filelock import FileLock, Timeout

    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
        if os.getppid() != _PARENT:  # it died while this stage was importing
            raise SystemExit(1)
    lock = paths.lock(stage)
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=5):
            yield
    except Timeout:
        raise StageIsRunning(
            f"{stage} is already running in another process, which holds {lock}. Wait for it, or end it."
        ) from None


__all__ = ["Params", "Paths", "alone", "main"]
