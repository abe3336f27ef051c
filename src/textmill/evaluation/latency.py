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
_MOST_SECONDS = 5.0  # of the passes over all documents, after which none is begun
_CURVE_SECONDS = 1.0  # of each point of the curve, after which no batch is begun
# What decides how fast int8 is beside float32, on x86 and ARM.
_INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")


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
    """Documents per second in batches, the median of three passes over `texts`, of fewer where they take seconds.

    The model runs on the classifier's threads; splitting into tokens, a small share, uses all cores.
    """
    predict = output_of(classifier)
    predict(texts[:batch_size], batch_size)
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < _MOST_SECONDS:
        start = time.perf_counter()
        predict(texts, batch_size)
        seconds.append(time.perf_counter() - start)
    return len(texts) / float(np.median(seconds))


def throughput_curve(
    classifier: Classifier, texts: Sequence[str], batch_sizes: Sequence[int]
) -> list[tuple[int, float]]:
    """Batch size and documents per second, where each call brings one batch, as a server gathers its callers' texts.

    The batches of a size are filled in the order of `texts`, so these should be in a random one: documents of unlike
    length share a batch, and the shorter ones are padded. That costs more than `throughput`, which sorts by length all
    that it is given. A size above the number of texts is left out: it is not reached.
    """
    predict = output_of(classifier)
    return [(size, _answer_batches(predict, texts, size)) for size in batch_sizes if size <= len(texts)]


def _answer_batches(predict: Callable[..., NDArray[Any]], texts: Sequence[str], size: int) -> float:
    """Documents per second in full batches, none of them begun after `_CURVE_SECONDS`."""
    predict(texts[:size], size)
    start = time.perf_counter()
    done, seconds = 0, 0.0
    while done + size <= len(texts) and seconds < _CURVE_SECONDS:
        predict(texts[done : done + size], size)
        done += size
        seconds = time.perf_counter() - start
    return done / seconds


def hardware() -> dict[str, str | int | float]:
    """What a latency must be read with.

    Processor, its instruction sets that speed up the runtime, cores we may use, memory in GB (1e9 bytes), system,
    versions.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _processor(),
        "instructions": _instructions(),
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
    return _of_processor("model name") or platform.processor() or platform.machine()


def _instructions() -> str:
    """Those of `_INSTRUCTIONS` that the processor has; unknown where it does not say."""
    flags = (_of_processor("flags") or _of_processor("Features")).split()  # x86, ARM
    return " ".join(name for name in _INSTRUCTIONS if name in flags) or "unknown"


def _of_processor(key: str) -> str:
    """What /proc/cpuinfo tells of the first core; empty where it tells nothing."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")
