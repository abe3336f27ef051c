"""How long the default job takes, and how much of a second `dvc repro` is ours.

python -m benchmarks.bench_pipeline [--preset bbc-news]
"""

import argparse
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from benchmarks.clone import fresh_clone, run, write_result
from textmill.artifacts import read_json

NUM_RUNS = 5


class PeakMemory:
    """The largest sum of resident memory over a process's descendants, read 5 times a second, in MB."""

    def __enter__(self) -> "PeakMemory":
        self.peak_mb, self._done = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak_mb = max(self.peak_mb, total / 1e6)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def seconds(folder: Path, *command: str) -> float:
    start = time.perf_counter()
    run(folder, *command)
    return time.perf_counter() - start


def bare_dvc(folder: Path) -> list[float]:
    """A second `dvc repro` of as many stages that do nothing, with the same number of dependencies each."""
    bare = folder / "bare"
    bare.mkdir()
    num_stages = run(folder, "dvc", "stage", "list", "--name-only").stdout.count("\n")
    stages = []
    for i in range(num_stages):
        (bare / f"in{i}").write_text(str(i))
        previous = f"\n    - out{i - 1}" if i else ""
        stages.append(f"  s{i}:\n    cmd: cp in{i} out{i}\n    deps:\n    - in{i}{previous}\n    outs:\n    - out{i}")
    (bare / "dvc.yaml").write_text("stages:\n" + "\n".join(stages) + "\n")
    run(bare, "dvc", "init", "--no-scm", "--quiet")
    run(bare, "dvc", "repro", "--quiet")
    return [seconds(bare, "dvc", "repro") for _ in range(NUM_RUNS)]


def to_params(folder: Path, stage: str) -> float:
    """Seconds from nothing to parsed parameters in a stage's process, imports of its file included."""
    code = f"import pipeline.{stage} as stage; from textmill.config import load_params; load_params()"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset")
    preset = parser.parse_args().preset
    with fresh_clone(preset) as folder:
        with PeakMemory() as memory:
            first = seconds(folder, "dvc", "repro")
        second = [seconds(folder, "dvc", "repro") for _ in range(NUM_RUNS)]
        bare = bare_dvc(folder)
        stages = sorted(path.stem for path in (folder / "pipeline").glob("[a-z]*.py"))
        figures = {
            "first_repro_s": round(first, 1),
            "peak_memory_mb": round(memory.peak_mb),
            "second_repro_s": round(statistics.median(second), 2),
            "bare_dvc_second_repro_s": round(statistics.median(bare), 2),
            "second_to_bare_ratio": round(statistics.median(second) / statistics.median(bare), 2),
            "to_params_s": {stage: round(min(to_params(folder, stage) for _ in range(3)), 2) for stage in stages},
            "test_f1_macro": {
                name: read_json(folder / f"reports/test/{name}/metrics.json")["f1_macro"]
                for name in ("full", "baseline")
            },
        }
    write_result(f"pipeline-{preset or 'default'}", figures)


if __name__ == "__main__":
    main()
