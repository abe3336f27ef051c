"""What a fresh process costs: time to its first answer, and the most memory it takes.

    python -m textmill.evaluation.cold_start < request.json

The process imports the runtime that serves, and nothing else; this module itself imports only what Python has at hand,
so that the clock starts before the work does. The files of model and libraries are mostly in the system's cache, as
they are where a server starts its second worker: a first start from a slow disk takes longer.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class ColdStart:
    """The medians of several processes.

    Attributes:
        startup_ms: from the import of the runtime, through the check of the bundle's files, to the first answer.
        memory_mb: most memory resident in MB (1e6 bytes), after some documents were answered one at a time.
        libraries_mb: of it, what Python and the runtime's libraries took before the bundle was loaded.
    """

    startup_ms: float
    memory_mb: float
    libraries_mb: float


def measure_cold_start(bundle: Path, texts: Sequence[str], *, threads: int, num_processes: int) -> ColdStart:
    """Start processes one after the other, each of which answers `texts`; at least one of both."""
    assert texts and num_processes
    request = json.dumps({"bundle": str(bundle.resolve()), "texts": list(texts), "threads": threads})
    source = str(Path(__file__).parents[2])  # this very copy of textmill, wherever it is installed or checked out
    path = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
    figures = []
    for _ in range(num_processes):
        answer = subprocess.run(
            [sys.executable, "-m", __name__],
            input=request,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        figures.append(json.loads(answer.stdout.splitlines()[-1]))
    return ColdStart(**{name: median(of[name] for of in figures) for name in figures[0]})


def main() -> None:
    """Answer the request on the standard input; print the figures of this process as JSON."""
    request = json.load(sys.stdin)
    start = time.perf_counter()
    from textmill.runtime import Classifier

    libraries_mb = _peak_mb()
    classifier = Classifier.load(Path(request["bundle"]), threads=request["threads"])
    first, *others = request["texts"]
    classifier.predict([first])
    startup_ms = 1e3 * (time.perf_counter() - start)
    for text in others:
        classifier.predict([text])
    print(json.dumps({"startup_ms": startup_ms, "memory_mb": _peak_mb(), "libraries_mb": libraries_mb}))


def _peak_mb() -> float:
    """Most memory that was resident in this process, in MB (1e6 bytes).

    Linux's `ru_maxrss` lives on through exec: a child would report the memory of the large process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main()
