"""A fresh clone to measure in, and the results file."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textmill.evaluation.latency import hardware

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def fresh_clone(preset: str | None = None) -> Iterator[Path]:
    """A clone of the last commit, without cache or state, deleted at the end."""
    with TemporaryDirectory(prefix="textmill-") as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        if preset:
            run(Path(folder), "textmill", "use", preset)
        yield Path(folder)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the clone with this interpreter's tools and the clone's own code; its output goes to log.txt."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src")}
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    (folder / "log.txt").write_text(answer.stdout + answer.stderr, encoding="utf-8")
    if answer.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(answer.stdout + answer.stderr)[-3000:]}")
    return answer


def write_result(name: str, figures: dict[str, Any]) -> None:
    path = ROOT / "benchmarks/results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    result = {"hardware": hardware(), "commit": commit.stdout.strip(), **figures}
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
