"""Energy of an answer, where the processor counts its own (Intel's and AMD's RAPL, under Linux).

Source: David, Gorbatov, Hanebutte, Khanna and Le, RAPL: Memory Power Estimation and Capping (2010).
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from textmill.evaluation.answers import output_of
from textmill.runtime import Classifier

COUNTERS = Path("/sys/class/powercap")
_SECONDS = 2.0


class Energy(NamedTuple):
    """Joules of the whole processor for a document sent alone, idle cores and other processes included; None with
    a note that says why it is not known."""

    joules_per_document: float | None
    note: str | None


def measure_energy(classifier: Classifier, texts: Sequence[str], counters: Path = COUNTERS) -> Energy:
    """Answer the texts one at a time, none of them after two seconds, between two readings of the counters."""
    packages = sorted(path for path in counters.glob("intel-rapl:*") if path.name.count(":") == 1 and _is_package(path))
    if not packages:
        return Energy(None, "unknown: this machine does not show the energy of its processor")
    try:
        before = [_read(package / "energy_uj") for package in packages]
    except PermissionError:
        return Energy(None, "unknown: only root may read the energy of this machine's processor")
    predict = output_of(classifier)
    end, num_answered = time.perf_counter() + _SECONDS, 0
    for text in texts:
        predict([text])
        num_answered += 1
        if time.perf_counter() > end:
            break
    microjoules = 0
    for package, first in zip(packages, before, strict=True):
        used = _read(package / "energy_uj") - first
        microjoules += used if used >= 0 else used + _read(package / "max_energy_range_uj")  # the counter began anew
    return Energy(microjoules / 1e6 / num_answered, None)


def _is_package(zone: Path) -> bool:
    """Whether it is a processor; `psys` is the whole machine, with the processors in it."""
    return (zone / "name").read_text().startswith("package")


def _read(counter: Path) -> int:
    return int(counter.read_text())
