"""What an answer costs: parameters, operations, start-up, memory, speed by batch size, energy."""

from collections.abc import Sequence

import numpy as np

from textmill.evaluation.case import Case, Findings
from textmill.evaluation.cold_start import measure_cold_start
from textmill.evaluation.energy import measure_energy
from textmill.evaluation.graph_costs import count_operations, count_parameters
from textmill.evaluation.latency import throughput_curve
from textmill.runtime import Classifier

_TOKENIZED = 1000  # documents of which the median length is taken, evenly spaced
_ANSWERED = 20  # documents that a fresh process answers


def examine(case: Case) -> Findings:
    """The costs of one model, on the threads that its latency is measured with.

    Returns:
        details: parameters; flops_per_document of one of median length, of median_tokens; startup_ms, memory_mb and
            libraries_mb of fresh processes (`cold_start.ColdStart`); throughput, by
            batch size; energy_joules_per_document, and energy_note where it is not known; threads.
    """
    settings = case.settings
    texts = case.documents["text"].tolist()
    text, num_tokens = median_document(case.classifier, texts)
    parameters = count_parameters(case.bundle / "model.onnx")
    operations = count_operations(case.bundle, text)
    metrics = {"parameters": float(parameters)}
    if operations is not None:
        metrics["flops_per_document"] = float(operations)
    cold = None
    if settings.startup_processes:
        answered = texts[:: max(1, len(texts) // _ANSWERED)][:_ANSWERED]
        cold = measure_cold_start(
            case.bundle, answered, threads=settings.latency_threads, num_processes=settings.startup_processes
        )
        metrics |= {"startup_ms": cold.startup_ms, "memory_mb": cold.memory_mb}
    order = np.random.default_rng(settings.seed).permutation(len(texts))[: settings.latency_documents]
    shuffled = [texts[i] for i in order]
    energy = measure_energy(case.classifier, shuffled)
    details = {
        "parameters": parameters,
        "flops_per_document": operations,
        "median_tokens": num_tokens,
        "startup_ms": cold and cold.startup_ms,
        "memory_mb": cold and cold.memory_mb,
        "libraries_mb": cold and cold.libraries_mb,
        "throughput": [
            {"batch_size": size, "documents_per_s": rate}
            for size, rate in throughput_curve(case.classifier, shuffled, settings.batch_sizes)
        ],
        "energy_joules_per_document": energy.joules_per_document,
        "energy_note": energy.note,
        "threads": settings.latency_threads,
    }
    return Findings(metrics, details)


def median_document(classifier: Classifier, texts: Sequence[str]) -> tuple[str, int]:
    """A text that has the median number of tokens that the model reads, and that number."""
    some = texts[:: max(1, len(texts) // _TOKENIZED)]
    tokens_N = [sum(len(window) for window in windows) for windows in classifier.encode(some)]
    middle = int(np.argsort(tokens_N, kind="stable")[(len(some) - 1) // 2])
    return some[middle], tokens_N[middle]
