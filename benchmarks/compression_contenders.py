"""What bench_compression measures: the full model in PyTorch and the bundles, one document at a time."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textmill.artifacts import size_mb
from textmill.runtime import Classifier

Answer = Callable[[str], str]  # text to label


class TorchModel:
    """The full model as PyTorch runs it: eager, float32, with the attention that transformers picks for inference.

    Its tokenizer is that of the bundle, run by the same code: the difference is that of the models.
    """

    def __init__(self, folder: Path, threads: int):
        import torch

        from textmill.models.folder import load_model

        torch.set_num_threads(threads)
        self.model, description = load_model(folder / "torch")
        assert all(parameter.dtype == torch.float32 for parameter in self.model.parameters())
        self.labels = description["labels"]
        self.encode = Classifier.load(folder / "bundle", threads=1).encode
        self.size_mb = size_mb(folder / "torch/model.safetensors") + size_mb(folder / "bundle/tokenizer.json")

    def __call__(self, text: str) -> str:
        import torch

        ((ids,),) = self.encode([text])
        with torch.inference_mode():
            ids_1T = torch.tensor([ids])
            logits_C = self.model(ids_1T, torch.ones_like(ids_1T))[0]
        return self.labels[int(logits_C.argmax())]


class Bundle:
    """A variant as it is served, from text to label."""

    def __init__(self, folder: Path, threads: int):
        self.classifier = Classifier.load(folder / "bundle", threads=threads)
        self.size_mb = size_mb(folder / "bundle")

    def __call__(self, text: str) -> str:
        (prediction,) = self.classifier.predict([text])
        return prediction.label


class Times(NamedTuple):
    """Milliseconds [R, N] of rounds and texts: by the clock, and of the processor, which others do not lengthen."""

    clock_RN: NDArray[np.float64]
    processor_RN: NDArray[np.float64]


def time_in_turns(
    contenders: Mapping[str, Answer], texts: Sequence[str], *, rounds: int, block: int
) -> dict[str, Times]:
    """The times of each contender on each text.

    In every round, contenders take turns on blocks of the texts, each round and block beginning with another one, so
    that what else the machine does meets all of them. A contender's first answer in a block is not timed: the one
    before it has left the caches full of its own weights.
    """
    names = list(contenders)
    times = {name: Times(*np.empty((2, rounds, len(texts)))) for name in names}
    turn = 0
    for number in range(rounds):
        for start in range(0, len(texts), block):
            turn += 1
            for name in np.roll(names, -turn).tolist():
                answer, (clock_RN, processor_RN) = contenders[name], times[name]
                answer(texts[start])
                for i in range(start, min(start + block, len(texts))):
                    began, worked = time.perf_counter(), time.process_time()
                    answer(texts[i])
                    processor_RN[number, i] = 1e3 * (time.process_time() - worked)
                    clock_RN[number, i] = 1e3 * (time.perf_counter() - began)
    return times


def speed_of(times: Times, full: Times) -> dict[str, Any]:
    """Percentiles of latency, and how many times faster than the full model: by medians, over all and each round."""
    ratios_R = np.median(full.clock_RN, axis=1) / np.median(times.clock_RN, axis=1)
    p50 = float(np.median(times.clock_RN))
    return {
        "latency_p50_ms": round(p50, 3),
        "latency_p95_ms": round(float(np.percentile(times.clock_RN, 95)), 3),
        "times_faster": round(float(np.median(full.clock_RN)) / p50, 2),
        "times_faster_of_rounds": [round(ratio, 2) for ratio in ratios_R.tolist()],
        "times_less_processor": round(float(np.median(full.processor_RN) / np.median(times.processor_RN)), 2),
    }


def waiting_share(times: Mapping[str, Times]) -> float:
    """Share of all the time in which others had the processor: near 0 on a machine that does nothing else."""
    clock, processor = (sum(float(one[i].sum()) for one in times.values()) for i in (0, 1))
    return max(0.0, 1 - processor / clock)
