"""How fast a bundle answers, and on what hardware."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.answers import output_of
from textmill.runtime import Classifier

_WARM_UP = 10  # documents, or one batch: the first runs allocate memory
_REPEATS = 3


def predict_one_by_one(
    classifier: Classifier, texts: Sequence[str], progress: Callable[[int], None] | None = None
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Send each document alone, from raw text to the output, as a caller of the served model does.

    Args:
        progress: called with 1 after each document.

    Returns:
        Probabilities [N, C], or numbers [N] for regression, and milliseconds [N] of wall time.
    """
    predict = output_of(classifier)
    for text in texts[:_WARM_UP]:
        predict([text])
    outputs = []
    milliseconds_N = np.empty(len(texts))
    for i, text in enumerate(texts):
        start = time.perf_counter()
        outputs.append(predict([text])[0])
        milliseconds_N[i] = 1e3 * (time.perf_counter() - start)
        if progress:
            progress(1)
    return np.array(outputs), milliseconds_N


def throughput(classifier: Classifier, texts: Sequence[str], batch_size: int) -> float:
    """Documents per second in batches, the median of three passes over `texts`.

    The model runs on the classifier's threads; splitting into tokens, a small share, uses all cores.
    """
    predict = output_of(classifier)
    predict(texts[:batch_size], batch_size)
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        predict(texts, batch_size)
        seconds.append(time.perf_counter() - start)
    return len(texts) / float(np.median(seconds))


def hardware() -> dict[str, str | int | float]:
    """What a latency must be read with: processor, cores we may use, memory in GB (1e9 bytes), system, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gb": round(memory / 1e9, 1),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
    }


def _processor() -> str:
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
